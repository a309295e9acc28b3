//! What can go wrong with a log; every message names the file.

/// Why a log could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that were once synced are not what was written.
    #[error("{file} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where the first bad record starts.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file belongs to another kind of log, or to a later version.
    #[error("{file} is not a log that this version can read: {reason}")]
    Foreign {
        /// The file.
        file: String,
        /// What is different.
        reason: String,
    },
    /// After the first failed write or sync nothing more is written; the node restarts and recovers.
    #[error("log is stopped since an earlier write failed: {0}")]
    Stopped(String),
    /// A record above the limit.
    #[error("record of {len} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A position at which no record starts, or that is not synced yet.
    #[error("no record at position {0}")]
    NoRecord(u64),
    /// Blocks are appended in order, without gaps.
    #[error("block {found} cannot follow: block {expected} is next")]
    OutOfOrder {
        /// The number wanted.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// The bytes of a block are whole but are no block.
    #[error("block {number} in the log: {source}")]
    Block {
        /// Its number.
        number: u64,
        /// What the decoder met.
        source: carecord_proto::Malformed,
    },
}
