//! Multi-version concurrency control: whether what a transaction read is still so.
//!
//! Place in the flow: after the validator, strictly in block order. A transaction whose reads, range queries and hashed
//! reads all hold joins the block's updates; the next one sees them. Order and first failure as interface A.0.7 step 9.

use carecord_proto::kvrwset::{KvRead, KvReadHash, Version as WireVersion};
use carecord_proto::protos::TxValidationCode;
use carecord_proto::rwset::{NsRwSet, TxRwSet};

use crate::cause::{Cause, Conflict};
use crate::history;
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
    /// What each of them conflicted with; none for a valid one.
    pub causes: Vec<Option<Cause>>,
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
        let (code, cause) = match conflict(candidate.rwset, &outcome.updates, state)? {
            None => (TxValidationCode::Valid, None),
            Some((code, conflict)) => (code, Some(Cause::Conflict(conflict))),
        };
        if code == TxValidationCode::Valid {
            let version = Version { block: number, tx: candidate.position };
            merge::apply(&mut outcome.updates, candidate.rwset, version, state)?;
        }
        outcome.codes.push(code);
        outcome.causes.push(cause);
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

/// The first read that does not hold any more, with the code that it means.
fn conflict(
    rwset: &TxRwSet,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<(TxValidationCode, Conflict)>, EngineError> {
    for ns in &rwset.namespaces {
        for KvRead { key, version } in &ns.kv.reads {
            let place = Place { namespace: &ns.namespace, collection: None, key: key.as_bytes() };
            if let Some(found) = overtaken(place, version.as_ref(), preceding, state)? {
                return Ok(Some((TxValidationCode::MvccReadConflict, found)));
            }
        }
        for query in &ns.kv.range_queries_info {
            if let Some(found) = range_check::changed(&ns.namespace, query, preceding, state)? {
                return Ok(Some((TxValidationCode::PhantomReadConflict, found)));
            }
        }
        if let Some(found) = hashed_conflict(ns, preceding, state)? {
            return Ok(Some((TxValidationCode::MvccReadConflict, found)));
        }
    }
    Ok(None)
}

fn hashed_conflict(
    ns: &NsRwSet,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Conflict>, EngineError> {
    for collection in &ns.collections {
        for KvReadHash { key_hash, version } in &collection.hashed.hashed_reads {
            let place = Place {
                namespace: &ns.namespace,
                collection: Some(&collection.name),
                key: key_hash,
            };
            if let Some(found) = overtaken(place, version.as_ref(), preceding, state)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// None if the key was neither written nor deleted earlier in the block, and is committed at the version that was read;
/// absent equals absent.
fn overtaken(
    place: Place<'_>,
    version: Option<&WireVersion>,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Conflict>, EngineError> {
    if let Some(row) = preceding.get(place) {
        return Ok(Some(Conflict::of_key(place, Some(row.version), row.value.is_none())));
    }
    let committed = place.read(state)?.map(|stored| stored.version);
    if committed == version.map(Version::from) {
        return Ok(None);
    }
    gone_or_written(place, committed, state).map(Some)
}

/// The conflict with what is committed under a key: its version, or who deleted it, as far as the history tells.
pub(crate) fn gone_or_written(
    place: Place<'_>,
    committed: Option<Version>,
    state: StateView<'_>,
) -> Result<Conflict, EngineError> {
    let writer = match committed {
        None => history::last(place, state)?,
        written => written,
    };
    Ok(Conflict::of_key(place, writer, committed.is_none()))
}
