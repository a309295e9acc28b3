//! Private data that this peer holds: the plaintext behind the hashes that the whole channel has.
//!
//! Place in the flow: the endorser [notes](crate::Ledger::note_private) what a simulation wrote, by transaction id; the
//! commit of the block that has the transaction [takes](PrivateStore::of_block) it, compares it with the hash in the
//! block, keeps it by block, synced before the block itself, and adds its values to state, from which a simulation reads.
//!
//! | where | what | lost with |
//! |---|---|---|
//! | folder `private`, transient | write sets of transactions endorsed here, by id | nothing: synced before the endorsement leaves |
//! | folder `private`, kept | write sets of committed transactions, by block | nothing: synced before the block |
//! | folder `state` | the values, by key | the state; replayed from the kept write sets |
//!
//! A peer holds what it endorsed itself: nothing is passed on between peers. What it does not hold is a hash to it, as to
//! everybody else, and no rule of validation asks for more.

mod rows;
mod store;

pub(crate) use rows::{add_to, remove};
pub use store::NoteError;
pub(crate) use store::{Held, PrivateStore, Transaction};
