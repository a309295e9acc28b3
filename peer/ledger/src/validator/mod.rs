//! The validator: which transactions of a block may change state.
//!
//! Two stages. [`prefetch`] looks at a block alone: it decodes, checks form, ids, hashes and signatures, may run for any
//! block on any thread, and gives the same result however many threads share the work. [`decide`] runs when the block
//! before is committed: duplicate ids, definitions and policies, in block order. MVCC comes after ([`crate::mvcc`]).
//!
//! *Invariant:* only what every peer sees decides; a failed read of state is an error, never a code.

mod decide;
mod examine;
mod keylevel;
mod own;
mod policies;
mod prefetch;

pub use decide::{Decided, decide};
pub(crate) use examine::action_of;
pub use examine::{Endorsed, Examined, Kind};
pub use own::OwnEndorsements;
pub use prefetch::{Prefetched, Prefetcher, prefetch};

use std::collections::BTreeSet;

/// What to do with a transaction whose header names another channel. Only a faulty orderer puts one into a block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForeignChannels {
    /// `TARGET_CHAIN_NOT_FOUND`, so that the verdict does not depend on which channels a peer has joined.
    #[default]
    Refuse,
    /// As a Fabric peer that has joined these channels, all of them with this channel's organisations: valid for a
    /// known channel, `BAD_CREATOR_SIGNATURE` for any other.
    AsFabric(BTreeSet<String>),
}
