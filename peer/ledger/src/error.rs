//! What can go wrong with a ledger. None of these is a verdict: a transaction is never marked invalid because of one.

use carecord_blocks::verify;

use crate::definition::DefinitionError;
use crate::snapshot::SnapshotError;
use crate::state::EngineError;

/// Why a ledger could not be opened, read or extended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The block does not continue this chain or is not rightly signed; the ledger is unchanged.
    #[error("block {number} refused: {source}")]
    Block {
        /// The number in the block's header.
        number: u64,
        /// What is wrong with it.
        source: verify::Error,
    },
    /// The block is not a genesis block this version can start from.
    #[error("genesis block refused: {0}")]
    Genesis(String),
    /// A configuration does not follow from the one before, or holds what this version cannot serve.
    #[error("configuration in block {number} refused: {reason}")]
    Config {
        /// The block.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing the block log failed.
    #[error("block log: {0}")]
    Log(#[from] carecord_blocks::Error),
    /// A stored block is not what the ledger once wrote.
    #[error("stored block {number} is not usable: {reason}")]
    Stored {
        /// The block.
        number: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Reading or writing state failed.
    #[error("{0}")]
    State(#[from] EngineError),
    /// Reading or writing the folder of private data failed; what is in it comes back from nowhere else.
    #[error("private data: {0}")]
    Private(#[source] EngineError),
    /// A definition in `_lifecycle` state cannot be read.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Replay of the log gave another commit hash than the log holds.
    #[error("block {number} replays to commit hash {replayed}, the log holds {stored}")]
    Diverged {
        /// The block.
        number: u64,
        /// The hash computed now.
        replayed: String,
        /// The hash in the stored block.
        stored: String,
    },
    /// State is ahead of the block log: the log lost what it had acknowledged.
    #[error("state is at height {state}, the block log only at {log}")]
    LogBehindState {
        /// Height of the savepoint.
        state: u64,
        /// Height of the log.
        log: u64,
    },
    /// The ledger stopped at an earlier error.
    #[error("ledger of channel '{channel}' has stopped: {reason}")]
    Halted {
        /// The channel.
        channel: String,
        /// The first error.
        reason: String,
    },
    /// A snapshot could not be written or used.
    #[error("snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// What is asked for lies before the snapshot that this ledger began with; Fabric's text.
    #[error(
        "cannot serve block [{block}]. The ledger is bootstrapped from a snapshot. First available block = [{first}]"
    )]
    BlockBeforeSnapshot {
        /// The block asked for.
        block: u64,
        /// The first one that is here.
        first: u64,
    },
    /// A transaction of before the snapshot: its id is known and nothing else; Fabric's text.
    #[error(
        "details for the TXID [{tx_id}] not available. Ledger bootstrapped from a snapshot. First available block [{first}]"
    )]
    TxBeforeSnapshot {
        /// The transaction.
        tx_id: String,
        /// The first block that is here.
        first: u64,
    },
    /// A running process has the ledger open.
    #[error("{path}: a running node has this ledger open")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The ledger's end does not lie where it would have to.
    #[error("block {to} cannot be the last one: the ledger has blocks {first} to {last}")]
    NoSuchEnd {
        /// The block asked for.
        to: u64,
        /// The first block, or the last one of the snapshot.
        first: u64,
        /// The last block.
        last: u64,
    },
    /// Stored state is not what the blocks lead to.
    #[error("stored state differs from what the blocks lead to, first at {0}")]
    StateDiffers(String),
    /// The folder holds no ledger, or already one.
    #[error("{path}: {reason}")]
    Folder {
        /// The folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
