//! The peer: it endorses proposals, commits blocks and tells its clients what became of their transactions.
//!
//! Place in the flow: clients speak to the gateway, the endorser and deliver; the puller brings blocks from the orderers to
//! the committer, which hands them to the ledger and wakes whoever waits. One direction, one file per step:
//!
//! | step | file |
//! |---|---|
//! | a proposal is checked, simulated, signed | `endorser.rs` |
//! | chaincode runs over a snapshot | `chaincode/` |
//! | endorsements are planned, collected, joined | `gateway/endorse.rs`, `gateway/plan.rs` |
//! | the signed transaction goes to an orderer | `gateway/submit.rs`, `orderers.rs` |
//! | blocks come back | `puller.rs` |
//! | a block is committed | `committer.rs` |
//! | waiters and followers are told | `events.rs`, `deliver.rs`, `gateway/chaincode_events.rs` |
//!
//! Everything runs on tasks of the caller's runtime, of either kind; what takes long (signatures of a block, commits,
//! chaincode) runs on threads for blocking work.

mod acl;
mod causes;
mod chaincode;
mod channel;
mod clock;
mod committer;
mod config;
mod credentials;
mod deliver;
mod endorser;
mod entitlement;
mod error;
mod events;
mod gateway;
mod orderers;
mod peer;
mod per_channel;
mod privdata;
mod puller;
mod remote;
mod snapshot;

pub use channel::Channel;
pub use config::{PeerConfig, PeerTls, RemoteNode, SimulateOn, Timeouts};
pub use error::Error;
pub use events::{CommittedBlock, TxStatus};
pub use peer::{Handle, Peer};
