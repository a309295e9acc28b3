//! How a ledger is opened.

use crate::state::RocksOptions;
use crate::validator::ForeignChannels;

/// Settings of one channel's ledger.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory of the state database.
    pub state: RocksOptions,
    /// Threads that share a block's signatures.
    pub threads: usize,
    /// Whether to keep which transactions wrote a key.
    pub history: bool,
    /// What to do with transactions made for another channel.
    pub foreign_channels: ForeignChannels,
    /// The organisation whose private data is held; none: hashes only.
    pub msp_id: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            state: RocksOptions::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            history: true,
            foreign_channels: ForeignChannels::default(),
            msp_id: None,
        }
    }
}
