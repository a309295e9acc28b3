//! Files as an append-only log needs them, behind a trait with two real implementations.
//!
//! [`Disk`] is a directory. [`Simulated`] is memory that forgets, tears and rots what was not synced, so that crash
//! tests run without a disk and repeat from a seed.

mod disk;
mod simulated;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub use disk::Disk;
pub use simulated::Simulated;

/// A directory of one log.
pub trait Storage: Debug + Send + Sync {
    /// Makes a file that does not exist yet, and makes its name durable.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;
    /// Opens a file that exists, to read and write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;
    /// Takes a file away, and makes that durable.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all files, sorted.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The file's full name, for messages to an operator.
    fn describe(&self, name: &str) -> String;
}

/// An open file; all methods may be called from several threads.
pub trait StoredFile: Debug + Send + Sync {
    /// Its length in bytes, unsynced bytes included.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buf` from `offset`; an error if the file ends before.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Returns once everything written before is durable.
    fn sync(&self) -> io::Result<()>;
}
