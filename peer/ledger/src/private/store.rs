//! The durable part: write sets by transaction id until the transaction is committed, then by block.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use carecord_proto::kvrwset::KvrwSet;
use carecord_proto::rwset::{CollPvtRwSet, NsPvtRwSet, TxPvtRwSet, TxRwSet};
use parking_lot::Mutex;

use crate::definition::implicit_collection_msp_id;
use crate::state::{
    Engine, EngineError, Key, MemoryEngine, RocksEngine, RocksOptions, WriteBatch, damaged,
};

/// Blocks after which what was endorsed and never committed is dropped, as in Fabric.
const RETENTION: u64 = 1_000;
/// Private bytes that one transaction may bring.
const MAX_TRANSACTION_BYTES: usize = 16 << 20;
/// Endorsements of one transaction that are remembered, each at another height.
const MAX_ENDORSEMENTS: usize = 16;
/// Rows that one clean-up looks at.
const CHUNK: usize = 256;

/// Private data of one channel, in a folder of its own.
pub(crate) struct PrivateStore {
    engine: Box<dyn Engine>,
    /// The organisation whose collections are held; none: hashes only.
    msp_id: Option<String>,
    /// Whether anything may be waiting for its transaction; keeps the commit of ordinary blocks free of reads.
    waiting: AtomicBool,
    /// Held while something is noted or forgotten.
    changing: Mutex<()>,
}

/// A valid transaction of a block that is being committed.
#[derive(Clone, Copy)]
pub(crate) struct Transaction<'a> {
    pub(crate) position: u64,
    pub(crate) tx_id: &'a str,
    pub(crate) rwset: &'a TxRwSet,
}

/// The private writes of one transaction in one collection, whose hash is the one in the block.
pub(crate) struct Held {
    pub(crate) position: u64,
    pub(crate) namespace: String,
    pub(crate) collection: String,
    pub(crate) bytes: Bytes,
    pub(crate) kv: KvrwSet,
}

// === impl PrivateStore ===

impl PrivateStore {
    /// Opens the folder, which is made if it is missing.
    pub(crate) fn open(path: &Path, msp_id: Option<String>) -> Result<Self, EngineError> {
        let options = RocksOptions { durable: true, ..RocksOptions::small() };
        Self::over(Box::new(RocksEngine::open(path, &options)?), msp_id)
    }

    /// A store that lives as long as the process, for ledgers in memory.
    pub(crate) fn in_memory(msp_id: Option<String>) -> Result<Self, EngineError> {
        Self::over(Box::new(MemoryEngine::default()), msp_id)
    }

    fn over(engine: Box<dyn Engine>, msp_id: Option<String>) -> Result<Self, EngineError> {
        let (from, to) = (Key::TransientAll.bytes(), Key::TransientEnd.bytes());
        let waiting = !engine.scan(Key::TransientAll.column(), &from, &to, 1)?.is_empty();
        Ok(Self { engine, msp_id, waiting: AtomicBool::new(waiting), changing: Mutex::default() })
    }

    /// Whether this peer holds the collection's plaintext: for now, if it is its own organisation's implicit one.
    pub(crate) fn holds(&self, _namespace: &str, collection: &str) -> bool {
        let owner = implicit_collection_msp_id(collection);
        owner.is_some() && owner == self.msp_id.as_deref()
    }

    /// Keeps what a simulation at `height` wrote until its transaction is committed; on the disk when this returns.
    pub(crate) fn note(&self, tx_id: &str, height: u64, set: &Bytes) -> Result<(), NoteError> {
        let set = TxPvtRwSet::from_bytes(set).map_err(|_| damaged(tx_id.as_bytes()))?;
        let set = self.own_part(set);
        if set.namespaces.is_empty() {
            return Ok(());
        }
        let bytes = set.to_bytes();
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let _one_at_a_time = self.changing.lock();
        if self.waiting_for(tx_id)?.len() >= MAX_ENDORSEMENTS {
            return Err(NoteError::TooMany);
        }
        let (by_id, by_height) =
            (Key::Transient { tx_id, height }, Key::TransientAge { height, tx_id });
        let mut batch = WriteBatch::default();
        batch.put(by_id.column(), by_id.bytes(), bytes);
        batch.put(by_height.column(), by_height.bytes(), Bytes::new());
        self.waiting.store(true, Ordering::Release);
        Ok(self.engine.write(batch)?)
    }

    /// What this peer holds of the writes of these transactions, each equal to the hash in the block.
    pub(crate) fn of_block(
        &self,
        number: u64,
        transactions: &[Transaction<'_>],
    ) -> Result<Vec<Held>, EngineError> {
        let mut held = Vec::new();
        for transaction in transactions {
            for namespace in &transaction.rwset.namespaces {
                for collection in &namespace.collections {
                    let (name, hash) = (&collection.name, &collection.pvt_hash);
                    if hash.is_empty() || !self.holds(&namespace.namespace, name) {
                        continue;
                    }
                    let wanted = Wanted { namespace: &namespace.namespace, collection: name, hash };
                    held.extend(self.find(number, transaction, &wanted)?);
                }
            }
        }
        Ok(held)
    }

    /// Keeps the write sets of a block; on the disk when this returns.
    pub(crate) fn keep(&self, number: u64, held: &[Held]) -> Result<(), EngineError> {
        if held.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for held in held {
            let key = held.key(number);
            batch.put(key.column(), key.bytes(), held.bytes.clone());
        }
        self.engine.write(batch)
    }

    /// Drops what waited for the transactions of a committed block, and what has waited too long.
    pub(crate) fn forget<'a>(
        &self,
        number: u64,
        tx_ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), EngineError> {
        if !self.waiting.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one_at_a_time = self.changing.lock();
        let mut batch = WriteBatch::default();
        for tx_id in tx_ids {
            for (height, _) in self.waiting_for(tx_id)? {
                drop_waiting(&mut batch, height, tx_id);
            }
        }
        self.drop_old(&mut batch, number)?;
        if !batch.is_empty() {
            self.engine.write(batch)?;
            let (from, to) = (Key::TransientAll.bytes(), Key::TransientEnd.bytes());
            let left = self.engine.scan(Key::TransientAll.column(), &from, &to, 1)?;
            self.waiting.store(!left.is_empty(), Ordering::Release);
        }
        Ok(())
    }

    fn drop_old(&self, batch: &mut WriteBatch, number: u64) -> Result<(), EngineError> {
        let Some(oldest) = number.checked_sub(RETENTION) else { return Ok(()) };
        let from = Key::TransientAge { height: 0, tx_id: "" };
        let to = Key::TransientAge { height: oldest, tx_id: "" };
        for (stored, _) in self.engine.scan(from.column(), &from.bytes(), &to.bytes(), CHUNK)? {
            let (height, tx_id) = Key::read_age(&stored).ok_or_else(|| damaged(&stored))?;
            drop_waiting(batch, height, tx_id);
        }
        Ok(())
    }

    /// The part of a set that belongs to collections held here.
    fn own_part(&self, set: TxPvtRwSet) -> TxPvtRwSet {
        let own = |set: NsPvtRwSet| {
            let NsPvtRwSet { namespace, collections } = set;
            let held = |it: &CollPvtRwSet| self.holds(&namespace, &it.name);
            let collections: Vec<_> = collections.into_iter().filter(held).collect();
            (!collections.is_empty()).then_some(NsPvtRwSet { namespace, collections })
        };
        TxPvtRwSet { namespaces: set.namespaces.into_iter().filter_map(own).collect() }
    }

    fn waiting_for(&self, tx_id: &str) -> Result<Vec<(u64, Bytes)>, EngineError> {
        let from = Key::Transient { tx_id, height: 0 };
        let to = Key::Transient { tx_id, height: u64::MAX };
        let rows = self.engine.scan(from.column(), &from.bytes(), &to.bytes(), MAX_ENDORSEMENTS)?;
        rows.into_iter()
            .map(|(key, value)| {
                let height = key.last_chunk::<8>().ok_or_else(|| damaged(&key))?;
                Ok((u64::from_be_bytes(*height), value))
            })
            .collect()
    }

    /// A write set noted under the transaction's id, else one kept when the block was committed before.
    fn find(
        &self,
        number: u64,
        transaction: &Transaction<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Held>, EngineError> {
        let Transaction { position, tx_id, .. } = *transaction;
        if self.waiting.load(Ordering::Acquire) {
            for (_, bytes) in self.waiting_for(tx_id)? {
                let set = TxPvtRwSet::from_bytes(&bytes).map_err(|_| damaged(tx_id.as_bytes()))?;
                let found =
                    set.namespaces.into_iter().filter(|ns| ns.namespace == wanted.namespace);
                let mut found = found.flat_map(|ns| ns.collections);
                if let Some(found) = found.find(|it| wanted.is(it)) {
                    return Ok(Some(wanted.held(position, found)));
                }
            }
        }
        let Wanted { namespace, collection, .. } = *wanted;
        let key = Key::Kept { block: number, tx: position, namespace, collection };
        let Some(bytes) = self.engine.get(key.column(), &key.bytes())? else { return Ok(None) };
        let kept = prost::Message::decode(bytes.clone()).map_err(|_| damaged(&key.bytes()))?;
        let kept = CollPvtRwSet { name: collection.to_owned(), bytes, kv: kept };
        Ok(wanted.is(&kept).then(|| wanted.held(position, kept)))
    }
}

fn drop_waiting(batch: &mut WriteBatch, height: u64, tx_id: &str) {
    for key in [Key::Transient { tx_id, height }, Key::TransientAge { height, tx_id }] {
        batch.delete(key.column(), key.bytes());
    }
}

/// A write set that a block names by its hash.
struct Wanted<'a> {
    namespace: &'a str,
    collection: &'a str,
    hash: &'a [u8],
}

impl Wanted<'_> {
    fn is(&self, found: &CollPvtRwSet) -> bool {
        found.name == self.collection && found.hash() == self.hash
    }

    fn held(&self, position: u64, found: CollPvtRwSet) -> Held {
        let (namespace, collection) = (self.namespace.to_owned(), found.name);
        Held { position, namespace, collection, bytes: found.bytes, kv: found.kv }
    }
}

impl Held {
    fn key(&self, block: u64) -> Key<'_> {
        let Self { position, namespace, collection, .. } = self;
        Key::Kept { block, tx: *position, namespace, collection }
    }
}

/// Why private writes cannot be kept, so that their transaction must not be endorsed.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The folder cannot be read or written.
    #[error("private data: {0}")]
    Store(#[from] EngineError),
    /// More bytes than a transaction may bring.
    #[error("a transaction may write {MAX_TRANSACTION_BYTES} bytes of private data, not {0}")]
    TooLarge(usize),
    /// The same proposal was endorsed at too many heights.
    #[error("a transaction with private data may be endorsed {MAX_ENDORSEMENTS} times by one peer")]
    TooMany,
}
