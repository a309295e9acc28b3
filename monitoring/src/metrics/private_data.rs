//! What a peer tells of private data: how long it takes to hand it on, to fetch it and to remove it.

use prometheus::{HistogramVec, IntGaugeVec};

use super::Registry;

/// The private data of a peer's channels.
#[derive(Clone, Debug)]
pub struct PrivateDataMetrics {
    /// The time to hand a write set to the members' peers that its collection requires {channel}.
    pub send_duration: HistogramVec,
    /// The time in which sets that a block needs were fetched from other peers {channel}.
    pub fetch_duration: HistogramVec,
    /// The time to ask one peer for sets {channel}.
    pub pull_duration: HistogramVec,
    /// The time to find sets for a peer that asks {channel}.
    pub retrieve_duration: HistogramVec,
    /// The time to find out which sets a block needs and this peer has not {channel}.
    pub list_missing_duration: HistogramVec,
    /// The time of one round of reconciliation {channel}.
    pub reconciliation_duration: HistogramVec,
    /// The time to write files anew so that purged bytes are in none of them {channel}.
    pub purge_duration: HistogramVec,
    /// Sets that this peer should hold and does not, as the last round of reconciliation left them {channel}.
    pub missing: IntGaugeVec,
}

// === impl PrivateDataMetrics ===

impl PrivateDataMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let channel: &[&str] = &["channel"];
        let histogram = |name, help| registry.histogram_vec(name, help, channel);
        Self {
            send_duration: histogram(
                "gossip_privdata_send_duration",
                "Time it takes to send a missing private data element (in seconds)",
            ),
            fetch_duration: histogram(
                "gossip_privdata_fetch_duration",
                "Time it takes to fetch missing private data from peers (in seconds)",
            ),
            pull_duration: histogram(
                "gossip_privdata_pull_duration",
                "Time it takes to pull a missing private data element (in seconds)",
            ),
            retrieve_duration: histogram(
                "gossip_privdata_retrieve_duration",
                "Time it takes to retrieve missing private data elements from the ledger (in seconds)",
            ),
            list_missing_duration: histogram(
                "gossip_privdata_list_missing_duration",
                "Time it takes to list the missing private data (in seconds)",
            ),
            reconciliation_duration: histogram(
                "gossip_privdata_reconciliation_duration",
                "Time it takes for reconciliation to complete (in seconds)",
            ),
            purge_duration: histogram(
                "gossip_privdata_purge_duration",
                "Time it takes to purge private data (in seconds)",
            ),
            missing: registry.int_gauge_vec(
                "carecord_private_sets_missing",
                "Private write sets that this peer should hold and does not.",
                channel,
            ),
        }
    }
}
