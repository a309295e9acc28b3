//! Private data that this peer holds: the plaintext behind the hashes that the whole channel has.
//!
//! Place in the flow: the endorser, and whoever serves pushes of other peers, [notes](crate::Ledger::note_private) a
//! transaction's write sets by its id; the commit of the block that has the transaction [takes](PrivateStore::take) them,
//! compares them with the hashes in the block, keeps them by block, synced before the block itself, and adds their values to
//! state, from which a simulation reads. What is not there is listed as missing and [taken](PrivateStore::take_missing) later.
//!
//! | where | what | lost with |
//! |---|---|---|
//! | folder `private`, transient | write sets by transaction id, of endorsements here and pushed by others | nothing: synced before the endorsement, or the acknowledgement, leaves |
//! | folder `private`, kept | write sets of committed transactions, by block | nothing: synced before the block |
//! | folder `private`, missing and purged | what should be here, what must not be any more | nothing: synced before the block |
//! | folder `state` | the values, by key | the state; replayed from the kept write sets |
//!
//! A peer holds the collections of which its organisation is a member at the block, by `docs/decisions/0011-private-data.md`. What it
//! does not hold is a hash to it, as to everybody else, and no rule of validation asks for more.

mod access;
mod block;
mod keys;
mod memberships;
mod missing;
mod purge;
mod rows;
mod set;
mod store;
mod transient;

pub use access::KeyStatus;
pub(crate) use block::{Taken, Transaction};
pub use keys::{HashedKey, Spot};
pub use missing::Missing;
pub use purge::Marker;
pub(crate) use rows::{add_to, remove};
pub use set::Held;
pub(crate) use store::PrivateStore;
pub use transient::{MAX_TRANSACTION_BYTES, NoteError, Noted};
