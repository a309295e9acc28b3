//! The committed state, and the way from a call to a commit.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{MemoryStub, TestIdentity};
use crate::{Chaincode, KeyModification, Response, Timestamp};

/// One committed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub value: Bytes,
    /// The key-level policy, if one is set.
    pub policy: Option<Bytes>,
    /// Which commit wrote it last.
    pub version: u64,
}

/// What a commit made of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Written.
    Valid,
    /// The chaincode refused: nobody endorses, nothing is ordered.
    NotEndorsed,
    /// Something that was read has changed.
    ReadConflict,
    /// Something that was ranged over has changed.
    PhantomRead,
}

/// Namespace and key.
pub type StateKey = (String, String);

/// One range that a call read: its bounds, and the keys and versions that it saw.
#[derive(Clone, Debug)]
pub(super) struct RangeRead {
    pub(super) namespace: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) seen: Vec<(String, u64)>,
}

/// What one call read and wrote.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    pub(super) reads: BTreeMap<StateKey, Option<u64>>,
    pub(super) ranges: Vec<RangeRead>,
    pub(super) writes: BTreeMap<StateKey, Option<Bytes>>,
    pub(super) policies: BTreeMap<StateKey, Bytes>,
    /// The transaction's id.
    pub tx_id: String,
    /// The transaction's time.
    pub timestamp: Timestamp,
    /// The chaincode's answer.
    pub response: Option<Response>,
    /// The event of the chaincode that the client called.
    pub event: Option<(String, Bytes)>,
}

/// What became of a submitted call.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The chaincode's answer.
    pub response: Response,
    /// What the commit made of it.
    pub verdict: Verdict,
    /// The event, if the commit is valid.
    pub event: Option<(String, Bytes)>,
    /// The transaction's id.
    pub tx_id: String,
}

/// A channel's state in memory.
#[derive(Default)]
pub struct MemoryLedger {
    pub(super) state: BTreeMap<StateKey, Value>,
    pub(super) history: BTreeMap<StateKey, Vec<KeyModification>>,
    pub(super) chaincodes: BTreeMap<String, Arc<dyn Chaincode>>,
    /// The transient map of the calls to come.
    pub transient: BTreeMap<String, Bytes>,
    /// The time of the calls to come, seconds since 1970.
    pub now: i64,
    calls: u64,
    commits: u64,
}

/// The name of the channel.
pub(super) const CHANNEL: &str = "care";

impl MemoryLedger {
    /// An empty channel on which this chaincode is defined.
    pub fn new(chaincode: impl Chaincode + 'static) -> Self {
        let mut ledger = Self { now: 1_700_000_000, ..Self::default() };
        ledger.define(chaincode);
        ledger
    }

    /// Defines one more chaincode.
    pub fn define(&mut self, chaincode: impl Chaincode + 'static) {
        self.chaincodes.insert(chaincode.name().to_owned(), Arc::new(chaincode));
    }

    /// Runs a call without committing it.
    pub fn simulate(
        &mut self,
        chaincode: &str,
        who: &TestIdentity,
        args: &[impl AsRef<[u8]>],
    ) -> Simulation {
        self.calls += 1;
        let mut simulation = Simulation {
            tx_id: format!("{:064x}", self.calls),
            timestamp: Timestamp { seconds: self.now, nanos: 0 },
            ..Simulation::default()
        };
        let args = args.iter().map(|a| Bytes::copy_from_slice(a.as_ref())).collect();
        let code = Arc::clone(&self.chaincodes[chaincode]);
        let mut stub = MemoryStub::new(self, &mut simulation, chaincode, who.creator(), args);
        let response = code.invoke(&mut stub);
        simulation.event = stub.into_event();
        simulation.response = Some(response);
        simulation
    }

    /// Checks and writes a simulation, as a committing peer does.
    pub fn commit(&mut self, simulation: Simulation) -> Committed {
        let response = simulation.response.clone().expect("a finished simulation");
        let verdict = self.validate(&simulation, &response);
        let event = simulation.event.clone().filter(|_| verdict == Verdict::Valid);
        let tx_id = simulation.tx_id.clone();
        if verdict == Verdict::Valid {
            self.write(simulation);
        }
        Committed { response, verdict, event, tx_id }
    }

    /// Runs a call and commits it.
    pub fn submit(
        &mut self,
        chaincode: &str,
        who: &TestIdentity,
        args: &[impl AsRef<[u8]>],
    ) -> Committed {
        let simulation = self.simulate(chaincode, who, args);
        self.commit(simulation)
    }

    /// Runs a call and answers its response only.
    pub fn evaluate(
        &mut self,
        chaincode: &str,
        who: &TestIdentity,
        args: &[impl AsRef<[u8]>],
    ) -> Response {
        self.simulate(chaincode, who, args).response.expect("a finished simulation")
    }

    /// The whole committed state.
    pub fn state(&self) -> &BTreeMap<StateKey, Value> {
        &self.state
    }

    fn validate(&self, simulation: &Simulation, response: &Response) -> Verdict {
        if !response.is_endorsable() {
            return Verdict::NotEndorsed;
        }
        let version = |key: &StateKey| self.state.get(key).map(|v| v.version);
        if simulation.reads.iter().any(|(key, read)| version(key) != *read) {
            return Verdict::ReadConflict;
        }
        let same = |range: &RangeRead| {
            let now = self.range(&range.namespace, &range.start, &range.end, usize::MAX);
            let now = now.into_iter().map(|(key, value)| (key, value.version));
            now.eq(range.seen.iter().map(|(key, version)| (key, *version)))
        };
        if simulation.ranges.iter().all(same) { Verdict::Valid } else { Verdict::PhantomRead }
    }

    fn write(&mut self, simulation: Simulation) {
        self.commits += 1;
        let version = self.commits;
        for (key, value) in simulation.writes {
            let modification = KeyModification {
                tx_id: simulation.tx_id.clone(),
                value: value.clone().unwrap_or_default(),
                timestamp: simulation.timestamp,
                is_delete: value.is_none(),
            };
            self.history.entry(key.clone()).or_default().insert(0, modification);
            match value {
                None => drop(self.state.remove(&key)),
                Some(value) => {
                    let policy = self.state.get(&key).and_then(|v| v.policy.clone());
                    self.state.insert(key, Value { value, policy, version });
                }
            }
        }
        for (key, policy) in simulation.policies {
            // Metadata of a key that does not exist is dropped, as by a committing peer.
            if let Some(value) = self.state.get_mut(&key) {
                value.policy = Some(policy);
                value.version = version;
            }
        }
    }

    /// Committed entries with `start <= key < end`; an empty end is open.
    pub(super) fn range(
        &self,
        ns: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Vec<(&String, &Value)> {
        self.state
            .range((ns.to_owned(), start.to_owned())..)
            .take_while(|((n, k), _)| n == ns && (end.is_empty() || k.as_str() < end))
            .take(limit)
            .map(|((_, key), value)| (key, value))
            .collect()
    }
}
