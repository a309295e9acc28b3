//! The endorser: a proposal is checked, simulated and, if all is well, signed.
//!
//! Place in the flow: clients and gateways of other organisations call `ProcessProposal`, the peer's own gateway calls
//! [`process`] directly. Checks run in Fabric's order and with its texts.

mod checks;
mod pace;
mod simulate;

use std::sync::Arc;

use carecord_comm::protos::endorser_server;
use carecord_proto::{
    proposal::Opened,
    protos::{ProposalResponse, Response, SignedProposal},
};
use tonic::{Request, Status};

use crate::{
    config::SimulateOn,
    peer::Peer,
    privdata::{Outgoing, distribute},
};

pub(crate) use pace::Paces;

/// What a proposal is processed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For a transaction.
    Endorse,
    /// For its answer alone, which needs no signature.
    Evaluate,
}

/// A proposal that is the client's fault; over gRPC it becomes an error of code `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// Fabric's text.
    pub(crate) message: String,
    /// Whether Fabric gives a response beside the error: a gateway then does not ask another peer.
    pub(crate) is_final: bool,
}

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct EndorserService {
    pub(crate) peer: Arc<Peer>,
}

// === impl EndorserService ===

#[tonic::async_trait]
impl endorser_server::Endorser for EndorserService {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<tonic::Response<ProposalResponse>, Status> {
        let signed = request.into_inner();
        match process(&self.peer, signed, Purpose::Endorse).await {
            Ok(response) => Ok(response.into()),
            Err(refusal) => Err(Status::unknown(refusal.message)),
        }
    }
}

/// Processes a proposal.
///
/// What goes wrong in simulation is a response of status 500 without payload; what the chaincode refuses has one.
pub(crate) async fn process(
    peer: &Arc<Peer>,
    signed: SignedProposal,
    purpose: Purpose,
) -> Result<ProposalResponse, Refusal> {
    let metrics = &peer.config().metrics.endorser;
    metrics.proposals_received.inc();
    let opened = Opened::open(&signed).map_err(|error| {
        metrics.proposal_validation_failures.inc();
        Refusal::last(error.to_string())
    })?;
    let channel_id = opened.channel_id().to_owned();
    let channel = peer.channel(&channel_id);
    if channel.is_none() && !channel_id.is_empty() {
        return Ok(failure(format!("channel '{channel_id}' not found")));
    }
    let identity =
        checks::check(peer, channel.as_ref(), &opened, &signed).inspect_err(|refusal| {
            tracing::info!(channel = channel_id, reason = %refusal, "proposal refused");
        })?;
    let proposal = simulate::Proposal { channel, opened, signed, identity, purpose };
    let (response, outgoing) = simulated(peer, proposal).await;
    let Some(outgoing) = outgoing else { return Ok(response) };
    // Before anybody can submit it: the block may come from anywhere, the plaintext only from here.
    Ok(match distribute(peer, outgoing).await {
        Ok(()) => response,
        Err(reason) => {
            tracing::warn!(channel = channel_id, reason, "proposal failed");
            failure(format!("error in simulation: {reason}"))
        }
    })
}

async fn simulated(
    peer: &Arc<Peer>,
    proposal: simulate::Proposal,
) -> (ProposalResponse, Option<Outgoing>) {
    if runs_here(peer, &proposal.opened) {
        return simulate::simulate(peer, &proposal);
    }
    let Ok(turn) = Arc::clone(peer.simulations()).acquire_owned().await else {
        return (failure("error in simulation: the peer stops".to_owned()), None);
    };
    let peer = Arc::clone(peer);
    let simulated = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        simulate::simulate(&peer, &proposal)
    });
    let simulated = simulated.await;
    simulated.unwrap_or_else(|error| (failure(format!("error in simulation: {error}")), None))
}

/// Whether a proposal is simulated on the runtime's thread.
fn runs_here(peer: &Peer, opened: &Opened) -> bool {
    match peer.config().simulate_on {
        SimulateOn::Runtime => true,
        SimulateOn::Threads => false,
        SimulateOn::RuntimeIfQuick => {
            let function = opened.args().first().map_or(&[][..], |function| function);
            peer.paces().is_quick(&opened.chaincode, function)
        }
    }
}

/// A response that says what went wrong in the peer.
pub(crate) fn failure(message: String) -> ProposalResponse {
    let response = Response { status: 500, message, ..Response::default() };
    ProposalResponse { response: Some(response), ..ProposalResponse::default() }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal that every peer would repeat.
    pub(crate) fn last(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: true }
    }

    /// A refusal by the filters in front of the endorser, which gives no response.
    pub(crate) fn filter(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: false }
    }
}
