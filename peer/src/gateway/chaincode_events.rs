//! ChaincodeEvents: the events of one chaincode, block by block, from wherever the client left off.

use std::sync::Arc;

use carecord_channel::{SignedData, acl::GATEWAY_CHAINCODE_EVENTS};
use carecord_proto::{
    block, envelope,
    gateway::{ChaincodeEventsRequest, ChaincodeEventsResponse, SignedChaincodeEventsRequest},
    orderer::seek_position::Type,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Events;
use crate::{channel::Channel, entitlement::Entitlement, events::CommittedBlock, peer::Peer};

/// Messages that wait for a slow reader; then the stream waits too.
const MESSAGES_AHEAD: usize = 2;

/// Where a client is in the stream of blocks.
struct Follower {
    channel: Arc<Channel>,
    chaincode: String,
    entitled: Entitlement,
    next: u64,
    /// Nothing is sent before this transaction has gone by.
    after: Option<String>,
}

/// Checks the request and begins the stream.
pub(super) fn chaincode_events(
    peer: &Arc<Peer>,
    signed: SignedChaincodeEventsRequest,
) -> Result<Events, Status> {
    if signed.request.is_empty() {
        return Err(Status::invalid_argument("a chaincode events request is required"));
    }
    let request = ChaincodeEventsRequest::decode(signed.request.clone()).map_err(|error| {
        Status::invalid_argument(format!("invalid chaincode events request: {error}"))
    })?;
    // An unknown channel fails in the access rule, as in Fabric: nobody learns which channels there are.
    let channel = peer.channel(&request.channel_id).ok_or_else(|| {
        let channel_id = &request.channel_id;
        Status::permission_denied(format!(
            "Failed to get policy manager for channel [{channel_id}]"
        ))
    })?;
    let identity = request.identity.clone();
    let signed = SignedData { identity, data: signed.request, signature: signed.signature };
    let entitled = Entitlement::of(&channel, GATEWAY_CHAINCODE_EVENTS, signed)?;
    entitled.check_expiry()?;
    let follower = Follower::new(channel, request, entitled)?;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(async move {
        tokio::select! {
            () = messages.closed() => {}
            failed = follower.follow(&messages) => {
                let Err(status) = failed else { return };
                let _ = messages.send(Err(status)).await;
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

// === impl Follower ===

impl Follower {
    fn new(
        channel: Arc<Channel>,
        request: ChaincodeEventsRequest,
        entitled: Entitlement,
    ) -> Result<Self, Status> {
        let after = Some(request.after_transaction_id).filter(|after| !after.is_empty());
        let known = match &after {
            Some(after) => channel.status(after).map_err(aborted)?,
            None => None,
        };
        let start = request.start_position.and_then(|position| position.r#type);
        let next = match (known, start) {
            (Some(status), _) => status.block,
            (None, None | Some(Type::NextCommit(_))) => channel.ledger().height(),
            (None, Some(Type::Specified(at))) => at.number,
            (None, Some(Type::Newest(_))) => return Err(bad_start("Newest")),
            (None, Some(Type::Oldest(_))) => return Err(bad_start("Oldest")),
        };
        Ok(Self { channel, chaincode: request.chaincode_id, entitled, next, after })
    }

    async fn follow(
        mut self,
        messages: &mpsc::Sender<Result<ChaincodeEventsResponse, Status>>,
    ) -> Result<(), Status> {
        let mut height = self.channel.height();
        loop {
            height.wait_for(|height| *height > self.next).await.map_err(aborted)?;
            self.entitled.check_again(&self.channel)?;
            self.entitled.check_expiry()?;
            let committed = self.channel.committed(self.next).map_err(aborted)?;
            let committed = committed.ok_or_else(|| Status::aborted("block is not there"))?;
            let events = self.matching(&committed);
            if !events.is_empty() {
                let response = ChaincodeEventsResponse { events, block_number: self.next };
                if messages.send(Ok(response)).await.is_err() {
                    return Ok(());
                }
            }
            self.next += 1;
        }
    }

    /// The chaincode's events of a block, behind the transaction that the client has seen already.
    ///
    /// If that transaction set no event, or is invalid, it counts as passed at its place in its block; Fabric would wait
    /// for its event for ever.
    fn matching(
        &mut self,
        committed: &CommittedBlock,
    ) -> Vec<carecord_proto::protos::ChaincodeEvent> {
        let events = committed.events.iter();
        let Some(after) = &self.after else {
            return events.filter(|event| event.chaincode_id == self.chaincode).cloned().collect();
        };
        let ids = tx_ids(&committed.block);
        let Some(place) = ids.iter().position(|id| id == after) else { return Vec::new() };
        let behind = &ids[place + 1..];
        let events = events
            .filter(|event| event.chaincode_id == self.chaincode && behind.contains(&event.tx_id));
        let events = events.cloned().collect();
        self.after = None;
        events
    }
}

/// The ids of a block's transactions, in order; empty where none can be read.
fn tx_ids(committed: &carecord_proto::common::Block) -> Vec<String> {
    let id = |raw: &bytes::Bytes| {
        let envelope = carecord_proto::common::Envelope::decode(raw.clone()).ok()?;
        Some(envelope::Opened::open(&envelope).ok()?.channel_header.tx_id)
    };
    block::envelopes(committed).iter().map(|raw| id(raw).unwrap_or_default()).collect()
}

fn bad_start(name: &str) -> Status {
    Status::invalid_argument(format!("invalid start position type: *orderer.SeekPosition_{name}"))
}

fn aborted(error: impl std::fmt::Display) -> Status {
    Status::aborted(error.to_string())
}
