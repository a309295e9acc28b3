//! An update on its way to an orderer.

use std::time::{Duration, Instant};

use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_proto::common::{Envelope, Status};

use super::follow::find;
use super::{Current, missing};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

/// How long an orderer may take to say that an update is committed.
const ANSWER: Duration = Duration::from_secs(15);
/// How long all orderers are asked while none has a leader: two elections with Fabric's own tick and more.
const LEADERLESS: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);
/// What an update says that was made from an older configuration.
const STALE: [&str; 2] = ["but it is currently at version", "attempt to set key"];

/// What a second look at the configuration shows.
enum Now {
    /// The update is in it.
    InForce,
    /// Nothing has changed.
    Same,
    /// Somebody else's update came first.
    Other,
}

/// Submits an update; first the configuration in force is asked here, so that a refusal can name who has not signed.
pub async fn submit(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
    current: &Current,
    envelope: &Envelope,
) -> Outcome<()> {
    if let Err(error) = current.bundle.propose_update(envelope) {
        return Err(missing(&current.bundle, envelope, &error));
    }
    let mut last: Option<Failure> = None;
    let deadline = Instant::now() + LEADERLESS;
    while Instant::now() < deadline {
        for name in &channel.orderers {
            match broadcast(session, session.file().node(name)?, user, envelope).await {
                Ok(()) => return Ok(()),
                Err(failure) if is_passing(&failure) => last = Some(failure),
                Err(failure) if is_conflict(&failure) => {
                    match now(session, channel, user, current, envelope).await {
                        Now::InForce => return Ok(()),
                        Now::Same => last = Some(failure),
                        Now::Other => return Err(failure),
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last.unwrap_or_else(|| {
        Failure::new(Code::Unknown, "the channel has no orderers").at(&channel.name)
    }))
}

/// Sends one envelope to one orderer and waits for its answer.
pub async fn broadcast(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    envelope: &Envelope,
) -> Outcome<()> {
    let unreachable = |status: &tonic::Status| {
        let cause = format!("{} ({:?})", status.message(), status.code());
        Failure::new(Code::Submit, cause).at(format!("{} at {}", node.name, node.address))
    };
    let mut client = AtomicBroadcastClient::new(session.connect(node, user)?)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    // The stream must stay open until the answer is there: an orderer drops a sender who goes away.
    let (sender, envelopes) = tokio::sync::mpsc::channel(1);
    let _ = sender.send(envelope.clone()).await;
    let answer = async {
        let stream = tokio_stream::wrappers::ReceiverStream::new(envelopes);
        client.broadcast(stream).await?.into_inner().message().await
    };
    let answer = tokio::time::timeout(ANSWER, answer)
        .await
        .map_err(|_| {
            Failure::new(Code::Deadline, "the orderer did not answer in time").at(&node.name)
        })?
        .map_err(|status| unreachable(&status))?
        .ok_or_else(|| unreachable(&tonic::Status::unavailable("the orderer closed the stream")))?;
    drop(sender);
    let status = Status::try_from(answer.status).unwrap_or(Status::Unknown);
    match status {
        Status::Success => Ok(()),
        Status::ServiceUnavailable => Err(unreachable(&tonic::Status::unavailable(answer.info))),
        _ => Err(refused(node, status, &answer.info)),
    }
}

fn refused(node: &NodeEntry, status: Status, info: &str) -> Failure {
    let cause = format!("{}: {info}", status.as_str_name());
    if STALE.iter().any(|text| info.contains(text)) {
        return Failure::new(Code::ConfigConflict, cause)
            .at(&node.name)
            .hint("the configuration has changed since this update was made; make it again");
    }
    let code = match status {
        Status::Forbidden => Code::Refused,
        _ => Code::ConfigRefused,
    };
    Failure::new(code, cause).at(&node.name)
}

/// Looks again after a refusal as of another version: what one orderer could not answer for may be in a block all the
/// same and stand in its own way, and an orderer that is behind refuses what is right.
async fn now(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
    before: &Current,
    envelope: &Envelope,
) -> Now {
    match super::current(session, channel, user).await {
        Ok(current) if current.number > before.number => {}
        _ => return Now::Same,
    }
    match find(session, channel, user, envelope, before, Instant::now()).await {
        Ok(_) => Now::InForce,
        Err(_) => Now::Other,
    }
}

fn is_conflict(failure: &Failure) -> bool {
    failure.code() == Code::ConfigConflict.text()
}

fn is_passing(failure: &Failure) -> bool {
    [Code::Submit, Code::Deadline].iter().any(|code| failure.code() == code.text())
}
