//! CommitStatus: what became of a transaction, now or as soon as it is committed.

use std::sync::Arc;

use carecord_channel::{SignedData, acl::GATEWAY_COMMIT_STATUS};
use carecord_comm::with_cause;
use carecord_proto::gateway::{
    CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest,
};
use prost::Message;
use tonic::{Response, Status};

use crate::{channel::StatusError, entitlement::Entitlement, peer::Peer};

/// Waits until the transaction is committed, or the caller may not know any more.
///
/// The answer is Fabric's; why a transaction is not valid stands beside it in the metadata, which Fabric's SDKs pass over.
pub(super) async fn commit_status(
    peer: &Arc<Peer>,
    signed: SignedCommitStatusRequest,
) -> Result<Response<CommitStatusResponse>, Status> {
    if signed.request.is_empty() {
        return Err(Status::invalid_argument("a commit status request is required"));
    }
    let request = CommitStatusRequest::decode(signed.request.clone())
        .map_err(|error| Status::invalid_argument(format!("invalid status request: {error}")))?;
    check(&request)?;
    let channel = peer.channel(&request.channel_id).ok_or_else(|| {
        let channel_id = &request.channel_id;
        Status::permission_denied(format!(
            "Failed to get policy manager for channel [{channel_id}]"
        ))
    })?;
    let identity = request.identity;
    let signed = SignedData { identity, data: signed.request, signature: signed.signature };
    let mut entitled = Entitlement::of(&channel, GATEWAY_COMMIT_STATUS, signed)?;
    let mut configurations = channel.configurations();
    let waiting = channel.wait_for_status(&request.transaction_id);
    tokio::pin!(waiting);
    let status = loop {
        tokio::select! {
            status = &mut waiting => break status,
            // The channel lives as long as this call, so an error cannot come; it would only end the waiting.
            Ok(()) = configurations.changed() => entitled.check_again(&channel)?,
        }
    };
    let status = status.map_err(|error| match error {
        StatusError::Crowded(error) => Status::resource_exhausted(error.to_string()),
        StatusError::Ledger(error) => Status::aborted(error.to_string()),
    })?;
    let status = status.ok_or_else(|| Status::aborted("the channel has stopped"))?;
    let answer = CommitStatusResponse { result: status.code as i32, block_number: status.block };
    let cause = channel.cause(&request.transaction_id, status);
    Ok(with_cause(answer, cause.as_deref()))
}

fn check(request: &CommitStatusRequest) -> Result<(), Status> {
    let missing = if request.identity.is_empty() {
        "no identity provided"
    } else if request.channel_id.is_empty() {
        "no channel ID provided"
    } else if request.transaction_id.is_empty() {
        "transaction ID should not be empty"
    } else {
        return Ok(());
    };
    Err(Status::invalid_argument(missing))
}
