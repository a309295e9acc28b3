//! One deliver stream: requests in, blocks and statuses out, one request after the other.

use std::sync::Arc;

use carecord_blocks::deliver::Request as Seek;
use carecord_blocks::deliver::{Binding, Refusal, Session, Step, View, without_data};
use carecord_channel::SignedData;
use carecord_comm::{
    ahead::{self, Budget, Charged, Progress, Share, Taken, ahead},
    end_with_cause, peer_certificate, peer_connection,
};
use carecord_msp::Identity;
use carecord_proto::{
    common::{Block, Envelope, Status as DeliverStatus},
    protos::{BlockAndPrivateData, DeliverResponse, deliver_response::Type},
};
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Request, Streaming};

use super::{Content, DeliverService, Responses, filtered::filtered, private::private_data};
use crate::{acl, channel::Channel, clock, peer::Peer};

/// Where the messages of one stream go.
struct Reader {
    peer: Arc<Peer>,
    budget: Arc<Budget>,
    progress: Arc<Progress>,
    content: Content,
    certificate_hash: Option<[u8; 32]>,
    messages: mpsc::Sender<Charged<DeliverResponse>>,
}

/// Why a request ends before its last block.
enum End {
    /// The reader has gone; there is nobody to tell.
    Gone,
    /// The reader is told.
    Refused(Refusal),
}

/// Serves the stream on a task of its own, which ends with it.
pub(super) fn deliver(
    service: &DeliverService,
    request: Request<Streaming<Envelope>>,
    content: Content,
) -> Responses {
    let (messages, stream, progress) = ahead(peer_connection(&request));
    let certificate_hash = peer_certificate(&request).map(|certificate| *certificate.hash());
    let DeliverService { peer, budget } = service.clone();
    let reader = Reader { peer, budget, progress, content, certificate_hash, messages };
    tokio::spawn(async move {
        let metrics = &reader.peer.config().metrics.deliver;
        metrics.streams_opened.inc();
        reader.serve(request.into_inner()).await;
        metrics.streams_closed.inc();
    });
    Box::pin(stream)
}

// === impl Reader ===

impl Reader {
    /// A request that ends well leaves the stream open for the next one; any other closes it.
    async fn serve(&self, mut requests: Streaming<Envelope>) {
        loop {
            let envelope = tokio::select! {
                () = self.messages.closed() => return,
                envelope = requests.message() => envelope,
            };
            let Ok(Some(envelope)) = envelope else { return };
            let served = tokio::select! {
                () = self.messages.closed() => return,
                served = self.serve_one(&envelope) => served,
            };
            let Some(end) = served else { return };
            if self.send(Type::Status(end.status as i32)).await.is_err() {
                return;
            }
            if end.status != DeliverStatus::Success {
                tracing::info!(status = end.status.as_str_name(), reason = %end, "deliver refused");
                let last = Err(end_with_cause(&end.reason));
                let _ = self.messages.send((last, Taken::NOTHING)).await;
                return;
            }
        }
    }

    /// The status that a request ends with, unless nobody reads any more.
    async fn serve_one(&self, envelope: &Envelope) -> Option<Refusal> {
        let seek = match Seek::open(envelope, clock::unix_ms(), self.binding()) {
            Ok(seek) => seek,
            Err(refusal) => return Some(refusal),
        };
        let Some(channel) = self.peer.channel(&seek.channel_id) else {
            return Some(Refusal::unknown_channel(&seek.channel_id));
        };
        let metrics = &self.peer.config().metrics.deliver;
        let [filtered, data_type] = self.content.labels();
        let labels = [channel.id(), filtered, data_type];
        metrics.requests_received.with_label_values(&labels).inc();
        let end = match self.follow(&channel, seek).await {
            Ok(end) | Err(End::Refused(end)) => end,
            Err(End::Gone) => return None,
        };
        let success = if end.status == DeliverStatus::Success { "true" } else { "false" };
        let labels = [channel.id(), filtered, data_type, success];
        metrics.requests_completed.with_label_values(&labels).inc();
        Some(end)
    }

    async fn follow(&self, channel: &Arc<Channel>, seek: Seek) -> Result<Refusal, End> {
        let identity = channel.bundle().msps().identity(&seek.creator).ok();
        let expires_at = identity.as_ref().map(|identity| identity.expires_at());
        let authorise = |seek: &Seek| self.authorise(channel, seek);
        let share = self.budget.share(&account(identity.as_deref()), &self.progress);
        let mut session = match Session::start(seek, view(channel), expires_at, authorise) {
            Ok(session) => session,
            Err(refusal) => return Ok(refusal),
        };
        let mut height = channel.height();
        loop {
            height.borrow_and_update();
            match session.step(view(channel), authorise) {
                Step::End(end) => return Ok(end),
                Step::Wait => height.changed().await.map_err(|_| End::Gone)?,
                Step::Send { number, .. } if number < channel.ledger().first() => {
                    return Ok(Refusal::before_snapshot(number, channel.ledger().first()));
                }
                Step::Send { number, header_only } => {
                    let sent = (number, header_only);
                    self.send_block(channel, &share, sent, identity.as_ref()).await?;
                }
            }
        }
    }

    /// A block is read once there is a place for it, and not kept while its bytes have to be waited for.
    async fn send_block(
        &self,
        channel: &Channel,
        share: &Share,
        (number, header_only): (u64, bool),
        identity: Option<&Arc<Identity>>,
    ) -> Result<(), End> {
        let place = self.messages.reserve().await.map_err(|_| End::Gone)?;
        let (message, bytes) = self.message(channel, number, header_only, identity)?;
        let (message, taken) = if let Some(taken) = share.try_take(bytes) {
            (message, taken)
        } else {
            drop(message);
            let taken = share.take(bytes).await;
            (self.message(channel, number, header_only, identity)?.0, taken)
        };
        let [filtered_label, data_type] = self.content.labels();
        let labels = [channel.id(), filtered_label, data_type];
        self.peer.config().metrics.deliver.blocks_sent.with_label_values(&labels).inc();
        place.send((Ok(DeliverResponse { r#type: Some(message) }), taken));
        Ok(())
    }

    /// What is sent of a block, and how many bytes it keeps in memory.
    fn message(
        &self,
        channel: &Channel,
        number: u64,
        header_only: bool,
        identity: Option<&Arc<Identity>>,
    ) -> Result<(Type, usize), End> {
        let block = channel.block(number).map_err(|error| unreadable(channel, number, &error))?;
        let block = block.ok_or_else(|| unreadable(channel, number, &"it is missing"))?;
        // A header alone is a slice of its block too.
        let bytes = block.encoded_len();
        let whole = |block: &Block| if header_only { without_data(block) } else { block.clone() };
        Ok(match self.content {
            Content::Blocks => (Type::Block(whole(&block)), bytes),
            Content::Filtered => {
                let filtered = filtered(channel.id(), &block);
                let bytes = filtered.encoded_len();
                (Type::FilteredBlock(filtered), bytes)
            }
            Content::WithPrivateData => {
                let private_data_map = private_data(channel, number, identity)
                    .map_err(|error| unreadable(channel, number, &error))?;
                let private: usize = private_data_map.values().map(Message::encoded_len).sum();
                let block = Some(whole(&block));
                let message = BlockAndPrivateData { block, private_data_map };
                (Type::BlockAndPrivateData(message), bytes + private)
            }
        })
    }

    async fn send(&self, message: Type) -> Result<(), End> {
        let response = DeliverResponse { r#type: Some(message) };
        self.messages.send((Ok(response), Taken::NOTHING)).await.map_err(|_| End::Gone)
    }

    fn authorise(&self, channel: &Channel, seek: &Seek) -> Result<(), String> {
        let signed = SignedData {
            identity: seek.creator.clone(),
            data: seek.payload.clone(),
            signature: seek.signature.clone(),
        };
        acl::check_signed(&channel.bundle(), self.content.resource(), signed)
    }

    /// A request is bound to its connection only where every client must show a certificate.
    fn binding(&self) -> Binding<'_> {
        if self.peer.requires_client_certificate() {
            Binding::Certificate(self.certificate_hash.as_ref().map(|hash| &hash[..]))
        } else {
            Binding::Off
        }
    }
}

/// The operator learns what is damaged, the reader that it may ask another node.
fn unreadable(channel: &Channel, number: u64, error: &dyn std::fmt::Display) -> End {
    tracing::error!(channel = channel.id(), block = number, %error, "block cannot be read");
    End::Refused(Refusal::unreadable(number))
}

/// On whose account a stream reads; who is unknown is refused before anything is read.
fn account(identity: Option<&Identity>) -> ahead::Reader {
    identity.map_or_else(ahead::Reader::default, |it| {
        ahead::Reader::new(it.certificate_der(), it.msp_id(), it.is_node())
    })
}

fn view(channel: &Channel) -> View {
    View {
        height: *channel.height().borrow(),
        config_sequence: channel.bundle().sequence(),
        errored: false,
        now_unix_ms: clock::unix_ms(),
    }
}
