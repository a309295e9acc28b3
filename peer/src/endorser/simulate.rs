//! Simulation of a checked proposal, and the endorsement of what came out.

use std::{sync::Arc, time::Instant};

use carecord_chaincode::Response;
use carecord_msp::Identity;
use carecord_proto::{
    proposal::Opened,
    protos::{self, ChaincodeId, ChaincodeInterest, Endorsement, ProposalResponse, SignedProposal},
    rwset::TxPvtRwSet,
    transaction,
};

use super::{Purpose, failure, pace::processor_time};
use crate::{
    chaincode::{self, Call, Executed, System},
    channel::Channel,
    peer::Peer,
    privdata::Outgoing,
};

/// A proposal that passed all checks.
pub(super) struct Proposal {
    pub(super) channel: Option<Arc<Channel>>,
    pub(super) opened: Opened,
    pub(super) signed: SignedProposal,
    pub(super) identity: Arc<Identity>,
    pub(super) purpose: Purpose,
}

/// What a simulation gave.
struct Simulated {
    executed: Executed,
    /// The read-write set; empty where there was none.
    results: bytes::Bytes,
    interest: Option<ChaincodeInterest>,
    /// What an endorsement needs to have with the members of its collections.
    outgoing: Option<Outgoing>,
}

// === impl Simulated ===

impl Simulated {
    fn without_results(executed: Executed) -> Self {
        Self { executed, results: bytes::Bytes::new(), interest: None, outgoing: None }
    }
}

/// Simulates, and endorses unless the proposal is only evaluated.
///
/// What it wrote into collections must be with their members before the endorsement leaves: the caller sees to that.
pub(super) fn simulate(
    peer: &Arc<Peer>,
    proposal: &Proposal,
) -> (ProposalResponse, Option<Outgoing>) {
    let (started, used) = (Instant::now(), processor_time());
    let (channel_id, chaincode) =
        (proposal.opened.channel_id(), proposal.opened.chaincode.as_str());
    let metrics = &peer.config().metrics.endorser;
    let simulated = run(peer, proposal).and_then(|mut simulated| {
        let outgoing = simulated.outgoing.take();
        Ok((answer(peer, proposal, simulated)?, outgoing))
    });
    let (response, outgoing) = simulated.unwrap_or_else(|reason| {
        tracing::warn!(channel = channel_id, chaincode, reason, "proposal failed");
        metrics.proposal_simulation_failures.with_label_values(&[channel_id, chaincode]).inc();
        (failure(reason), None)
    });
    let good = response.response.as_ref().is_some_and(|response| response.status < 400);
    let success = if good { "true" } else { "false" };
    if good {
        metrics.successful_proposals.inc();
        let function = proposal.opened.args().first().map_or(&[][..], |function| function);
        let took = processor_time().saturating_sub(used);
        peer.paces().note(chaincode, function, took);
    }
    metrics
        .proposal_duration
        .with_label_values(&[channel_id, chaincode, success])
        .observe(started.elapsed().as_secs_f64());
    (response, outgoing)
}

fn run(peer: &Arc<Peer>, proposal: &Proposal) -> Result<Simulated, String> {
    let Proposal { opened, signed, identity, .. } = proposal;
    let deadline = Instant::now() + peer.config().timeouts.execution;
    let call = Call { peer, opened, signed, identity, deadline };
    let name = opened.chaincode.as_str();
    let system = System::of(name);
    if let Some(system) = system.filter(|system| !system.simulates()) {
        let executed = chaincode::invoke_system(&call, system, opened.args());
        return Ok(Simulated::without_results(executed));
    }
    let Some(channel) = &proposal.channel else {
        if let Some(system) = system {
            let executed = chaincode::invoke_system(&call, system, opened.args());
            return Ok(Simulated::without_results(executed));
        }
        return Err(format!(
            "make sure the chaincode {name} has been successfully defined on channel  and try \
             again: invalid channel-less operation"
        ));
    };
    let mut simulator =
        channel.ledger().simulator(opened.tx_id()).map_err(|error| error.to_string())?;
    let executed =
        chaincode::invoke(&call, channel, &mut simulator, name, opened.args(), opened.is_init())?;
    let simulation = simulator.done();
    let is_endorsed = proposal.purpose == Purpose::Endorse && executed.response.is_endorsable();
    let outgoing = match simulation.private.as_ref().filter(|_| is_endorsed) {
        None => None,
        Some(set) => Some(Outgoing {
            channel: Arc::clone(channel),
            tx_id: opened.tx_id().to_owned(),
            height: simulation.height,
            set: TxPvtRwSet::from_bytes(set).map_err(|error| error.to_string())?,
        }),
    };
    let interest = Some(chaincode::interest(&simulation.touched));
    Ok(Simulated { executed, results: simulation.public, interest, outgoing })
}

/// | status | channel | answer |
/// |---|---|---|
/// | 500 and above | any | response, payload; no endorsement |
/// | any | none | response |
/// | 400 to 499 | some | response |
/// | below 400 | some | response, payload, endorsement |
fn answer(
    peer: &Peer,
    proposal: &Proposal,
    simulated: Simulated,
) -> Result<ProposalResponse, String> {
    let Simulated { executed, results, interest, outgoing: _ } = simulated;
    let Executed { response, event, version } = executed;
    let response = message(response);
    let chaincode_id =
        ChaincodeId { name: proposal.opened.chaincode.clone(), version, path: String::new() };
    let status = response.status;
    let payload = transaction::response_payload(
        &proposal.opened.hash,
        results,
        event.as_ref(),
        response.clone(),
        chaincode_id,
    );
    let mut answer = ProposalResponse { response: Some(response), ..ProposalResponse::default() };
    if status >= 500 {
        return Ok(ProposalResponse { payload, interest, ..answer });
    }
    let Some(channel) = &proposal.channel else { return Ok(answer) };
    if status >= 400 {
        let labels = [channel.id(), proposal.opened.chaincode.as_str(), "true"];
        peer.config().metrics.endorser.endorsement_failures.with_label_values(&labels).inc();
        return Ok(answer);
    }
    if proposal.purpose == Purpose::Endorse {
        answer.endorsement = Some(endorse(peer, channel, &payload)?);
    }
    Ok(ProposalResponse { version: 1, payload, interest, ..answer })
}

fn endorse(peer: &Peer, channel: &Channel, payload: &[u8]) -> Result<Endorsement, String> {
    let signer = peer.credentials().signer();
    let endorser = signer.serialized();
    let signature = signer
        .sign(&transaction::endorsed_bytes(payload, &endorser))
        .map_err(|error| format!("endorsing with plugin failed: {error}"))?;
    channel.ledger().note_endorsement(payload, &endorser, &signature);
    Ok(Endorsement { endorser, signature: signature.into() })
}

fn message(response: Response) -> protos::Response {
    protos::Response {
        status: response.status,
        message: response.message,
        payload: response.payload,
    }
}
