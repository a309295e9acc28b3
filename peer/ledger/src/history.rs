//! The history of a key: which valid transactions wrote it, read back from the blocks.

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::rwset::write_is_delete;

use crate::error::Error;
use crate::ledger::Ledger;
use crate::state::{EngineError, Key, StateView, Version, damaged};
use crate::updates::Place;
use crate::validator::action_of;

pub use carecord_proto::queryresult::KeyModification;

/// Modifications given at most, as for any other query.
pub const MAX_MODIFICATIONS: usize = 100_000;

pub(crate) fn of(
    ledger: &Ledger,
    namespace: &str,
    key: &str,
) -> Result<Vec<KeyModification>, Error> {
    let prefix = Key::HistoryOf { namespace, key: key.as_bytes() };
    let from = prefix.bytes();
    let end = [&from[..], &[u8::MAX; 17]].concat();
    let rows = ledger.engine().scan(prefix.column(), &from, &end, MAX_MODIFICATIONS)?;
    let mut modifications = Vec::with_capacity(rows.len());
    for (row, _) in rows {
        let (number, tx) = height(&row[from.len()..]).ok_or_else(|| damaged(&row))?;
        let Some(found) = ledger.block(number)? else { continue };
        let raw = usize::try_from(tx).ok().and_then(|tx| block::envelopes(&found).get(tx));
        let modification = raw.and_then(|raw| modification(raw, namespace, key));
        modifications.push(modification.ok_or_else(|| missing(number, tx))?);
    }
    Ok(modifications)
}

/// The last transaction that wrote a public key, if the ledger keeps its history.
pub(crate) fn last(place: Place<'_>, state: StateView<'_>) -> Result<Option<Version>, EngineError> {
    let Place { namespace, collection: None, key } = place else { return Ok(None) };
    let prefix = Key::HistoryOf { namespace, key };
    let from = prefix.bytes();
    let end = [&from[..], &[u8::MAX; 17]].concat();
    let rows = state.reader().scan(prefix.column(), &from, &end, 1)?;
    let Some((row, _)) = rows.first() else { return Ok(None) };
    let (block, tx) = height(&row[from.len()..]).ok_or_else(|| damaged(row))?;
    Ok(Some(Version { block, tx }))
}

fn height(suffix: &[u8]) -> Option<(u64, u64)> {
    let (block, tx) = suffix.split_first_chunk::<8>()?;
    let number = |bytes: [u8; 8]| !u64::from_be_bytes(bytes);
    Some((number(*block), number(tx.try_into().ok()?)))
}

fn modification(raw: &Bytes, namespace: &str, key: &str) -> Option<KeyModification> {
    let (opened, rwset) = action_of(raw)?;
    let ns = rwset.namespaces.into_iter().find(|ns| ns.namespace == namespace)?;
    let write = ns.kv.writes.into_iter().find(|write| write.key == key)?;
    Some(KeyModification {
        is_delete: write_is_delete(&write),
        tx_id: opened.channel_header.tx_id,
        timestamp: opened.channel_header.timestamp,
        value: write.value,
    })
}

fn missing(number: u64, tx: u64) -> Error {
    EngineError::Damaged(format!("history of block {number}, transaction {tx}")).into()
}
