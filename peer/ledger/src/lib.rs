//! The ledger of one channel: simulate, validate, commit, look up; synchronous, over RocksDB or memory.
//!
//! Place in the flow: the endorser simulates on a [`Ledger`]'s snapshot; the committer hands it ordered blocks. A block is
//! [prefetched](Ledger::prefetch) on any thread and [committed](Ledger::commit) in order: verify, decide, MVCC, block log
//! with fsync, then one batch of state, history and indexes. State is only ever written from blocks, and everything
//! but the block log and the plaintext of private data can be lost and replayed.
//!
//! *Invariant:* no clock, no randomness and no map order in anything that decides. Guard: the replay of real Fabric
//! ledgers to equal codes and equal commit hashes (`tests/it/golden.rs`).

mod blocks;
mod cause;
mod collection;
mod commit;
mod commit_hash;
pub mod definition;
mod error;
mod expiry;
mod history;
mod index;
mod ledger;
mod merge;
pub mod mvcc;
mod options;
mod private;
mod range_check;
mod recovery;
pub mod simulator;
pub mod snapshot;
pub mod state;
pub mod tools;
mod updates;
pub mod validator;
mod write;

pub use cause::{Cause, Conflict, Lack};
pub use collection::Collection;
pub use commit::{Committed, CommittedTx, Spent};
pub use commit_hash::commit_hash;
pub use definition::Definition;
pub use error::Error;
pub use history::{KeyModification, MAX_MODIFICATIONS};
pub use index::{Savepoint, TxStatus};
pub use ledger::Ledger;
pub use options::Options;
pub use private::{
    HashedKey, Held, KeyStatus, MAX_TRANSACTION_BYTES, Marker, Missing, NoteError, Noted, Spot,
};
pub use simulator::{SimulationError, SimulationResult, Simulator};
pub use snapshot::{Snapshot, SnapshotError};
pub use updates::{NamespaceUpdates, Row, Rows, Updates};
pub use validator::{ForeignChannels, Prefetched, Prefetcher};
