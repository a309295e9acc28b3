//! Where committed state lives: one ordered key-value engine with three columns, behind one trait.
//!
//! Place in the flow: the simulator and the validator read through [`Read`], the committer writes one [`WriteBatch`]
//! per block. Everything in here is derived from the block log and can be rebuilt from it, so no write is synced.

mod keys;
mod memory;
mod rocks;
mod value;
mod view;

pub use keys::Column;
pub(crate) use keys::{Key, name, split_name, successor};
pub use memory::MemoryEngine;
pub use rocks::{RocksEngine, RocksOptions};
#[cfg(test)]
pub(crate) use value::decode_entries;
pub(crate) use value::encode_entries;
pub use value::{Version, Versioned};
pub use view::StateView;
pub(crate) use view::damaged;

use bytes::Bytes;

/// Why an engine could not read or write; always an infrastructure error, never a verdict on a transaction.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// RocksDB reported an error.
    #[error("state database: {0}")]
    Rocks(#[from] rocksdb::Error),
    /// A stored value cannot be decoded.
    #[error("state database holds a damaged value under {0}")]
    Damaged(String),
    /// The folder belongs to another format.
    #[error("state database has format {found}, this version reads {expected}")]
    Format {
        /// The format found.
        found: String,
        /// The format this version writes.
        expected: &'static str,
    },
    /// A failure that a test injected.
    #[error("state database: {0}")]
    Injected(&'static str),
}

impl EngineError {
    /// Whether what is stored is damaged, so that rebuilding it from the blocks helps.
    pub fn is_damage(&self) -> bool {
        match self {
            EngineError::Rocks(error) => error.kind() == rocksdb::ErrorKind::Corruption,
            EngineError::Damaged(_) => true,
            _ => false,
        }
    }
}

/// Key and value of one stored row.
pub type Entry = (Vec<u8>, Bytes);

/// What can be read, live or from a snapshot.
pub trait Read: Send + Sync {
    /// The value stored under `key`.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Rows with `from <= key < to` in key order: up to `limit`, and none after their bytes have reached `bytes`.
    fn scan_within(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, EngineError>;

    /// Up to `limit` rows with `from <= key < to` in key order, whatever their size.
    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, EngineError> {
        self.scan_within(column, from, to, limit, usize::MAX)
    }
}

/// Takes rows until there are `limit` or their bytes have reached `bytes`.
fn take_within(
    rows: impl Iterator<Item = Result<Entry, EngineError>>,
    limit: usize,
    bytes: usize,
) -> Result<Vec<Entry>, EngineError> {
    let (mut taken, mut size) = (Vec::new(), 0);
    for row in rows.take(limit) {
        let (key, value) = row?;
        size += key.len() + value.len();
        taken.push((key, value));
        if size >= bytes {
            break;
        }
    }
    Ok(taken)
}

/// An ordered key-value engine: RocksDB in a peer, a map in tests and in the simulation.
pub trait Engine: Read {
    /// A view that later writes do not change.
    fn snapshot(&self) -> Box<dyn Read + '_>;

    /// Applies all rows of `batch` or none.
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError>;

    /// [`Engine::write`] of what may get lost again in a crash, wherever else writes are synced.
    fn write_unsynced(&self, batch: WriteBatch) -> Result<(), EngineError> {
        self.write(batch)
    }

    /// Makes what was written survive a crash of the machine.
    fn flush(&self) -> Result<(), EngineError>;

    /// Writes the files anew in which rows of these ranges lie, so that what was deleted or replaced before this call is
    /// in no file any more; `false` if a view that is older than the call still needs it.
    fn rewrite(&self, ranges: &[Range]) -> Result<bool, EngineError>;
}

/// A range of a column: the first key, and the one behind the last.
pub type Range = (Column, Vec<u8>, Vec<u8>);

/// One put (or, without a value, delete) of a batch.
pub(crate) type Write = (Column, Vec<u8>, Option<Bytes>);

/// The rows of one atomic write.
#[derive(Debug, Default, Clone)]
pub struct WriteBatch {
    writes: Vec<Write>,
}

impl WriteBatch {
    /// Stores `value` under `key`.
    pub fn put(&mut self, column: Column, key: Vec<u8>, value: impl Into<Bytes>) {
        self.writes.push((column, key, Some(value.into())));
    }

    /// Removes `key`.
    pub fn delete(&mut self, column: Column, key: Vec<u8>) {
        self.writes.push((column, key, None));
    }

    /// How many rows the batch holds.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}
