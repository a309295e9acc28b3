//! What a ledger counts, on a peer; an orderer's block log uses the two that it shares.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::Registry;

/// Blocks and transactions of a node's channels.
#[derive(Clone, Debug)]
pub struct LedgerMetrics {
    /// Height of the chain in blocks {channel}.
    pub height: IntGaugeVec,
    /// The time a block took, from validation to the last index {channel}.
    pub block_processing_time: HistogramVec,
    /// The time to commit a block and its private data to storage {channel}.
    pub blockstorage_and_pvtdata_commit_time: HistogramVec,
    /// The time to append a block to the block log {channel}.
    pub blockstorage_commit_time: HistogramVec,
    /// The time to write a block's changes to the state {channel}.
    pub statedb_commit_time: HistogramVec,
    /// Transactions processed {channel, transaction_type, chaincode, validation_code}.
    pub transaction_count: IntCounterVec,
    /// Bytes of a block {channel}.
    pub block_bytes: HistogramVec,
}

// === impl LedgerMetrics ===

impl LedgerMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let channel: &[&str] = &["channel"];
        let histogram = |name, help| registry.ledger_histogram_vec(name, help, channel);
        Self {
            height: registry.int_gauge_vec(
                "ledger_blockchain_height",
                "Height of the chain in blocks.",
                channel,
            ),
            block_processing_time: histogram(
                "ledger_block_processing_time",
                "Time taken in seconds for ledger block processing.",
            ),
            blockstorage_and_pvtdata_commit_time: histogram(
                "ledger_blockstorage_and_pvtdata_commit_time",
                "Time taken in seconds for committing the block and private data to storage.",
            ),
            blockstorage_commit_time: histogram(
                "ledger_blockstorage_commit_time",
                "Time taken in seconds for committing the block to storage.",
            ),
            statedb_commit_time: histogram(
                "ledger_statedb_commit_time",
                "Time taken in seconds for committing block changes to state db.",
            ),
            transaction_count: registry.counter_vec(
                "ledger_transaction_count",
                "Number of transactions processed.",
                &["channel", "transaction_type", "chaincode", "validation_code"],
            ),
            block_bytes: registry.byte_histogram_vec(
                "carecord_block_bytes",
                "Size of a committed block in bytes.",
                channel,
            ),
        }
    }
}
