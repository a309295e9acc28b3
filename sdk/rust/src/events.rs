//! Streams of chaincode events and of blocks, with the place to go on from.

use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::protos::deliver_client::DeliverClient;
use carecord_proto::common::Envelope;
use carecord_proto::envelope::SeekHeader;
use carecord_proto::gateway::{ChaincodeEventsRequest, SignedChaincodeEventsRequest};
use carecord_proto::orderer::{
    SeekInfo, SeekNextCommit, SeekPosition, SeekSpecified, seek_position,
};
use carecord_proto::protos::{ChaincodeEvent, DeliverResponse};
use futures::{Stream, StreamExt, TryStreamExt};
use prost::Message;

use crate::{Error, Network};

/// Where a stream of events begins.
#[derive(Clone, Debug, Default)]
pub struct From {
    /// The first block to look at; none: the next one to be committed.
    pub block: Option<u64>,
    /// Skips everything up to and including this transaction, if the ledger has it.
    pub after_transaction: Option<String>,
}

/// The events of one block, in the order of their transactions.
#[derive(Clone, Debug)]
pub struct BlockEvents {
    /// The block's number.
    pub block: u64,
    /// Its events.
    pub events: Vec<ChaincodeEvent>,
}

pub(crate) async fn chaincode_events(
    network: &Network,
    chaincode: &str,
    from: From,
) -> Result<impl Stream<Item = Result<BlockEvents, Error>> + use<>, Error> {
    let gateway = &network.gateway;
    let message = ChaincodeEventsRequest {
        channel_id: network.name.clone(),
        chaincode_id: chaincode.to_owned(),
        identity: gateway.signer.serialized(),
        start_position: Some(position(from.block)),
        after_transaction_id: from.after_transaction.unwrap_or_default(),
    }
    .encode_to_vec();
    let signature = gateway.sign(&message)?;
    let signed = SignedChaincodeEventsRequest { request: message.into(), signature };
    let failed = |status| Error::gateway("chaincode events", status);
    let stream = gateway.client().chaincode_events(signed).await.map_err(failed)?.into_inner();
    Ok(stream
        .map_ok(|answer| BlockEvents { block: answer.block_number, events: answer.events })
        .map_err(failed))
}

pub(crate) async fn blocks(
    network: &Network,
    start: Option<u64>,
) -> Result<impl Stream<Item = Result<DeliverResponse, Error>> + use<>, Error> {
    let gateway = &network.gateway;
    let header = SeekHeader {
        channel_id: network.name.clone(),
        creator: gateway.signer.serialized(),
        timestamp: crate::proposal::now(),
        ..SeekHeader::default()
    };
    let seek = SeekInfo {
        start: Some(position(start)),
        stop: Some(position(Some(u64::MAX))),
        ..SeekInfo::default()
    };
    let payload = carecord_proto::envelope::seek_payload(header, &seek);
    let signature = gateway.sign(&payload)?;
    let seek = futures::stream::iter([Envelope { payload, signature }]);
    let failed = |status| Error::gateway("deliver", status);
    // the request stream stays open, as the official SDKs keep it
    let requests = seek.chain(futures::stream::pending());
    let stream = DeliverClient::new(gateway.channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .deliver(requests)
        .await
        .map_err(failed)?
        .into_inner();
    Ok(stream.map_err(failed))
}

fn position(block: Option<u64>) -> SeekPosition {
    let position = match block {
        Some(number) => seek_position::Type::Specified(SeekSpecified { number }),
        None => seek_position::Type::NextCommit(SeekNextCommit {}),
    };
    SeekPosition { r#type: Some(position) }
}
