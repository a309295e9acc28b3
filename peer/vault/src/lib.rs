//! The vault: ciphertext by content id, and key wraps that can be deleted. Runs in the peer's process.
//!
//! Place in the flow: clients store what they sealed before they submit `records:Add`, and ask for a wrap after their
//! `records:Open` has committed. The vault never sees a plaintext or a data key. It believes its own peer's ledger and
//! nothing else: each request is signed by the caller, and what the caller may do is read from committed state
//! ([`carecord_health::access`]).
//!
//! Everything here is primary data: it cannot be rebuilt from blocks, so it is durable before it is confirmed.

mod caller;
mod claims;
mod contents;
mod copies;
mod error;
pub mod limits;
mod once;
mod outgoing;
mod proofs;
mod receipts;
mod replicate;
mod requests;
mod service;
mod store;
mod sweep;
mod transfers;
mod tree;
mod uploads;
mod wraps;

use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_msp::Signer;
use carecord_proto::protos::ChaincodeEvent;

pub use contents::Contents;
pub use copies::{COPIES, order};
pub use error::Error;
pub use limits::Limits;
pub use receipts::{NoReceipt, verify as verify_receipt};
pub use replicate::Round;
pub use service::VaultService;
pub use store::Store;
pub use sweep::Swept;
pub use tree::BLOCK_BYTES;

/// A committed, valid transaction, as far as the vault looks at it.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Who signed it: serialized identity.
    pub creator: bytes::Bytes,
    /// Its chaincode event, if it has one.
    pub event: Option<ChaincodeEvent>,
}

/// What the vault asks of the peer whose process it shares.
pub trait Ledger: Send + Sync + 'static {
    /// The configuration in force on a channel; `None` if the peer has not joined it.
    fn bundle(&self, channel: &str) -> Option<Arc<Bundle>>;
    /// A transaction that is committed with code VALID on this peer.
    fn valid_transaction(&self, channel: &str, tx_id: &str) -> Option<Committed>;
    /// The committed value of a key of chaincode `health`.
    fn health_value(&self, channel: &str, key: &str) -> Option<Vec<u8>>;
    /// The time of the newest committed block, as its last transaction tells, in seconds since 1970; `None` if unknown.
    fn time(&self, channel: &str) -> Option<i64>;
    /// Whom the peer signs as: receipts, and requests to other vaults.
    fn signer(&self) -> Arc<dyn Signer>;
    /// The peers of a channel's other organisations.
    fn neighbours(&self, channel: &str) -> Vec<Neighbour>;
}

/// Another organisation's peer, in whose process another vault runs.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its organisation.
    pub msp_id: String,
    /// The address by which its vault is named.
    pub address: String,
    /// The connection to it.
    pub connection: tonic::transport::Channel,
}
