//! What this peer should hold and does not: listed with the block, found again later.

use bytes::Bytes;
use carecord_proto::hash::sha256;
use carecord_proto::rwset::{CollHashedRwSet, write_is_delete};

use super::block::add_held;
use super::keys::{self, COLUMN, Spot};
use super::set::Held;
use super::store::PrivateStore;
use crate::state::{Engine, EngineError, Key, StateView, WriteBatch, damaged, name, split_name};

/// A write set that this peer should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Where it was committed.
    pub spot: Spot,
    /// By which transaction.
    pub tx_id: String,
    /// The hash in the block.
    pub hash: Bytes,
    pub(crate) ends: Option<u64>,
}

// === impl Missing ===

impl Missing {
    pub(super) fn add_to(&self, batch: &mut WriteBatch) {
        let mut value = Vec::new();
        name(&mut value, self.tx_id.as_bytes());
        name(&mut value, &self.hash);
        value.extend_from_slice(&self.ends.unwrap_or_default().to_be_bytes());
        batch.put(COLUMN, keys::missing(&self.spot), value);
        if let Some(ends) = self.ends {
            batch.put(COLUMN, keys::ending(ends, &self.spot), Bytes::new());
        }
    }

    fn read(stored: &[u8], value: &Bytes) -> Option<Self> {
        let spot = keys::read_missing(stored)?;
        let (tx_id, rest) = split_name(value)?;
        let (hash, rest) = split_name(rest)?;
        let ends = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self {
            spot,
            tx_id: String::from_utf8(tx_id.to_vec()).ok()?,
            hash: Bytes::copy_from_slice(hash),
            ends: (ends > 0).then_some(ends),
        })
    }
}

impl PrivateStore {
    /// Up to `limit` missing sets, newest first, those behind `after`.
    pub(crate) fn missing(
        &self,
        after: Option<&Spot>,
        limit: usize,
    ) -> Result<Vec<Missing>, EngineError> {
        let (mut from, to) = keys::all(b"M");
        if let Some(after) = after {
            from = [&keys::missing(after)[..], &[0]].concat();
        }
        let rows = self.engine.scan(COLUMN, &from, &to, limit)?;
        let read = |(stored, value): (Vec<u8>, Bytes)| {
            Missing::read(&stored, &value).ok_or_else(|| damaged(&stored))
        };
        rows.into_iter().map(read).collect()
    }

    /// Takes sets that another peer has sent for missing ones; `hashed` gives what the block says of one.
    ///
    /// `false` where it is not what is missing, or is not missing any more.
    pub(crate) fn take_missing(
        &self,
        found: &[(Missing, Bytes)],
        hashed: impl Fn(&Spot) -> Option<CollHashedRwSet>,
        state: &dyn Engine,
    ) -> Result<Vec<bool>, EngineError> {
        let view = StateView::new(crate::ledger::reader(state));
        let (mut sets, mut values, mut done) =
            (WriteBatch::default(), WriteBatch::default(), WriteBatch::default());
        let mut taken = Vec::with_capacity(found.len());
        for (missing, bytes) in found {
            let held = self.checked(missing, bytes, &hashed)?;
            taken.push(held.is_some());
            let Some(held) = held else { continue };
            add_held(&mut sets, &held);
            // Listed as missing until its values are in state, too.
            missing.add_to(&mut sets);
            add_values(&mut values, &held, view)?;
            done.delete(COLUMN, keys::missing(&missing.spot));
        }
        if done.is_empty() {
            return Ok(taken);
        }
        self.engine.write(sets)?;
        if !values.is_empty() {
            state.write(values)?;
            state.flush()?;
        }
        self.engine.write(done)?;
        Ok(taken)
    }

    /// The set, without what is purged, if it is the missing one.
    fn checked(
        &self,
        missing: &Missing,
        bytes: &Bytes,
        hashed: impl Fn(&Spot) -> Option<CollHashedRwSet>,
    ) -> Result<Option<Held>, EngineError> {
        let spot = &missing.spot;
        if self.engine.get(COLUMN, &keys::missing(spot))?.is_none() {
            return Ok(None);
        }
        let Some(mut held) = Held::received(spot.clone(), bytes.clone(), missing.ends) else {
            return Ok(None);
        };
        let is_purged = |key: &_| self.is_purged(key, spot.block, spot.tx);
        if held.hash() != missing.hash[..] {
            let Some(hashed) = hashed(spot) else { return Ok(None) };
            if !held.is_rest_of(&hashed.hashed, is_purged)? {
                return Ok(None);
            }
            held.trimmed = true;
        }
        held.trim(is_purged)?;
        Ok(Some(held))
    }
}

/// Adds those values of a set that are still current.
fn add_values(
    batch: &mut WriteBatch,
    held: &Held,
    state: StateView<'_>,
) -> Result<(), EngineError> {
    let Spot { block, tx, namespace, collection } = &held.spot;
    for write in held.kv.writes.iter().filter(|write| !write_is_delete(write)) {
        let key_hash = sha256(&[write.key.as_bytes()]);
        let stored = state.hashed(namespace, collection, &key_hash)?;
        let is_current = stored.is_some_and(|stored| {
            // A later change of metadata alone leaves the value as it was.
            (stored.version.block, stored.version.tx) >= (*block, *tx)
                && stored.value == sha256(&[&write.value])[..]
        });
        if is_current {
            let behind = Key::PrivateName { namespace, collection, key_hash: &key_hash };
            batch.put(behind.column(), behind.bytes(), write.key.clone());
            let value = Key::Private { namespace, collection, key: write.key.as_bytes() };
            batch.put(value.column(), value.bytes(), write.value.clone());
        }
    }
    Ok(())
}
