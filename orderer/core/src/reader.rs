//! How the core reads old log entries, which it does not keep in memory.
//!
//! Place in the flow: only a leader with a lagging follower asks; everything not yet applied is in memory.

use crate::record::LogEntry;

/// The log as the shell can read it back: a file in a node, a vector in the simulator.
pub trait LogReader: Send {
    /// The entries `low..high` as far as `max_bytes` reach, at least one. The core asks only for entries that it
    /// handed over to be persisted and that no later truncation made void.
    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<LogEntry>, LogReadError>;
}

/// The log could not be read back; the follower in question is then served by block fetching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log entries cannot be read: {0}")]
pub struct LogReadError(pub String);
