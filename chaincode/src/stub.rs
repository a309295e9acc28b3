//! The door between a chaincode and the peer that runs it.
//!
//! The methods are those of Fabric's shims, one to one, so that the same contract can later run behind the chaincode
//! stream. Reads see the committed state of the snapshot only, never the writes of the same transaction.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Response, key::KeyError};

/// One entry of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The state key, as stored.
    pub key: String,
    /// The committed value.
    pub value: Bytes,
}

/// One committed change of a key, as the history index tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyModification {
    /// The transaction that wrote.
    pub tx_id: String,
    /// The value written; empty for a delete.
    pub value: Bytes,
    /// The time in that transaction's channel header.
    pub timestamp: Timestamp,
    /// Whether the key was deleted.
    pub is_delete: bool,
}

/// A transaction's time: the one its creator signed, equal on every peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: i32,
}

/// Why the peer could not serve a request of the chaincode.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// The key breaks a key rule.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The peer refused or failed; the text is the peer's.
    #[error("{0}")]
    Peer(String),
    /// This peer or this kind of call does not offer the request.
    #[error("{0} is not available here")]
    Unavailable(&'static str),
}

/// What a transaction gives its chaincode, and what the chaincode may ask of the peer.
///
/// `get`, `put` and `range` concern the chaincode's own namespace. An empty value is a delete, as everywhere in Fabric.
pub trait Stub {
    /// The arguments as signed by the client; the first names the function.
    fn args(&self) -> &[Bytes];
    /// The transaction's id.
    fn tx_id(&self) -> &str;
    /// The channel.
    fn channel_id(&self) -> &str;
    /// The creator's serialized identity (`msp.SerializedIdentity` bytes), already validated by the peer.
    fn creator(&self) -> &Bytes;
    /// The time of the channel header.
    fn timestamp(&self) -> Timestamp;
    /// The transient map: seen by endorsers, never part of the transaction.
    fn transient(&self) -> &BTreeMap<String, Bytes>;

    /// The committed value of a key; `None` if absent.
    fn get_state(&mut self, key: &str) -> Result<Option<Bytes>, StubError>;
    /// Writes a key.
    fn put_state(&mut self, key: &str, value: Bytes) -> Result<(), StubError>;
    /// Deletes a key.
    fn del_state(&mut self, key: &str) -> Result<(), StubError>;
    /// Up to `limit` entries with `start <= key < end` in key order; an empty `end` means to the last key.
    ///
    /// The bounds go to the peer as they are: use [`crate::Context::range`] and [`crate::Context::composite_range`],
    /// which apply the key rules of Fabric's shims.
    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<KeyValue>, StubError>;
    /// The committed changes of a key, newest first, at most `limit`.
    fn history(&mut self, key: &str, limit: usize) -> Result<Vec<KeyModification>, StubError>;

    /// The key-level endorsement policy (`common.SignaturePolicyEnvelope` bytes) of a key.
    fn get_state_validation_parameter(&mut self, key: &str) -> Result<Option<Bytes>, StubError>;
    /// Sets the key-level endorsement policy of a key (metadata `VALIDATION_PARAMETER`).
    fn set_state_validation_parameter(&mut self, key: &str, policy: Bytes)
    -> Result<(), StubError>;

    /// Calls another chaincode; on the same channel (empty `channel`) it shares this transaction's simulation.
    fn invoke_chaincode(&mut self, chaincode: &str, args: Vec<Bytes>, channel: &str) -> Response;
    /// Sets the transaction's one event; a later call replaces an earlier one.
    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError>;

    /// A value of a private data collection.
    fn get_private_data(&mut self, _: &str, _: &str) -> Result<Option<Bytes>, StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// The SHA-256 of a private value, readable without membership.
    fn get_private_data_hash(&mut self, _: &str, _: &str) -> Result<Option<Bytes>, StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// Writes into a collection: `(collection, key, value)`.
    fn put_private_data(&mut self, _: &str, _: &str, _: Bytes) -> Result<(), StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// Deletes from a collection: `(collection, key)`.
    fn del_private_data(&mut self, _: &str, _: &str) -> Result<(), StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// Deletes from a collection and, on every member's peer, all that was ever stored under the key: `(collection, key)`.
    fn purge_private_data(&mut self, _: &str, _: &str) -> Result<(), StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// Up to `limit` private entries of a collection with `start <= key < end` in key order: `(collection, start, end,
    /// limit)`; for calls that write nothing, since peers may hold different keys.
    fn private_range(
        &mut self,
        _: &str,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<KeyValue>, StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// The key-level endorsement policy of a private key: `(collection, key)`.
    fn get_private_data_validation_parameter(
        &mut self,
        _: &str,
        _: &str,
    ) -> Result<Option<Bytes>, StubError> {
        Err(StubError::Unavailable("private data"))
    }
    /// Sets the key-level endorsement policy of a private key: `(collection, key, policy)`.
    fn set_private_data_validation_parameter(
        &mut self,
        _: &str,
        _: &str,
        _: Bytes,
    ) -> Result<(), StubError> {
        Err(StubError::Unavailable("private data"))
    }
}
