//! Submit: the signed transaction goes to an orderer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use carecord_comm::with_details;
use carecord_proto::{
    common::{Envelope, Status as OrdererStatus},
    envelope,
    gateway::{ErrorDetail, SubmitRequest, SubmitResponse},
    orderer::BroadcastResponse,
};
use tonic::{Code, Status};

use crate::{channel::Channel, orderers::Orderer, peer::Peer};

/// The pause before all orderers are asked again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// What an orderer answers about a channel that it is not on, with BAD_REQUEST.
const NOT_ON_CHANNEL: &str = "channel does not exist";
/// How long before the client's own deadline it should have its answer.
const BEFORE_DEADLINE: Duration = Duration::from_millis(250);

/// Tries one orderer after the other until one takes the transaction.
///
/// While none does, as during the election of a leader, all are asked again; Fabric leaves that to the client.
pub(super) async fn submit(
    peer: &Arc<Peer>,
    request: SubmitRequest,
    deadline: Option<Instant>,
) -> Result<SubmitResponse, Status> {
    if request == SubmitRequest::default() {
        return Err(Status::invalid_argument("a submit request is required"));
    }
    let Some(prepared) = request.prepared_transaction else {
        return Err(Status::invalid_argument("a prepared transaction is required"));
    };
    if prepared.signature.is_empty() {
        return Err(Status::invalid_argument("prepared transaction must be signed"));
    }
    let channel = channel(peer, &request.channel_id, &prepared)?;
    let give_up = Instant::now() + peer.config().timeouts.submit;
    let give_up = deadline
        .and_then(|at| at.checked_sub(BEFORE_DEADLINE))
        .map_or(give_up, |at| at.min(give_up));
    // Noted first: the block may be here before the orderer's answer.
    channel.events().note_submitted(&request.transaction_id);
    let ordered = order(peer, &channel, &prepared, give_up).await;
    if ordered.is_err() {
        channel.events().take_submitted(&request.transaction_id);
    }
    ordered
}

async fn order(
    peer: &Arc<Peer>,
    channel: &Channel,
    prepared: &Envelope,
    give_up: Instant,
) -> Result<SubmitResponse, Status> {
    let mut pause = PAUSES.0;
    loop {
        let orderers = peer.orderers().quickest_first(&channel.bundle());
        if orderers.is_empty() {
            return Err(none_available());
        }
        let Some(details) = offer(peer, &orderers, prepared).await? else {
            return Ok(SubmitResponse {});
        };
        if Instant::now() + pause >= give_up {
            let message = "no orderers could successfully process transaction";
            return Err(with_details(Code::Unavailable, message, details));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Offers the transaction to each in turn; gives what went wrong if none took it.
///
/// An orderer that is not on the channel, because its data were wiped or it was just removed, leaves it to the others;
/// Fabric's gateway takes its word for all. Only if none of them knows the channel is that the client's mistake.
async fn offer(
    peer: &Arc<Peer>,
    orderers: &[Arc<Orderer>],
    prepared: &Envelope,
) -> Result<Option<Vec<ErrorDetail>>, Status> {
    let (mut details, mut elsewhere) = (Vec::new(), Vec::new());
    for orderer in orderers {
        match broadcast(peer, orderer, prepared).await {
            Ok(answer) if answer.status() == OrdererStatus::Success => return Ok(None),
            Ok(answer) if is_elsewhere(&answer) => {
                orderer.mark_down(peer.config().timeouts.retry_after);
                elsewhere.push((orderer, answer));
            }
            Ok(answer) => judge(orderer, &answer)?,
            Err(message) => {
                let (address, msp_id) = (orderer.node.address.clone(), orderer.node.msp_id.clone());
                tracing::warn!(orderer = address, message, "orderer did not answer");
                orderer.mark_down(peer.config().timeouts.retry_after);
                details.push(ErrorDetail { address, msp_id, message });
            }
        }
    }
    if elsewhere.len() == orderers.len() {
        elsewhere.iter().try_for_each(|(orderer, answer)| judge(orderer, answer))?;
    }
    Ok(Some(details))
}

/// Whether the orderer says that it is not on the channel.
fn is_elsewhere(answer: &BroadcastResponse) -> bool {
    answer.status() == OrdererStatus::BadRequest && answer.info == NOT_ON_CHANNEL
}

/// The channel that the request names, or, if it names none, that of the transaction.
fn channel(
    peer: &Arc<Peer>,
    channel_id: &str,
    prepared: &Envelope,
) -> Result<Arc<Channel>, Status> {
    let channel = if channel_id.is_empty() {
        let opened = envelope::Opened::open(prepared)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        peer.channel(&opened.channel_header.channel_id)
    } else {
        peer.channel(channel_id)
    };
    channel.ok_or_else(none_available)
}

fn none_available() -> Status {
    Status::unavailable("no orderer nodes available")
}

async fn broadcast(
    peer: &Peer,
    orderer: &Orderer,
    prepared: &Envelope,
) -> Result<BroadcastResponse, String> {
    let limit = peer.config().timeouts.broadcast;
    match tokio::time::timeout(limit, orderer.broadcast(prepared)).await {
        Ok(answer) => answer.map_err(|status| {
            let code = carecord_comm::code_name(status.code());
            format!("rpc error: code = {code} desc = {}", status.message())
        }),
        Err(_) => Err("rpc error: code = DeadlineExceeded desc = context deadline exceeded".into()),
    }
}

/// A refusal is the client's fault and final; anything else another orderer may do better.
fn judge(orderer: &Orderer, answer: &BroadcastResponse) -> Result<(), Status> {
    let (status, info) = (answer.status().as_str_name(), answer.info.as_str());
    tracing::warn!(orderer = orderer.node.address, status, info, "orderer refused");
    if (400..500).contains(&answer.status) {
        return Err(Status::aborted(format!(
            "received unsuccessful response from orderer: status={status}, info={info}"
        )));
    }
    Ok(())
}
