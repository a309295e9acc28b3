//! Blocks from a node, over Deliver; orderers and peers serve it under two names with the same rules.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_comm::protos::deliver_client::DeliverClient;
use carecord_comm::{MAX_MESSAGE_BYTES, cause_of_end};
use carecord_msp::Signer;
use carecord_proto::common::{Block, Envelope, Status};
use carecord_proto::envelope::{SeekHeader, seek_payload};
use carecord_proto::orderer::{
    SeekInfo, SeekNewest, SeekPosition, SeekSpecified, deliver_response, seek_info, seek_position,
};
use carecord_proto::protos;
use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::Streaming;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, unreachable};
use crate::state::{NodeEntry, UserEntry};

const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Which blocks are wanted; a range that ends beyond the tip fails at the tip instead of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The newest block.
    Newest,
    /// From the first number to the second, both included.
    Between(u64, u64),
    /// From this number on; what is not there yet is waited for.
    From(u64),
}

/// What either Deliver service answers.
enum Answer {
    Block(Box<Block>),
    /// How it ended, and why if it was not SUCCESS and the node says.
    Status(Status, Option<String>),
}

/// Block `number` of `channel` at `node`.
pub async fn block(
    session: &Session,
    node: &NodeEntry,
    channel: &str,
    number: u64,
) -> Outcome<Block> {
    let mut found = None;
    stream(session, node, channel, Range::Between(number, number), |block| {
        found = Some(block);
        Ok(())
    })
    .await?;
    found.ok_or_else(|| no_block(node, number))
}

/// Hands every block of `range` to `each`, in order; read by the administrator of the node's organisation.
pub async fn stream(
    session: &Session,
    node: &NodeEntry,
    channel: &str,
    range: Range,
    each: impl FnMut(Block) -> Outcome<()>,
) -> Outcome<()> {
    let admin = session.file().admin(&node.organisation)?;
    stream_as(session, node, admin, channel, range, each).await
}

/// The same, read by `user`.
pub async fn stream_as(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    range: Range,
    mut each: impl FnMut(Block) -> Outcome<()>,
) -> Outcome<()> {
    let mut answers = open(session, node, user, channel, range).await?;
    while let Some(answer) = answers.next().await {
        match answer.map_err(|status| unreachable(node, &status))? {
            Answer::Block(block) => each(*block)?,
            Answer::Status(Status::Success, _) => return Ok(()),
            Answer::Status(status, cause) => {
                let why = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                return Err(ended(node, user, channel, range, status, &why));
            }
        }
    }
    Err(Failure::new(Code::Deliver, "the stream ended without a status").at(&node.name))
}

/// What a stream means that ended with anything but SUCCESS.
fn ended(
    node: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    range: Range,
    status: Status,
    why: &str,
) -> Failure {
    let failure = match (status, range) {
        (Status::NotFound, Range::Between(first, last)) if first == last => {
            return no_block(node, first);
        }
        (Status::NotFound, _) => {
            let cause = format!("the node has no such blocks of channel {channel}{why}");
            Failure::new(Code::NoBlock, cause)
        }
        (Status::Forbidden, _) => {
            let cause = format!("{} may not read channel {channel} (FORBIDDEN){why}", user.name);
            Failure::new(Code::Refused, cause)
        }
        (status, _) => {
            let name = status.as_str_name();
            let cause = format!("the stream of channel {channel} ended with {name}{why}");
            Failure::new(Code::Deliver, cause)
        }
    };
    failure.at(&node.name)
}

async fn open(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    range: Range,
) -> Outcome<BoxStream<'static, Result<Answer, tonic::Status>>> {
    let signer = session.signer(user)?;
    let seek = seek(signer.as_ref(), channel, range)?;
    let connection = session.connect(node, user)?;
    let requests = futures::stream::iter([seek]);
    let answers = async {
        if node.role == "orderer" {
            let mut client =
                AtomicBroadcastClient::new(connection).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let stream = client.deliver(requests).await?.into_inner();
            Ok::<_, tonic::Status>(answers_of(stream, of_orderer))
        } else {
            let mut client =
                DeliverClient::new(connection).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let stream = client.deliver(requests).await?.into_inner();
            Ok(answers_of(stream, of_peer))
        }
    };
    match tokio::time::timeout(FIRST_ANSWER, answers).await {
        Ok(Ok(answers)) => Ok(answers),
        Ok(Err(status)) => Err(unreachable(node, &status)),
        Err(_) => {
            Err(Failure::new(Code::Deadline, "the node did not answer in time").at(&node.name))
        }
    }
}

fn seek(signer: &dyn Signer, channel: &str, range: Range) -> Outcome<Envelope> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = SeekHeader {
        channel_id: channel.to_owned(),
        creator: signer.serialized(),
        timestamp: prost_types::Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        },
        ..SeekHeader::default()
    };
    let (start, stop) = match range {
        Range::Newest => (newest(), newest()),
        Range::Between(first, last) => (specified(first), specified(last)),
        Range::From(first) => (specified(first), specified(u64::MAX)),
    };
    let behaviour = match range {
        Range::From(_) => seek_info::SeekBehavior::BlockUntilReady,
        _ => seek_info::SeekBehavior::FailIfNotReady,
    };
    let info = SeekInfo {
        start: Some(start),
        stop: Some(stop),
        behavior: behaviour as i32,
        ..SeekInfo::default()
    };
    let payload = seek_payload(header, &info);
    let signature =
        signer.sign(&payload).map_err(|error| Failure::new(Code::Certificate, error))?.into();
    Ok(Envelope { payload, signature })
}

fn newest() -> SeekPosition {
    SeekPosition { r#type: Some(seek_position::Type::Newest(SeekNewest {})) }
}

fn specified(number: u64) -> SeekPosition {
    SeekPosition { r#type: Some(seek_position::Type::Specified(SeekSpecified { number })) }
}

/// The answers of a stream, the last one with the cause that its trailers give.
fn answers_of<T: Send + 'static>(
    stream: Streaming<T>,
    answer: fn(T) -> Answer,
) -> BoxStream<'static, Result<Answer, tonic::Status>> {
    let read = move |mut stream: Streaming<T>| async move {
        let Some(message) = stream.message().await? else { return Ok(None) };
        let answer = match answer(message) {
            Answer::Status(status, _) if status != Status::Success => {
                Answer::Status(status, cause_of_end(&mut stream).await)
            }
            answer => answer,
        };
        Ok(Some((answer, stream)))
    };
    futures::stream::try_unfold(stream, read).boxed()
}

fn of_orderer(answer: carecord_proto::orderer::DeliverResponse) -> Answer {
    match answer.r#type {
        Some(deliver_response::Type::Block(block)) => Answer::Block(Box::new(block)),
        Some(deliver_response::Type::Status(status)) => Answer::Status(known(status), None),
        None => Answer::Status(Status::Unknown, None),
    }
}

fn of_peer(answer: protos::DeliverResponse) -> Answer {
    use protos::deliver_response::Type;
    match answer.r#type {
        Some(Type::Block(block)) => Answer::Block(Box::new(block)),
        Some(Type::Status(status)) => Answer::Status(known(status), None),
        Some(_) | None => Answer::Status(Status::Unknown, None),
    }
}

fn known(status: i32) -> Status {
    Status::try_from(status).unwrap_or(Status::Unknown)
}

fn no_block(node: &NodeEntry, number: u64) -> Failure {
    Failure::new(Code::NoBlock, format!("there is no block {number}"))
        .at(&node.name)
        .hint("`carecord block list` shows the height")
}
