//! A ledger in memory with the semantics of the real one, and identities, for contract tests.
//!
//! Reads see the committed state only; a call that is refused commits nothing; a commit checks the versions of what was
//! read and the results of what was ranged over, and refuses what changed in between.

mod identity;
mod ledger;
mod stub;

pub use identity::{KeyKind, TestIdentity};
pub use ledger::{Committed, MemoryLedger, Simulation, StateKey, Value, Verdict};
pub use stub::MemoryStub;
