//! Why a peer could not start, join a channel or go on with one.

use std::path::PathBuf;

/// What an operator must know; none of these is an answer to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener or a connection could not be set up.
    #[error(transparent)]
    Comm(#[from] carecord_comm::Error),
    /// A folder could not be used.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A channel's ledger could not be opened or made.
    #[error("channel '{channel}': {source}")]
    Ledger {
        /// The channel.
        channel: String,
        /// What is wrong with it.
        source: carecord_ledger::Error,
    },
    /// The block is not one that a channel can begin with.
    #[error("join block: {0}")]
    JoinBlock(String),
    /// The peer is on this channel already.
    #[error("ledger [{0}] already exists")]
    AlreadyJoined(String),
}
