//! Evaluate: one peer's answer, for which nothing is ordered.

use std::sync::Arc;

use carecord_comm::with_details;
use carecord_proto::{
    gateway::{EvaluateRequest, EvaluateResponse},
    proposal::Target,
    protos::{Response, SignedProposal},
};
use tonic::{Code, Status};

use super::{
    answer::result,
    endorsers::{Endorser, endorsers},
};
use crate::{endorser::Purpose, peer::Peer};

/// Asks one peer after the other until one answers.
pub(super) async fn evaluate(
    peer: &Arc<Peer>,
    request: EvaluateRequest,
) -> Result<EvaluateResponse, Status> {
    if request == EvaluateRequest::default() {
        return Err(Status::invalid_argument("an evaluate request is required"));
    }
    let signed = request.proposed_transaction.unwrap_or_default();
    let target = Target::of(&signed).map_err(|error| {
        Status::invalid_argument(format!("failed to unpack transaction proposal: {error}"))
    })?;
    let candidates = candidates(peer, &target, request.target_organizations)?;
    Ok(EvaluateResponse { result: Some(ask(peer, &candidates, &signed).await?) })
}

/// Transient data goes to the gateway's own organisation, unless the client names others.
fn candidates(
    peer: &Arc<Peer>,
    target: &Target,
    mut organizations: Vec<String>,
) -> Result<Vec<Endorser>, Status> {
    let is_protected = target.has_transient && organizations.is_empty();
    if is_protected {
        organizations.push(peer.config().signer.msp_id().to_owned());
    }
    let channel = peer.channel(&target.channel_id);
    let mut candidates = endorsers(peer, channel.as_ref(), &target.chaincode);
    if !organizations.is_empty() {
        candidates.retain(|endorser| organizations.iter().any(|org| org == endorser.msp_id()));
    }
    if candidates.is_empty() {
        let none = format!(
            "no peers available to evaluate chaincode {} in channel {}",
            target.chaincode, target.channel_id
        );
        return Err(Status::failed_precondition(if is_protected {
            format!(
                "no endorsers found in the gateway's organization; retry specifying target \
                 organization(s) to protect transient data: {none}"
            )
        } else {
            none
        }));
    }
    Ok(candidates)
}

async fn ask(
    peer: &Arc<Peer>,
    candidates: &[Endorser],
    signed: &SignedProposal,
) -> Result<Response, Status> {
    let mut details = Vec::new();
    let mut last = Code::Unavailable;
    for endorser in candidates {
        match endorser.propose(peer, signed, Purpose::Evaluate).await {
            Ok(response) => {
                let payload = result(&response);
                let mut answer = response.response.unwrap_or_default();
                answer.payload = payload.unwrap_or(answer.payload);
                return Ok(answer);
            }
            Err(failure) => {
                details.push(failure.detail(endorser.address(), endorser.msp_id()));
                if !failure.retry {
                    let message =
                        format!("evaluate call to endorser returned error: {}", failure.message);
                    return Err(with_details(failure.code, message, details));
                }
                last = failure.code;
            }
        }
    }
    let message = "failed to evaluate transaction, see attached details for more info";
    Err(with_details(last, message, details))
}
