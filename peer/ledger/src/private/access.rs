//! The ledger's private data as the rest of the peer uses it.

use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::hash::sha256;
use carecord_proto::rwset::{CollHashedRwSet, CollPvtRwSet, NsPvtRwSet, TxPvtRwSet};

use super::keys::{self, COLUMN, HashedKey, Spot};
use super::{Held, Marker, Missing, NoteError, Noted};
use crate::collection::Collection;
use crate::definition::{self, LIFECYCLE};
use crate::error::Error;
use crate::ledger::{Ledger, reader};
use crate::recovery::stored_set;
use crate::simulator::SimulationResult;
use crate::state::{EngineError, Key, StateView, damaged};
use crate::validator::{Kind, Prefetched};

/// Rows of sets on their way that are looked through at a time.
const CHUNK: usize = 256;

/// What this peer knows and holds of one private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// The height at which it was looked.
    pub height: u64,
    /// Whether the channel has a hash under the key now.
    pub hash_in_state: bool,
    /// Whether this peer has the value, or the key's name.
    pub value_held: bool,
    /// Kept write sets that name the key.
    pub kept_sets: u64,
    /// Write sets on their way that name the key.
    pub waiting_sets: u64,
    /// The last purge of the key.
    pub purge: Option<Marker>,
}

// === impl KeyStatus ===

impl KeyStatus {
    /// Whether nothing of the key is here, in rows or, after a purge, in files.
    pub fn is_absent(&self) -> bool {
        let rows = u64::from(self.value_held) + self.kept_sets + self.waiting_sets;
        rows == 0 && self.purge.is_none_or(|marker| marker.gone)
    }
}

impl Ledger {
    /// A collection as the definition in force has it.
    pub fn collection(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Collection>>, Error> {
        let generation = match self.collections.known(namespace, name) {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let definition = match definition::implicit_collection_msp_id(name) {
            Some(_) => None,
            None if namespace == LIFECYCLE => None,
            None => self.definition(namespace)?,
        };
        let found = Collection::of(definition.as_ref(), name).map(Arc::new);
        self.collections.note(generation, namespace, name, found.clone());
        Ok(found)
    }

    /// A collection as it was for block `number`.
    pub fn collection_at(
        &self,
        namespace: &str,
        name: &str,
        number: u64,
    ) -> Result<Option<Arc<Collection>>, Error> {
        let kept = self.private.collections_at(namespace, number).map_err(Error::Private)?;
        let Some(collections) = kept else { return self.collection(namespace, name) };
        let definition = self.definition(namespace)?;
        let then = definition.map(|now| definition::Definition { collections, ..now });
        Ok(Collection::of(then.as_ref(), name).map(Arc::new))
    }

    /// The part of a write set that belongs to collections of which this peer is a member now.
    pub fn own_part(&self, set: TxPvtRwSet) -> Result<TxPvtRwSet, Error> {
        let Some(msp_id) = &self.options.msp_id else { return Ok(TxPvtRwSet::default()) };
        let mut namespaces = Vec::new();
        for NsPvtRwSet { namespace, collections } in set.namespaces {
            let mut own = Vec::new();
            for set in collections {
                let collection = self.collection(&namespace, &set.name)?;
                if collection.is_some_and(|collection| collection.has_member(msp_id)) {
                    own.push(set);
                }
            }
            if !own.is_empty() {
                namespaces.push(NsPvtRwSet { namespace, collections: own });
            }
        }
        Ok(TxPvtRwSet { namespaces })
    }

    /// Keeps what a simulation wrote into collections that this peer holds until its transaction is committed.
    ///
    /// It is on the disk when this returns, so that an endorsement may then leave the peer.
    pub fn note_private(&self, tx_id: &str, simulated: &SimulationResult) -> Result<(), NoteError> {
        let Some(set) = &simulated.private else { return Ok(()) };
        let set = TxPvtRwSet::from_bytes(set).map_err(|_| NoteError::Malformed)?;
        let set = self.own_part(set).map_err(|error| match error {
            Error::State(error) | Error::Private(error) => NoteError::Store(error),
            _ => NoteError::Malformed,
        })?;
        let source = self.options.msp_id.clone().unwrap_or_default();
        let height = simulated.height;
        let noted = Noted { tx_id: tx_id.to_owned(), height, source, set };
        self.note_sets(&[noted])?.pop().unwrap_or(Ok(()))
    }

    /// Keeps several write sets in one synced write; each is on the disk, or refused, when this returns.
    pub fn note_sets(&self, sets: &[Noted]) -> Result<Vec<Result<(), NoteError>>, EngineError> {
        self.private.note(sets)
    }

    /// What this peer would miss if the block were committed now: the sets of its own collections that did not get here.
    ///
    /// Whether their transactions are valid is not known yet.
    pub fn wanted(&self, number: u64, prefetched: &Prefetched) -> Result<Vec<Missing>, Error> {
        let mut wanted = Vec::new();
        for (tx, examined) in (0..).zip(&prefetched.transactions) {
            let Ok(Kind::Endorser(endorsed)) = &examined.kind else { continue };
            let Ok(body) = &endorsed.body else { continue };
            for ns in &body.rwset.namespaces {
                for set in ns.collections.iter().filter(|set| !set.pvt_hash.is_empty()) {
                    let (namespace, collection) = (ns.namespace.clone(), set.name.clone());
                    let spot = Spot { block: number, tx, namespace, collection };
                    wanted.extend(self.wanted_set(spot, &examined.tx_id, set)?);
                }
            }
        }
        Ok(wanted)
    }

    fn wanted_set(
        &self,
        spot: Spot,
        tx_id: &str,
        set: &CollHashedRwSet,
    ) -> Result<Option<Missing>, Error> {
        let Some(msp_id) = &self.options.msp_id else { return Ok(None) };
        let collection = self.collection(&spot.namespace, &spot.collection)?;
        if !collection.is_some_and(|collection| collection.has_member(msp_id)) {
            return Ok(None);
        }
        let here = self.private.waiting_set(tx_id, &spot, &set.pvt_hash).map_err(Error::Private)?;
        if here.is_some() || self.private.kept(&spot).map_err(Error::Private)?.is_some() {
            return Ok(None);
        }
        let hash = set.pvt_hash.clone();
        Ok(Some(Missing { spot, tx_id: tx_id.to_owned(), hash, ends: None }))
    }

    /// Notes sets that another peer has sent for those that are [wanted](Ledger::wanted), in one synced write; says of each
    /// whether it is what was wanted.
    pub fn note_wanted(
        &self,
        found: &[(Missing, Bytes)],
        source: &str,
    ) -> Result<Vec<bool>, Error> {
        let noted = |(wanted, bytes): &(Missing, Bytes)| {
            if sha256(&[bytes]) != wanted.hash[..] {
                return None;
            }
            let kv = carecord_proto::decode("KVRWSet", bytes).ok()?;
            let Spot { block, namespace, collection, .. } = wanted.spot.clone();
            let set = CollPvtRwSet { name: collection, bytes: bytes.clone(), kv };
            let namespaces = vec![NsPvtRwSet { namespace, collections: vec![set] }];
            let (tx_id, source) = (wanted.tx_id.clone(), source.to_owned());
            Some(Noted { tx_id, height: block, source, set: TxPvtRwSet { namespaces } })
        };
        let looked: Vec<_> = found.iter().map(noted).collect();
        let sets: Vec<_> = looked.iter().flatten().cloned().collect();
        let mut answers = self.note_sets(&sets).map_err(Error::Private)?.into_iter();
        let mut is_noted =
            |it: Option<Noted>| it.is_some() && answers.next().is_some_and(|it| it.is_ok());
        Ok(looked.into_iter().map(&mut is_noted).collect())
    }

    /// The bytes of a set for another peer: kept, or on its way. Who may have them is the caller's to decide.
    pub fn private_set(
        &self,
        spot: &Spot,
        tx_id: &str,
        hash: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        if spot.block < self.height()
            && let Some(held) = self.private.kept(spot).map_err(Error::Private)?
        {
            return Ok((held.trimmed || held.hash() == hash).then_some(held.bytes));
        }
        let waiting = self.private.waiting_set(tx_id, spot, hash).map_err(Error::Private)?;
        Ok(waiting.map(|set| set.bytes))
    }

    /// The sets that this peer holds of a committed block, until their bytes reach `bytes`.
    pub fn private_of_block(&self, number: u64, bytes: usize) -> Result<Vec<Held>, Error> {
        if number >= self.height() || !self.private.holds_any() {
            return Ok(Vec::new());
        }
        self.private.kept_of(number, bytes).map_err(Error::Private)
    }

    /// Up to `limit` sets that this peer should hold and does not, newest first, those behind `after`.
    pub fn missing(&self, after: Option<&Spot>, limit: usize) -> Result<Vec<Missing>, Error> {
        self.private.missing(after, limit).map_err(Error::Private)
    }

    /// Takes sets that another peer has sent for missing ones: they are checked against their blocks, purges are applied, and
    /// what is current is readable from then on. Says of each whether it was what is missing.
    pub fn take_missing(&self, found: &[(Missing, Bytes)]) -> Result<Vec<bool>, Error> {
        let _one_at_a_time = self.committing.lock();
        let hashed = |spot: &Spot| {
            let block = self.block(spot.block).ok()??;
            stored_set(&block, spot)
        };
        self.private.take_missing(found, hashed, &*self.engine).map_err(Error::Private)
    }

    /// Whether purged bytes may still lie in a file of this peer.
    pub fn has_pending_purges(&self) -> Result<bool, Error> {
        self.private.has_pending().map_err(Error::Private)
    }

    /// Writes the files anew in which purged bytes may lie; gives how many purges are complete with that.
    ///
    /// None while a view is open that is older, such as that of a long query or a snapshot: call again.
    pub fn rewrite_purged(&self) -> Result<usize, Error> {
        self.private.rewrite(&*self.engine).map_err(Error::Private)
    }

    /// What this peer knows and holds of a private key.
    pub fn key_status(&self, key: &HashedKey) -> Result<KeyStatus, Error> {
        // The height first: what is looked up later is at least as new.
        let height = self.height();
        let HashedKey { namespace, collection, key_hash } = key;
        let hashed =
            StateView::new(reader(&*self.engine)).hashed(namespace, collection, key_hash)?;
        let name = Key::PrivateName { namespace, collection, key_hash };
        let value_held = self.engine.get(name.column(), &name.bytes())?.is_some();
        let store = &self.private;
        Ok(KeyStatus {
            height,
            hash_in_state: hashed.is_some(),
            value_held,
            kept_sets: store.named_in(key).map_err(Error::Private)?.len() as u64,
            waiting_sets: self.waiting_sets(key).map_err(Error::Private)?,
            purge: store.marker(key).map_err(Error::Private)?,
        })
    }

    fn waiting_sets(&self, key: &HashedKey) -> Result<u64, EngineError> {
        let (mut from, to) = keys::all(b"T");
        let mut found = 0;
        loop {
            let rows = self.private.engine.scan(COLUMN, &from, &to, CHUNK)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            from = [&last[..], &[0]].concat();
            for (stored, bytes) in &rows {
                let set = TxPvtRwSet::from_bytes(bytes).map_err(|_| damaged(stored))?;
                found += u64::from(names(&set, key));
            }
        }
    }
}

fn names(set: &TxPvtRwSet, key: &HashedKey) -> bool {
    let namespaces = set.namespaces.iter().filter(|ns| ns.namespace == key.namespace);
    let sets = namespaces.flat_map(|ns| &ns.collections).filter(|it| it.name == key.collection);
    let is = |name: &str| sha256(&[name.as_bytes()]) == key.key_hash[..];
    sets.clone().any(|set| {
        set.kv.writes.iter().any(|write| is(&write.key))
            || set.kv.metadata_writes.iter().any(|write| is(&write.key))
    })
}
