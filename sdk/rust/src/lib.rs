//! What a client calls: the gateway in the official SDKs' nouns, and typed health calls on top of it.
//!
//! ```text
//! Gateway → Network → Contract → Proposal → Transaction → Commit
//! ```
//!
//! Keys never leave the caller: contents are sealed ([`seal`]) and data keys wrapped ([`wrap`]) here, before
//! anything is sent. The SDK speaks to a peer over the wire only.

pub mod channel;
mod commit;
mod contract;
pub mod deidentify;
mod error;
pub mod events;
pub mod fhir;
mod gateway;
pub mod health;
pub mod keys;
mod network;
mod proposal;
pub mod seal;
mod transaction;
pub mod vault;
pub mod wrap;

pub use commit::{Commit, Status};
pub use contract::Contract;
pub use error::Error;
pub use gateway::{Deadlines, Gateway};
pub use network::Network;
pub use proposal::{Proposal, ProposalBuilder};
pub use transaction::Transaction;
