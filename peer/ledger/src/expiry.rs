//! `block_to_live` of collections: hashed keys that vanish some blocks after they were last written.
//!
//! A hash written in block n with a life of b blocks goes with block n + b + 1, after that block's validation and unless
//! it was written again. The commit hash does not cover this.

use bytes::Bytes;

use crate::definition::DefinitionError;
use crate::definition::{self, Definition};
use crate::private;
use crate::state::{EngineError, Key, StateView, WriteBatch, damaged, split_name};
use crate::updates::{Place, Row, Updates};

/// Schedule rows read at a time.
const CHUNK: usize = 256;

/// Adds to the batch of block `number` the expiry of what it wrote, and the removal of what expires with it.
pub(crate) fn add_to(
    batch: &mut WriteBatch,
    number: u64,
    updates: &Updates,
    state: StateView<'_>,
) -> Result<(), EngineError> {
    for (namespace, changes) in updates.namespaces() {
        if changes.collections.is_empty() {
            continue;
        }
        let definition = match definition::read(state, namespace) {
            Ok(definition) => definition,
            Err(DefinitionError::Unusable { .. }) => None,
            Err(DefinitionError::State(error)) => return Err(error),
        };
        for (collection, rows) in &changes.collections {
            let Some(expiring) = expiring_block(definition.as_ref(), collection, number) else {
                continue;
            };
            schedule(batch, expiring, (namespace, collection), rows.iter());
        }
    }
    expire(batch, number, updates, state)
}

/// The block with which a hash written in block `number` expires, if ever.
fn expiring_block(definition: Option<&Definition>, collection: &str, number: u64) -> Option<u64> {
    let life = definition?.collection(collection)?.block_to_live;
    if life == 0 {
        return None;
    }
    number.checked_add(life)?.checked_add(1)
}

fn schedule<'a>(
    batch: &mut WriteBatch,
    expiring: u64,
    (namespace, collection): (&str, &str),
    rows: impl Iterator<Item = (&'a Bytes, &'a Row)>,
) {
    for (key_hash, row) in rows.filter(|(_, row)| row.value.is_some()) {
        let committing = row.version.block;
        let key = Key::Expiry { expiring, committing, namespace, collection, key_hash };
        batch.put(key.column(), key.bytes(), Bytes::new());
    }
}

fn expire(
    batch: &mut WriteBatch,
    number: u64,
    updates: &Updates,
    state: StateView<'_>,
) -> Result<(), EngineError> {
    let prefix = Key::ExpiriesOf { expiring: number };
    let end = Key::ExpiriesOf { expiring: number.saturating_add(1) }.bytes();
    let mut from = prefix.bytes();
    loop {
        let rows = state.reader().scan(prefix.column(), &from, &end, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from.clone_from(last);
        from.push(0);
        for (stored, _) in rows {
            let entry = Entry::read(&stored).ok_or_else(|| damaged(&stored))?;
            let current = entry.place.read(state)?.map(|value| value.version.block);
            if updates.get(entry.place).is_none() && current == Some(entry.committing) {
                let Place { namespace, key, .. } = entry.place;
                let collection = entry.place.collection.unwrap_or_default();
                let key = Key::Hashed { namespace, collection, key_hash: key };
                batch.delete(key.column(), key.bytes());
                private::remove(batch, (namespace, collection, entry.place.key), state)?;
            }
            batch.delete(prefix.column(), stored);
        }
    }
}

/// One row of the schedule.
struct Entry<'a> {
    committing: u64,
    place: Place<'a>,
}

impl<'a> Entry<'a> {
    fn read(stored: &'a [u8]) -> Option<Self> {
        let rest = stored.get(Key::ExpiriesOf { expiring: 0 }.bytes().len()..)?;
        let (committing, rest) = rest.split_first_chunk::<8>()?;
        let (namespace, rest) = split_name(rest)?;
        let (collection, key) = split_name(rest)?;
        let namespace = std::str::from_utf8(namespace).ok()?;
        let collection = Some(std::str::from_utf8(collection).ok()?);
        let place = Place { namespace, collection, key };
        Some(Entry { committing: u64::from_be_bytes(*committing), place })
    }
}
