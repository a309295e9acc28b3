//! What a block brings: sets that are here, sets that should be, purges; kept in one synced write before the block itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use carecord_proto::rwset::{CollPvtRwSet, TxPvtRwSet, TxRwSet, hashed_write_is_delete};

use super::keys::{self, COLUMN, HashedKey, Spot};
use super::memberships::Memberships;
use super::missing::Missing;
use super::purge::{Marker, is_covered};
use super::set::Held;
use super::store::PrivateStore;
use crate::collection::Collection;
use crate::state::{EngineError, StateView, WriteBatch, damaged};
use crate::updates::Updates;

/// Sets that end with one block, of those that did not end with the one before; what is more waits for the next.
const MAX_ENDED: usize = 10_000;

/// A valid transaction of a block that is being committed.
#[derive(Clone, Copy)]
pub(crate) struct Transaction<'a> {
    pub(crate) position: u64,
    pub(crate) tx_id: &'a str,
    pub(crate) rwset: &'a TxRwSet,
}

/// What this peer makes of a block's private part.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Sets that it holds, without what is purged.
    pub(crate) held: Vec<Held>,
    /// Sets that it should hold and does not.
    pub(super) missing: Vec<Missing>,
    /// Keys that the block purges.
    pub(super) purges: Vec<(HashedKey, Marker)>,
}

// === impl Taken ===

impl Taken {
    pub(crate) fn is_missing_any(&self) -> bool {
        !self.missing.is_empty()
    }
}

impl PrivateStore {
    /// Looks for the write sets of a block's valid transactions, each equal to its hash.
    pub(crate) fn take(
        &self,
        number: u64,
        transactions: &[Transaction<'_>],
        state: StateView<'_>,
    ) -> Result<Taken, EngineError> {
        let mut taken = Taken { purges: purges(number, transactions), ..Taken::default() };
        let mut memberships = Memberships::new(self, state);
        for transaction in transactions {
            self.take_one(&mut taken, &mut memberships, number, transaction)?;
        }
        let purges = &taken.purges;
        for held in &mut taken.held {
            let (block, tx) = (held.spot.block, held.spot.tx);
            held.trim(|key| {
                let here = purges.iter().any(|(purged, at)| purged == key && at.covers(block, tx));
                Ok(here || self.is_purged(key, block, tx)?)
            })?;
        }
        Ok(taken)
    }

    fn take_one(
        &self,
        taken: &mut Taken,
        memberships: &mut Memberships<'_>,
        number: u64,
        transaction: &Transaction<'_>,
    ) -> Result<(), EngineError> {
        let Transaction { position, tx_id, rwset } = *transaction;
        let mut noted: Option<Vec<TxPvtRwSet>> = None;
        for namespace in &rwset.namespaces {
            for hashed in namespace.collections.iter().filter(|it| !it.pvt_hash.is_empty()) {
                let names = (&namespace.namespace, &hashed.name);
                let Some(own) = memberships.own(names.0, names.1)? else { continue };
                let spot = Spot {
                    block: number,
                    tx: position,
                    namespace: names.0.clone(),
                    collection: names.1.clone(),
                };
                if noted.is_none() {
                    noted = Some(self.noted(tx_id)?);
                }
                let ends = ending_block(&own, number);
                let set = noted.iter().flatten().find_map(|set| find(set, &spot, &hashed.pvt_hash));
                match set {
                    Some(set) => taken.held.push(Held::whole(spot, set.clone(), ends)),
                    None => match self.kept(&spot)? {
                        Some(mut kept) => {
                            kept.ends = ends;
                            taken.held.push(kept);
                        }
                        None => taken.missing.push(Missing {
                            spot,
                            tx_id: tx_id.to_owned(),
                            hash: hashed.pvt_hash.clone(),
                            ends,
                        }),
                    },
                }
            }
        }
        Ok(())
    }

    /// Keeps a block's private part; on the disk when this returns.
    pub(crate) fn keep(
        &self,
        number: u64,
        taken: &Taken,
        updates: &Updates,
    ) -> Result<(), EngineError> {
        let mut batch = WriteBatch::default();
        for held in &taken.held {
            add_held(&mut batch, held);
        }
        for missing in &taken.missing {
            missing.add_to(&mut batch);
        }
        let now = taken.held.iter().map(|held| held.spot.clone()).collect::<BTreeSet<_>>();
        for (key, marker) in &taken.purges {
            self.add_purge(&mut batch, key, marker, (&now, &taken.purges))?;
        }
        Self::keep_definitions(&mut batch, number, updates);
        if batch.is_empty() {
            return Ok(());
        }
        self.engine.write(batch)?;
        if !taken.purges.is_empty() {
            self.has_purged.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// After a block's commit: drops what waited for its transactions, and what ends with it.
    ///
    /// Not synced: what a crash brings back is dropped again later, or found at its end.
    pub(crate) fn forget<'a>(
        &self,
        number: u64,
        tx_ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), EngineError> {
        let mut batch = WriteBatch::default();
        self.drop_waiting(&mut batch, number, tx_ids)?;
        self.drop_ended(&mut batch, number)?;
        if !batch.is_empty() {
            self.engine.write_unsynced(batch)?;
            self.look_again();
        }
        Ok(())
    }

    fn drop_ended(&self, batch: &mut WriteBatch, number: u64) -> Result<(), EngineError> {
        if !self.holds_any() {
            return Ok(());
        }
        let (from, to) = (keys::endings_of(0), keys::endings_of(number.saturating_add(1)));
        for (stored, _) in self.engine.scan(COLUMN, &from, &to, MAX_ENDED)? {
            let spot = keys::read_ending(&stored).ok_or_else(|| damaged(&stored))?;
            if let Some(held) = self.kept(&spot)? {
                for key in held.keys() {
                    batch.delete(COLUMN, keys::writer(&key, spot.block, spot.tx));
                }
            }
            batch.delete(COLUMN, keys::kept(&spot));
            batch.delete(COLUMN, keys::missing(&spot));
            batch.delete(COLUMN, stored);
        }
        Ok(())
    }

    /// The set that was kept at a spot.
    pub(crate) fn kept(&self, spot: &Spot) -> Result<Option<Held>, EngineError> {
        let stored = self.engine.get(COLUMN, &keys::kept(spot))?;
        stored.map(|stored| Held::read(spot.clone(), stored)).transpose()
    }

    /// The sets that were kept of a block, until their bytes reach `bytes`.
    pub(crate) fn kept_of(&self, block: u64, bytes: usize) -> Result<Vec<Held>, EngineError> {
        let (from, to) = keys::all(&keys::kept_of(block));
        let rows = self.engine.scan_within(COLUMN, &from, &to, usize::MAX, bytes)?;
        let read = |(stored, value): (Vec<u8>, Bytes)| {
            Held::read(keys::read_kept(&stored).ok_or_else(|| damaged(&stored))?, value)
        };
        rows.into_iter().map(read).collect()
    }

    /// A set that waits for its transaction, by its hash.
    pub(crate) fn waiting_set(
        &self,
        tx_id: &str,
        spot: &Spot,
        hash: &[u8],
    ) -> Result<Option<CollPvtRwSet>, EngineError> {
        let noted = self.noted(tx_id)?;
        Ok(noted.iter().find_map(|set| find(set, spot, hash)).cloned())
    }

    pub(super) fn is_purged(
        &self,
        key: &HashedKey,
        block: u64,
        tx: u64,
    ) -> Result<bool, EngineError> {
        if !self.has_purged.load(Ordering::Acquire) {
            return Ok(false);
        }
        Ok(is_covered(self.marker(key)?.as_ref(), block, tx))
    }
}

/// Adds a set, the index of its keys and its end; it is missing no more.
pub(super) fn add_held(batch: &mut WriteBatch, held: &Held) {
    let spot = &held.spot;
    batch.put(COLUMN, keys::kept(spot), held.stored());
    for key in held.keys() {
        batch.put(COLUMN, keys::writer(&key, spot.block, spot.tx), Bytes::new());
    }
    if let Some(ends) = held.ends {
        batch.put(COLUMN, keys::ending(ends, spot), Bytes::new());
    }
    batch.delete(COLUMN, keys::missing(spot));
}

/// The block with which a set of block `number` ends: that with which its hashes do.
fn ending_block(collection: &Arc<Collection>, number: u64) -> Option<u64> {
    if collection.block_to_live == 0 {
        return None;
    }
    number.checked_add(collection.block_to_live)?.checked_add(1)
}

fn find<'a>(set: &'a TxPvtRwSet, spot: &Spot, hash: &[u8]) -> Option<&'a CollPvtRwSet> {
    let namespaces = set.namespaces.iter().filter(|ns| ns.namespace == spot.namespace);
    let mut collections = namespaces.flat_map(|ns| &ns.collections);
    collections.find(|it| it.name == spot.collection && it.hash() == hash)
}

fn purges(number: u64, transactions: &[Transaction<'_>]) -> Vec<(HashedKey, Marker)> {
    let mut purges = Vec::new();
    for Transaction { position, rwset, .. } in transactions {
        for namespace in &rwset.namespaces {
            for collection in &namespace.collections {
                let writes = collection.hashed.hashed_writes.iter();
                for write in writes.filter(|it| it.is_purge && hashed_write_is_delete(it)) {
                    let key = HashedKey {
                        namespace: namespace.namespace.clone(),
                        collection: collection.name.clone(),
                        key_hash: write.key_hash.to_vec(),
                    };
                    purges.push((key, Marker { block: number, tx: *position, gone: false }));
                }
            }
        }
    }
    purges
}
