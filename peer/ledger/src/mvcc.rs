//! Multi-version concurrency control: whether what a transaction read is still so.
//!
//! Place in the flow: after the validator, strictly in block order. A transaction whose reads, range queries and hashed
//! reads all hold joins the block's updates; the next one sees them. Order and first failure as interface A.0.7 step 9.

use carecord_proto::kvrwset::{KvRead, KvReadHash, Version as WireVersion};
use carecord_proto::protos::TxValidationCode;
use carecord_proto::rwset::{NsRwSet, TxRwSet};

use crate::state::{EngineError, StateView, Version};
use crate::updates::{Place, Updates};
use crate::{merge, range_check};

/// A transaction that passed validation, at its place in the block.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Position in the block.
    pub position: u64,
    /// What it read and writes.
    pub rwset: &'a TxRwSet,
}

/// Verdicts and merged writes of one block.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The code of each candidate, in the order given.
    pub codes: Vec<TxValidationCode>,
    /// The writes of the valid ones.
    pub updates: Updates,
}

/// Checks the candidates of block `number` one after the other against committed state.
pub fn check(
    number: u64,
    candidates: &[Candidate<'_>],
    state: StateView<'_>,
) -> Result<Outcome, EngineError> {
    let mut outcome = Outcome::default();
    for candidate in candidates {
        let code = verdict(candidate.rwset, &outcome.updates, state)?;
        if code == TxValidationCode::Valid {
            let version = Version { block: number, tx: candidate.position };
            merge::apply(&mut outcome.updates, candidate.rwset, version, state)?;
        }
        outcome.codes.push(code);
    }
    Ok(outcome)
}

/// Merges the writes of transactions already known to be valid; replay takes the codes from the log.
pub(crate) fn replay(
    number: u64,
    valid: &[Candidate<'_>],
    state: StateView<'_>,
) -> Result<Updates, EngineError> {
    let mut updates = Updates::default();
    for candidate in valid {
        let version = Version { block: number, tx: candidate.position };
        merge::apply(&mut updates, candidate.rwset, version, state)?;
    }
    Ok(updates)
}

fn verdict(
    rwset: &TxRwSet,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<TxValidationCode, EngineError> {
    for ns in &rwset.namespaces {
        for read in &ns.kv.reads {
            if !read_holds(&ns.namespace, read, preceding, state)? {
                return Ok(TxValidationCode::MvccReadConflict);
            }
        }
        for query in &ns.kv.range_queries_info {
            if !range_check::holds(&ns.namespace, query, preceding, state)? {
                return Ok(TxValidationCode::PhantomReadConflict);
            }
        }
        if !hashed_reads_hold(ns, preceding, state)? {
            return Ok(TxValidationCode::MvccReadConflict);
        }
    }
    Ok(TxValidationCode::Valid)
}

fn read_holds(
    namespace: &str,
    read: &KvRead,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<bool, EngineError> {
    let place = Place { namespace, collection: None, key: read.key.as_bytes() };
    is_current(place, read.version.as_ref(), preceding, state)
}

fn hashed_reads_hold(
    ns: &NsRwSet,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<bool, EngineError> {
    for collection in &ns.collections {
        for KvReadHash { key_hash, version } in &collection.hashed.hashed_reads {
            let place = Place {
                namespace: &ns.namespace,
                collection: Some(&collection.name),
                key: key_hash,
            };
            if !is_current(place, version.as_ref(), preceding, state)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Not written (or deleted) earlier in the block, and committed at the version that was read; absent equals absent.
fn is_current(
    place: Place<'_>,
    version: Option<&WireVersion>,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<bool, EngineError> {
    if preceding.get(place).is_some() {
        return Ok(false);
    }
    let committed = place.read(state)?.map(|stored| stored.version);
    Ok(committed == version.map(Version::from))
}
