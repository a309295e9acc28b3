//! The stub over the memory ledger.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::ledger::{CHANNEL, MemoryLedger, RangeRead, Simulation};
use crate::{KeyModification, KeyValue, Response, Stub, StubError, Timestamp, key};

/// One call over a [`MemoryLedger`]; calls from chaincode to chaincode share the simulation.
pub struct MemoryStub<'a> {
    ledger: &'a MemoryLedger,
    simulation: &'a mut Simulation,
    namespace: String,
    creator: Bytes,
    args: Vec<Bytes>,
    event: Option<(String, Bytes)>,
}

impl<'a> MemoryStub<'a> {
    /// A call of one chaincode.
    pub fn new(
        ledger: &'a MemoryLedger,
        simulation: &'a mut Simulation,
        namespace: &str,
        creator: &Bytes,
        args: Vec<Bytes>,
    ) -> Self {
        let namespace = namespace.to_owned();
        Self { ledger, simulation, namespace, creator: creator.clone(), args, event: None }
    }

    pub(super) fn into_event(self) -> Option<(String, Bytes)> {
        self.event
    }

    fn key(&self, key: &str) -> Result<(String, String), StubError> {
        key::check(key)?;
        Ok((self.namespace.clone(), key.to_owned()))
    }
}

impl Stub for MemoryStub<'_> {
    fn args(&self) -> &[Bytes] {
        &self.args
    }

    fn tx_id(&self) -> &str {
        &self.simulation.tx_id
    }

    fn channel_id(&self) -> &str {
        CHANNEL
    }

    fn creator(&self) -> &Bytes {
        &self.creator
    }

    fn timestamp(&self) -> Timestamp {
        self.simulation.timestamp
    }

    fn transient(&self) -> &BTreeMap<String, Bytes> {
        &self.ledger.transient
    }

    fn get_state(&mut self, key: &str) -> Result<Option<Bytes>, StubError> {
        let key = self.key(key)?;
        let found = self.ledger.state.get(&key);
        self.simulation.reads.insert(key, found.map(|v| v.version));
        Ok(found.map(|v| v.value.clone()))
    }

    fn put_state(&mut self, key: &str, value: Bytes) -> Result<(), StubError> {
        let key = self.key(key)?;
        self.simulation.writes.insert(key, Some(value).filter(|v| !v.is_empty()));
        Ok(())
    }

    fn del_state(&mut self, key: &str) -> Result<(), StubError> {
        let key = self.key(key)?;
        self.simulation.writes.insert(key, None);
        Ok(())
    }

    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<KeyValue>, StubError> {
        let found = self.ledger.range(&self.namespace, start, end, limit);
        let seen: Vec<_> = found.iter().map(|(k, v)| ((*k).clone(), v.version)).collect();
        // A range that was cut short is recorded up to the last key it saw.
        let end = match seen.last() {
            Some((last, _)) if seen.len() == limit => format!("{last}\0"),
            _ => end.to_owned(),
        };
        let entries = found
            .iter()
            .map(|(k, v)| KeyValue { key: (*k).clone(), value: v.value.clone() })
            .collect();
        let (namespace, start) = (self.namespace.clone(), start.to_owned());
        self.simulation.ranges.push(RangeRead { namespace, start, end, seen });
        Ok(entries)
    }

    fn history(&mut self, key: &str, limit: usize) -> Result<Vec<KeyModification>, StubError> {
        let key = self.key(key)?;
        let all = self.ledger.history.get(&key);
        Ok(all.map_or_else(Vec::new, |h| h.iter().take(limit).cloned().collect()))
    }

    fn get_state_validation_parameter(&mut self, key: &str) -> Result<Option<Bytes>, StubError> {
        let key = self.key(key)?;
        let found = self.ledger.state.get(&key);
        self.simulation.reads.insert(key, found.map(|v| v.version));
        Ok(found.and_then(|v| v.policy.clone()))
    }

    fn set_state_validation_parameter(
        &mut self,
        key: &str,
        policy: Bytes,
    ) -> Result<(), StubError> {
        let key = self.key(key)?;
        self.simulation.policies.insert(key, policy);
        Ok(())
    }

    fn invoke_chaincode(&mut self, chaincode: &str, args: Vec<Bytes>, channel: &str) -> Response {
        if !channel.is_empty() && channel != CHANNEL {
            return Response::error(format!("channel {channel} not found"));
        }
        let Some(code) = self.ledger.chaincodes.get(chaincode).map(Arc::clone) else {
            return Response::error(format!("chaincode definition for '{chaincode}' not found"));
        };
        let mut callee =
            MemoryStub::new(self.ledger, self.simulation, chaincode, &self.creator, args);
        // The event of a callee is not the transaction's.
        code.invoke(&mut callee)
    }

    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError> {
        if name.is_empty() {
            return Err(StubError::Peer("event name can not be empty string".to_owned()));
        }
        self.event = Some((name.to_owned(), payload));
        Ok(())
    }
}
