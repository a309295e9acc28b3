//! Purges: markers, the trimming of kept sets, and the files that must be written anew until no byte is left.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::block::add_held;
use super::keys::{self, COLUMN, HashedKey, Spot};
use super::store::PrivateStore;
use crate::state::{Engine, EngineError, Key, Range, WriteBatch, damaged, successor};

/// Rows that are read, and purges that are completed, in one go.
const CHUNK: usize = 1024;

/// The last purge of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The block.
    pub block: u64,
    /// The transaction's position in it.
    pub tx: u64,
    /// Whether the bytes are in no file of this peer any more.
    pub gone: bool,
}

// === impl Marker ===

impl Marker {
    /// Whether what was written there is purged with it; of the purging transaction itself the key's name is.
    pub(super) fn covers(&self, block: u64, tx: u64) -> bool {
        (block, tx) <= (self.block, self.tx)
    }

    fn read(stored: &[u8]) -> Option<Self> {
        let (block, rest) = stored.split_first_chunk::<8>()?;
        let (tx, rest) = rest.split_first_chunk::<8>()?;
        let (block, tx) = (u64::from_be_bytes(*block), u64::from_be_bytes(*tx));
        Some(Self { block, tx, gone: rest == [1] })
    }

    fn stored(&self) -> Bytes {
        let Self { block, tx, gone } = self;
        [&block.to_be_bytes()[..], &tx.to_be_bytes()[..], &[u8::from(*gone)]].concat().into()
    }
}

/// Whether a write is covered by a key's last purge.
pub(super) fn is_covered(marker: Option<&Marker>, block: u64, tx: u64) -> bool {
    marker.is_some_and(|marker| marker.covers(block, tx))
}

impl PrivateStore {
    /// The last purge of a key, if it ever was.
    pub(crate) fn marker(&self, key: &HashedKey) -> Result<Option<Marker>, EngineError> {
        let stored = self.engine.get(COLUMN, &keys::purged(key))?;
        stored.map(|it| Marker::read(&it).ok_or_else(|| damaged(&it))).transpose()
    }

    /// The sets that still name a key.
    pub(super) fn named_in(&self, key: &HashedKey) -> Result<Vec<Spot>, EngineError> {
        let (mut from, to) = keys::all(&keys::writers_of(key));
        let mut named = Vec::new();
        loop {
            let rows = self.engine.scan(COLUMN, &from, &to, CHUNK)?;
            let Some((last, _)) = rows.last() else { return Ok(named) };
            from = [&last[..], &[0]].concat();
            for (stored, _) in &rows {
                let (block, tx) = keys::read_writer(stored).ok_or_else(|| damaged(stored))?;
                let (namespace, collection) = (key.namespace.clone(), key.collection.clone());
                named.push(Spot { block, tx, namespace, collection });
            }
        }
    }

    /// Adds a purge: its marker, and what is left of the sets that name the key. Those of `now` come trimmed already; a
    /// set of which the same block purges several keys loses all of them each time, so that no purge brings one back.
    pub(super) fn add_purge(
        &self,
        batch: &mut WriteBatch,
        key: &HashedKey,
        marker: &Marker,
        (now, also): (&BTreeSet<Spot>, &[(HashedKey, Marker)]),
    ) -> Result<(), EngineError> {
        for spot in self.named_in(key)? {
            if !marker.covers(spot.block, spot.tx) || now.contains(&spot) {
                continue;
            }
            batch.delete(COLUMN, keys::writer(key, spot.block, spot.tx));
            if let Some(mut held) = self.kept(&spot)? {
                held.trim(|other| {
                    Ok(other == key || also.iter().any(|(it, at)| covers(it, at, other, &spot)))
                })?;
                add_held(batch, &held);
            }
        }
        batch.put(COLUMN, keys::purged(key), marker.stored());
        batch.put(COLUMN, keys::pending(key), Bytes::new());
        Ok(())
    }

    /// Whether a purge is not complete.
    pub(crate) fn has_pending(&self) -> Result<bool, EngineError> {
        let (from, to) = keys::all(b"Z");
        Ok(!self.engine.scan(COLUMN, &from, &to, 1)?.is_empty())
    }

    /// Writes the files anew in which purged bytes may lie, here and in `state`; gives how many purges are complete with
    /// that, none while an older view is open.
    pub(crate) fn rewrite(&self, state: &dyn Engine) -> Result<usize, EngineError> {
        let _one_at_a_time = self.rewriting.lock();
        let (from, to) = keys::all(b"Z");
        let rows = self.engine.scan(COLUMN, &from, &to, CHUNK)?;
        let pending: Option<Vec<_>> =
            rows.iter().map(|(stored, _)| keys::read_pending(stored)).collect();
        let pending = pending.ok_or_else(|| damaged(b"Z"))?;
        let mut left = Vec::new();
        for key in &pending {
            left.push(self.marker(key)?);
        }
        if pending.is_empty() || !state.rewrite(&state_ranges(&pending))? {
            return Ok(0);
        }
        // Sets on their way and kept ones; names of keys are in nothing else here.
        let own = [b"D", b"T"].map(|kind| {
            let (from, to) = keys::all(kind);
            (COLUMN, from, to)
        });
        if !self.engine.rewrite(&own)? {
            return Ok(0);
        }
        let mut batch = WriteBatch::default();
        for (key, before) in pending.iter().zip(left) {
            // A purge that came meanwhile needs its own turn.
            if let Some(marker) = self.marker(key)?.filter(|marker| Some(*marker) == before) {
                let marker = Marker { gone: true, ..marker };
                batch.put(COLUMN, keys::purged(key), marker.stored());
                batch.delete(COLUMN, keys::pending(key));
            }
        }
        let complete = batch.len() / 2;
        self.engine.write(batch)?;
        Ok(complete)
    }
}

fn covers(purged: &HashedKey, at: &Marker, key: &HashedKey, spot: &Spot) -> bool {
    purged == key && at.covers(spot.block, spot.tx)
}

/// Values and names of the collections concerned; whole collections, for RocksDB writes bounds into its log file.
fn state_ranges(pending: &[HashedKey]) -> Vec<Range> {
    let collections: BTreeSet<_> =
        pending.iter().map(|key| (&key.namespace, &key.collection)).collect();
    let mut ranges = Vec::new();
    for (namespace, collection) in collections {
        let value = Key::Private { namespace, collection, key: b"" };
        let name = Key::PrivateName { namespace, collection, key_hash: b"" };
        for key in [value, name] {
            ranges.push((key.column(), key.bytes(), successor(key.bytes())));
        }
    }
    ranges
}
