//! One orderer that blocks are taken from, by Deliver.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_proto::common::{Block, Envelope, Status};
use carecord_proto::envelope::{self, SeekHeader};
use carecord_proto::orderer::deliver_response::Type;
use carecord_proto::orderer::seek_info::{SeekBehavior, SeekErrorResponse};
use carecord_proto::orderer::{
    DeliverResponse, SeekInfo, SeekPosition, SeekSpecified, seek_position,
};
use futures::FutureExt;
use tokio_stream::StreamExt;
use tonic::Streaming;

use crate::Error;
use crate::host::Host;

/// A source that sends nothing for so long is left for the next: it may be cut off, or be this node itself.
const SILENCE: Duration = Duration::from_secs(3);

/// A stream of blocks.
pub(super) struct Source {
    blocks: Streaming<DeliverResponse>,
}

// === impl Source ===

impl Source {
    /// Asks for the blocks from `start` on; only for those that are there if `once`.
    pub(super) async fn open(
        host: &Host,
        channel: &str,
        address: &str,
        start: u64,
        once: bool,
    ) -> Result<Self, Error> {
        let (connection, hash) = host.links.connection(channel, address, 0)?;
        let seek = seek(host, channel, start, once, hash)?;
        let mut client = AtomicBroadcastClient::new(connection)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        // The request stays open after the one envelope; closing it would end the stream of blocks.
        let request = tokio_stream::once(seek).chain(tokio_stream::pending());
        let opened = tokio::time::timeout(SILENCE, client.deliver(request)).await;
        let blocks = opened.map_err(|_| Error::Silent)??.into_inner();
        Ok(Self { blocks })
    }

    /// The next block; nothing when there is none for now.
    pub(super) async fn next(&mut self) -> Result<Option<Block>, Error> {
        match tokio::time::timeout(SILENCE, self.blocks.message()).await {
            Ok(response) => block(response?),
            Err(_) => Ok(None),
        }
    }

    /// A block that has come already.
    pub(super) fn waiting(&mut self) -> Result<Option<Block>, Error> {
        match self.blocks.message().now_or_never() {
            Some(response) => block(response?),
            None => Ok(None),
        }
    }
}

fn block(response: Option<DeliverResponse>) -> Result<Option<Block>, Error> {
    match response.and_then(|response| response.r#type) {
        Some(Type::Block(block)) => Ok(Some(block)),
        // The end of what is there, as it was asked for.
        Some(Type::Status(status)) if status == Status::NotFound as i32 => Ok(None),
        Some(Type::Status(status)) => {
            let status = Status::try_from(status).map_or("UNKNOWN", |status| status.as_str_name());
            Err(Error::Delivered(status))
        }
        None => Ok(None),
    }
}

fn seek(
    host: &Host,
    channel: &str,
    start: u64,
    once: bool,
    hash: [u8; 32],
) -> Result<Envelope, Error> {
    let at = |number| {
        let specified = seek_position::Type::Specified(SeekSpecified { number });
        Some(SeekPosition { r#type: Some(specified) })
    };
    let behavior = if once { SeekBehavior::FailIfNotReady } else { SeekBehavior::BlockUntilReady };
    let seek = SeekInfo {
        start: at(start),
        stop: at(u64::MAX),
        behavior: behavior as i32,
        // An orderer without a leader still has blocks; what it sends is verified either way.
        error_response: SeekErrorResponse::BestEffort as i32,
        ..SeekInfo::default()
    };
    let signer = host.signer.get();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let header = SeekHeader {
        channel_id: channel.to_owned(),
        creator: signer.serialized(),
        nonce: rand::random::<[u8; 24]>().to_vec().into(),
        timestamp: prost_types::Timestamp { seconds, nanos: 0 },
        tls_cert_hash: hash.to_vec().into(),
    };
    let payload = envelope::seek_payload(header, &seek);
    let signature = signer.sign(&payload)?.into();
    Ok(Envelope { payload, signature })
}
