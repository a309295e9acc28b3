//! What the endorser, the chaincode host and the gateway count.

use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::Registry;

/// Proposals, from arrival to signed response.
#[derive(Clone, Debug)]
pub struct EndorserMetrics {
    /// The number of proposals received.
    pub proposals_received: IntCounter,
    /// The number of proposals that ended with a response.
    pub successful_proposals: IntCounter,
    /// The number of proposals that failed the checks before simulation.
    pub proposal_validation_failures: IntCounter,
    /// The number of proposals refused by an access rule {channel, chaincode}.
    pub proposal_acl_failures: IntCounterVec,
    /// The number of proposals whose transaction id was taken {channel, chaincode}.
    pub duplicate_transaction_failures: IntCounterVec,
    /// The number of proposals whose simulation failed {channel, chaincode}.
    pub proposal_simulation_failures: IntCounterVec,
    /// The number of responses that were not endorsed {channel, chaincode, chaincodeerror}.
    pub endorsement_failures: IntCounterVec,
    /// The time to complete a proposal {channel, chaincode, success}.
    pub proposal_duration: HistogramVec,
}

/// Invocations of chaincode; for chaincode in the peer's process a stub call counts as a shim request.
#[derive(Clone, Debug)]
pub struct ChaincodeMetrics {
    /// The number of requests of a chaincode {type, channel, chaincode}.
    pub shim_requests_received: IntCounterVec,
    /// The number of requests answered {type, channel, chaincode, success}.
    pub shim_requests_completed: IntCounterVec,
    /// The time a request took {type, channel, chaincode, success}.
    pub shim_request_duration: HistogramVec,
    /// The number of invocations that ran out of time {chaincode}.
    pub execute_timeouts: IntCounterVec,
    /// The time to launch a chaincode {chaincode, success}.
    pub launch_duration: HistogramVec,
    /// The number of launches that failed {chaincode}.
    pub launch_failures: IntCounterVec,
    /// The number of launches that ran out of time {chaincode}.
    pub launch_timeouts: IntCounterVec,
}

/// Transactions as a gateway's client sees them.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    /// The time from Submit to the commit that a waiting client is told of {channel}.
    pub end_to_end: HistogramVec,
}

// === impl EndorserMetrics ===

impl EndorserMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let by_chaincode: &[&str] = &["channel", "chaincode"];
        Self {
            proposals_received: registry
                .counter("endorser_proposals_received", "The number of proposals received."),
            successful_proposals: registry
                .counter("endorser_successful_proposals", "The number of successful proposals."),
            proposal_validation_failures: registry.counter(
                "endorser_proposal_validation_failures",
                "The number of proposals that have failed initial validation.",
            ),
            proposal_acl_failures: registry.counter_vec(
                "endorser_proposal_acl_failures",
                "The number of proposals that failed access checks.",
                by_chaincode,
            ),
            duplicate_transaction_failures: registry.counter_vec(
                "endorser_duplicate_transaction_failures",
                "The number of proposals refused because their transaction id was taken.",
                by_chaincode,
            ),
            proposal_simulation_failures: registry.counter_vec(
                "endorser_proposal_simulation_failures",
                "The number of proposals whose simulation failed.",
                by_chaincode,
            ),
            endorsement_failures: registry.counter_vec(
                "endorser_endorsement_failures",
                "The number of responses that were not endorsed.",
                &["channel", "chaincode", "chaincodeerror"],
            ),
            proposal_duration: registry.histogram_vec(
                "endorser_proposal_duration",
                "The time to complete a proposal, in seconds.",
                &["channel", "chaincode", "success"],
            ),
        }
    }
}

// === impl ChaincodeMetrics ===

impl ChaincodeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let request: &[&str] = &["type", "channel", "chaincode"];
        let answer: &[&str] = &["type", "channel", "chaincode", "success"];
        Self {
            shim_requests_received: registry.counter_vec(
                "chaincode_shim_requests_received",
                "The number of requests of a chaincode to its peer.",
                request,
            ),
            shim_requests_completed: registry.counter_vec(
                "chaincode_shim_requests_completed",
                "The number of requests of a chaincode that were answered.",
                answer,
            ),
            shim_request_duration: registry.histogram_vec(
                "chaincode_shim_request_duration",
                "The time to answer a request of a chaincode, in seconds.",
                answer,
            ),
            execute_timeouts: registry.counter_vec(
                "chaincode_execute_timeouts",
                "The number of invocations that have timed out.",
                &["chaincode"],
            ),
            launch_duration: registry.histogram_vec(
                "chaincode_launch_duration",
                "The time to launch a chaincode, in seconds.",
                &["chaincode", "success"],
            ),
            launch_failures: registry.counter_vec(
                "chaincode_launch_failures",
                "The number of chaincode launches that have failed.",
                &["chaincode"],
            ),
            launch_timeouts: registry.counter_vec(
                "chaincode_launch_timeouts",
                "The number of chaincode launches that have timed out.",
                &["chaincode"],
            ),
        }
    }
}

// === impl GatewayMetrics ===

impl GatewayMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            end_to_end: registry.histogram_vec(
                "carecord_tx_end_to_end_seconds",
                "The time from submit to commit as the gateway sees it, in seconds.",
                &["channel"],
            ),
        }
    }
}
