//! What a contract function works with: the stub, the caller, and typed access to the state.

use std::cell::OnceCell;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Caller, ContractError, KeyValue, Stub, codes, key};

/// One call of a contract function.
pub struct Context<'a> {
    stub: &'a mut dyn Stub,
    caller: OnceCell<Caller>,
}

impl<'a> Context<'a> {
    /// Opens a call over what the peer gave.
    pub fn new(stub: &'a mut dyn Stub) -> Self {
        Self { stub, caller: OnceCell::new() }
    }

    /// The stub itself, for what this type does not wrap.
    pub fn stub(&mut self) -> &mut dyn Stub {
        self.stub
    }

    /// Who signed the transaction.
    pub fn caller(&self) -> Result<&Caller, ContractError> {
        if let Some(caller) = self.caller.get() {
            return Ok(caller);
        }
        let caller = Caller::from_creator(self.stub.creator())
            .map_err(|e| codes::CREATOR.because(e.to_string()))?;
        Ok(self.caller.get_or_init(|| caller))
    }

    /// The transaction's time in seconds since 1970: the only clock a contract has.
    pub fn now(&self) -> i64 {
        self.stub.timestamp().seconds
    }

    /// The transaction's id.
    pub fn tx_id(&self) -> &str {
        self.stub.tx_id()
    }

    /// The channel.
    pub fn channel_id(&self) -> &str {
        self.stub.channel_id()
    }

    /// The committed bytes under a key.
    pub fn bytes(&mut self, key: &str) -> Result<Option<Bytes>, ContractError> {
        key::check(key)?;
        Ok(self.stub.get_state(key)?)
    }

    /// The committed object under a key.
    pub fn get<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, ContractError> {
        match self.bytes(key)? {
            None => Ok(None),
            Some(value) => decode(&value).map(Some),
        }
    }

    /// Writes an object as JSON.
    pub fn put<T: Serialize>(&mut self, key: &str, value: &T) -> Result<(), ContractError> {
        let json = serde_json::to_vec(value).map_err(|e| codes::FAILED.because(e.to_string()))?;
        self.put_bytes(key, json)
    }

    /// Writes bytes.
    pub fn put_bytes(&mut self, key: &str, value: impl Into<Bytes>) -> Result<(), ContractError> {
        key::check(key)?;
        Ok(self.stub.put_state(key, value.into())?)
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: &str) -> Result<(), ContractError> {
        key::check(key)?;
        Ok(self.stub.del_state(key)?)
    }

    /// Up to `limit` entries of simple keys, `start` included, `end` not; empty bounds are open.
    pub fn range(
        &mut self,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<KeyValue>, ContractError> {
        let (start, end) = key::simple_bounds(start, end)?;
        Ok(self.stub.range(&start, &end, limit)?)
    }

    /// Up to `limit` entries whose composite keys begin with these parts.
    pub fn composite_range(
        &mut self,
        object_type: &str,
        attributes: &[&str],
        limit: usize,
    ) -> Result<Vec<KeyValue>, ContractError> {
        let (start, end) = key::composite_bounds(object_type, attributes)?;
        Ok(self.stub.range(&start, &end, limit)?)
    }

    /// Sets the transaction's event, its payload as JSON.
    pub fn event<T: Serialize>(&mut self, name: &str, payload: &T) -> Result<(), ContractError> {
        let json = serde_json::to_vec(payload).map_err(|e| codes::FAILED.because(e.to_string()))?;
        Ok(self.stub.set_event(name, json.into())?)
    }
}

/// Reads a stored object.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, ContractError> {
    serde_json::from_slice(value)
        .map_err(|e| codes::FAILED.because(format!("stored object cannot be read: {e}")))
}
