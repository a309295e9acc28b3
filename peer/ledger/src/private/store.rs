//! The durable part: write sets by transaction id until the transaction is committed, then by block.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::keys::{self, COLUMN};
use super::transient::Usage;
use crate::state::{Engine, EngineError, MemoryEngine, RocksEngine, RocksOptions};

/// Private data of one channel, in a folder of its own.
pub(crate) struct PrivateStore {
    pub(super) engine: Box<dyn Engine>,
    /// The organisation whose collections are held; none: hashes only.
    pub(super) msp_id: Option<String>,
    /// Whether anything may be waiting for its transaction; keeps the commit of ordinary blocks free of reads.
    pub(super) waiting: AtomicBool,
    /// Whether any key was ever purged; keeps other commits free of looking for markers.
    pub(super) has_purged: AtomicBool,
    /// What waits; counted so that it stays bounded.
    pub(super) usage: Mutex<Usage>,
    /// Held while files are rewritten.
    pub(super) rewriting: Mutex<()>,
}

// === impl PrivateStore ===

impl PrivateStore {
    /// Opens the folder, which is made if it is missing.
    pub(crate) fn open(path: &Path, msp_id: Option<String>) -> Result<Self, EngineError> {
        let options = RocksOptions { durable: true, ..RocksOptions::small() };
        Self::over(Box::new(RocksEngine::open(path, &options)?), msp_id)
    }

    /// A store that lives as long as the process, for ledgers in memory.
    pub(crate) fn in_memory(msp_id: Option<String>) -> Result<Self, EngineError> {
        Self::over(Box::new(MemoryEngine::default()), msp_id)
    }

    fn over(engine: Box<dyn Engine>, msp_id: Option<String>) -> Result<Self, EngineError> {
        let usage = Usage::read(&*engine)?;
        let (from, to) = keys::all(b"P");
        let has_purged = !engine.scan(COLUMN, &from, &to, 1)?.is_empty();
        Ok(Self {
            engine,
            msp_id,
            waiting: AtomicBool::new(!usage.is_empty()),
            has_purged: AtomicBool::new(has_purged),
            usage: Mutex::new(usage),
            rewriting: Mutex::default(),
        })
    }

    /// Whether this peer may hold any plaintext.
    pub(crate) fn holds_any(&self) -> bool {
        self.msp_id.is_some()
    }
}
