//! The part in state: current values by key, and the key behind each hash.
//!
//! A value goes when its hash changes or goes, whoever wrote that: so nothing that the channel has deleted stays readable.

use carecord_proto::hash::sha256;
use carecord_proto::rwset::write_is_delete;

use super::{Held, PrivateStore, Spot};
use crate::state::{EngineError, Key, StateView, WriteBatch};
use crate::updates::{Place, Row, Updates};

/// Adds to the batch of block `number` the values that it brings, and the removal of those that it replaces.
pub(crate) fn add_to(
    batch: &mut WriteBatch,
    number: u64,
    updates: &Updates,
    (store, held): (&PrivateStore, &[Held]),
    state: StateView<'_>,
) -> Result<(), EngineError> {
    for (place, row) in updates.rows() {
        if let Some(collection) = place.collection
            && store.holds_any()
        {
            replace(batch, (place.namespace, collection, place.key), Some(row), state)?;
        }
    }
    for held in held {
        let Spot { tx, namespace, collection, .. } = &held.spot;
        for write in held.kv.writes.iter().filter(|write| !write_is_delete(write)) {
            let key_hash = sha256(&[write.key.as_bytes()]);
            let place = Place { namespace, collection: Some(collection), key: &key_hash };
            let is_last = updates.get(place).is_some_and(|row| {
                let by_this = row.version.block == number && row.version.tx == *tx;
                by_this && row.value.as_deref() == Some(&sha256(&[&write.value])[..])
            });
            if is_last {
                let behind = Key::PrivateName { namespace, collection, key_hash: &key_hash };
                batch.put(behind.column(), behind.bytes(), write.key.clone());
                let value = Key::Private { namespace, collection, key: write.key.as_bytes() };
                batch.put(value.column(), value.bytes(), write.value.clone());
            }
        }
    }
    Ok(())
}

/// Adds to the batch the removal of the value behind a hash, if this peer has it.
pub(crate) fn remove(
    batch: &mut WriteBatch,
    (namespace, collection, key_hash): (&str, &str, &[u8]),
    state: StateView<'_>,
) -> Result<(), EngineError> {
    replace(batch, (namespace, collection, key_hash), None, state)
}

fn replace(
    batch: &mut WriteBatch,
    (namespace, collection, key_hash): (&str, &str, &[u8]),
    row: Option<&Row>,
    state: StateView<'_>,
) -> Result<(), EngineError> {
    let behind = Key::PrivateName { namespace, collection, key_hash };
    let Some(key) = state.reader().get(behind.column(), &behind.bytes())? else { return Ok(()) };
    let stored = Key::Private { namespace, collection, key: &key };
    let value = state.reader().get(stored.column(), &stored.bytes())?;
    let hash = value.map(|value| sha256(&[&value]));
    // Metadata alone may have changed: then the hash is still that of the value.
    let stays = row.and_then(|row| row.value.as_deref()) == hash.as_ref().map(|hash| &hash[..]);
    if !stays || hash.is_none() {
        batch.delete(behind.column(), behind.bytes());
        batch.delete(stored.column(), stored.bytes());
    }
    Ok(())
}
