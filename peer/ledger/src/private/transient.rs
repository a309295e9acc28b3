//! Write sets on their way: noted when they are endorsed here or pushed by another peer, gone when their transaction is
//! committed, or [`RETENTION`] blocks later if it never is.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use carecord_proto::hash::sha256;
use carecord_proto::rwset::TxPvtRwSet;

use super::keys::{self, COLUMN, DIGEST_BYTES};
use super::store::PrivateStore;
use crate::state::{Engine, EngineError, WriteBatch, damaged};

/// Blocks after which what was endorsed and never committed is dropped, as in Fabric.
pub(super) const RETENTION: u64 = 1_000;
/// Private bytes that one transaction may bring.
pub const MAX_TRANSACTION_BYTES: usize = 16 << 20;
/// Sets of one transaction that are remembered of one source, each of another height or content.
const MAX_SETS_OF_SOURCE: usize = 8;
/// Sets of one transaction that are remembered at all.
const MAX_SETS: usize = 64;
/// Bytes that wait for their transactions.
const MAX_WAITING_BYTES: u64 = 512 << 20;
/// Bytes that wait of one organisation that is not the peer's own.
const MAX_SOURCE_BYTES: u64 = MAX_WAITING_BYTES / 8;
/// Rows that one clean-up looks at.
const CHUNK: usize = 256;

/// A write set to be noted.
#[derive(Debug, Clone)]
pub struct Noted {
    /// The transaction.
    pub tx_id: String,
    /// The height at which it was simulated.
    pub height: u64,
    /// The organisation whose peer brought it.
    pub source: String,
    /// What it writes; of collections that this peer holds.
    pub set: TxPvtRwSet,
}

/// Why private writes cannot be kept, so that their transaction must not be endorsed.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The folder cannot be read or written.
    #[error("private data: {0}")]
    Store(#[from] EngineError),
    /// A write set is no message.
    #[error("a private write set cannot be read")]
    Malformed,
    /// More bytes than a transaction may bring.
    #[error("a transaction may write {MAX_TRANSACTION_BYTES} bytes of private data, not {0}")]
    TooLarge(usize),
    /// The same transaction was endorsed too often.
    #[error(
        "a transaction with private data may be endorsed {MAX_SETS_OF_SOURCE} times by one organisation"
    )]
    TooMany,
    /// Too much waits for its transactions.
    #[error(
        "{bytes} bytes of private data of {whose} wait for their transactions, the limit is {limit}"
    )]
    Full {
        /// Whose data.
        whose: String,
        /// How much of it waits.
        bytes: u64,
        /// How much may.
        limit: u64,
    },
}

/// Sets that wait and are kept in memory, too; with more than these bytes none is until all have gone.
const MAX_REMEMBERED_BYTES: u64 = 16 << 20;

/// What waits: bytes by source, and the sets themselves while they are few.
#[derive(Debug, Default)]
pub(super) struct Usage {
    total: u64,
    by_source: HashMap<String, u64>,
    /// All that waits, by transaction; none if something waits that is not here.
    sets: Option<HashMap<String, Vec<Row>>>,
}

/// Key and value of a set that waits.
type Row = (Vec<u8>, Bytes);

// === impl Usage ===

impl Usage {
    pub(super) fn read(engine: &dyn Engine) -> Result<Self, EngineError> {
        let mut usage = Self::default();
        let (mut from, to) = keys::all(b"T");
        loop {
            let rows = engine.scan(COLUMN, &from, &to, CHUNK)?;
            let Some((last, _)) = rows.last() else {
                usage.sets = usage.is_empty().then(HashMap::new);
                return Ok(usage);
            };
            from = [&last[..], &[0]].concat();
            for (stored, value) in &rows {
                let (_, _, source) = keys::read_transient(stored).ok_or_else(|| damaged(stored))?;
                usage.add(source, value.len() as u64);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Keeps a set in memory that is on the disk now.
    fn remember(&mut self, tx_id: &str, row: Row) {
        if self.total > MAX_REMEMBERED_BYTES {
            self.sets = None;
        }
        if let Some(sets) = &mut self.sets {
            sets.entry(tx_id.to_owned()).or_default().push(row);
        }
    }

    /// The sets of a transaction; none if that is not known without the disk.
    fn remembered(&self, tx_id: &str) -> Option<Vec<Row>> {
        Some(self.sets.as_ref()?.get(tx_id).cloned().unwrap_or_default())
    }

    fn forget(&mut self, tx_id: &str, key: &[u8]) {
        let Some(of) = self.sets.as_mut().and_then(|sets| sets.get_mut(tx_id)) else { return };
        of.retain(|(stored, _)| stored != key);
        if of.is_empty()
            && let Some(sets) = &mut self.sets
        {
            sets.remove(tx_id);
        }
    }

    fn add(&mut self, source: &str, bytes: u64) {
        self.total += bytes;
        *self.by_source.entry(source.to_owned()).or_default() += bytes;
    }

    fn remove(&mut self, source: &str, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(left) = self.by_source.get_mut(source) {
            *left = left.saturating_sub(bytes);
        }
    }

    fn check(&self, source: &str, is_own: bool, more: u64) -> Result<(), NoteError> {
        let of_source = self.by_source.get(source).copied().unwrap_or_default();
        let full =
            |whose: &str, bytes, limit| NoteError::Full { whose: whose.to_owned(), bytes, limit };
        if self.total + more > MAX_WAITING_BYTES {
            return Err(full("all organisations", self.total, MAX_WAITING_BYTES));
        }
        if !is_own && of_source + more > MAX_SOURCE_BYTES {
            return Err(full(source, of_source, MAX_SOURCE_BYTES));
        }
        Ok(())
    }
}

impl PrivateStore {
    /// Keeps write sets until their transactions are committed; those that are taken are on the disk when this returns.
    pub(crate) fn note(&self, sets: &[Noted]) -> Result<Vec<Result<(), NoteError>>, EngineError> {
        let mut batch = WriteBatch::default();
        let (mut answers, mut rows) = (Vec::with_capacity(sets.len()), Vec::new());
        for noted in sets {
            match self.note_one(&mut batch, noted) {
                Err(NoteError::Store(error)) => return Err(error),
                Err(refused) => answers.push(Err(refused)),
                Ok(row) => {
                    rows.extend(row.map(|row| (noted.tx_id.as_str(), row)));
                    answers.push(Ok(()));
                }
            }
        }
        if !batch.is_empty() {
            self.engine.write(batch)?;
            let mut usage = self.usage.lock();
            rows.into_iter().for_each(|(tx_id, row)| usage.remember(tx_id, row));
        }
        Ok(answers)
    }

    /// The row of a set that is not on the disk yet.
    fn note_one(&self, batch: &mut WriteBatch, noted: &Noted) -> Result<Option<Row>, NoteError> {
        let Noted { tx_id, height, source, set } = noted;
        if set.namespaces.is_empty() {
            return Ok(None);
        }
        let bytes = set.to_bytes();
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let digest = &sha256(&[&bytes])[..DIGEST_BYTES];
        let key = keys::transient(tx_id, *height, source, digest);
        let waiting = self.waiting_for(tx_id)?;
        // Whoever brought it: the same set is on the disk once.
        if waiting.iter().any(|(_, other)| *other == bytes) {
            return Ok(None);
        }
        let of_source = waiting.iter().filter(|(stored, _)| {
            keys::read_transient(stored).is_some_and(|(_, _, other)| other == source)
        });
        if of_source.count() >= MAX_SETS_OF_SOURCE || waiting.len() >= MAX_SETS {
            return Err(NoteError::TooMany);
        }
        let mut usage = self.usage.lock();
        let is_own = self.msp_id.as_ref() == Some(source);
        usage.check(source, is_own, bytes.len() as u64)?;
        usage.add(source, bytes.len() as u64);
        self.waiting.store(true, Ordering::Release);
        batch.put(COLUMN, key.clone(), bytes.clone());
        batch.put(COLUMN, keys::age(*height, tx_id), Bytes::new());
        Ok(Some((key, bytes)))
    }

    /// The sets that were noted for a transaction.
    pub(super) fn noted(&self, tx_id: &str) -> Result<Vec<TxPvtRwSet>, EngineError> {
        if !self.waiting.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        let parse = |(key, bytes): (Vec<u8>, Bytes)| {
            TxPvtRwSet::from_bytes(&bytes).map_err(|_| damaged(&key))
        };
        self.waiting_for(tx_id)?.into_iter().map(parse).collect()
    }

    /// Drops what waited for the transactions of a committed block, and what has waited too long.
    pub(super) fn drop_waiting<'a>(
        &self,
        batch: &mut WriteBatch,
        number: u64,
        tx_ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), EngineError> {
        if !self.waiting.load(Ordering::Acquire) {
            return Ok(());
        }
        for tx_id in tx_ids {
            self.drop_sets(batch, self.waiting_for(tx_id)?)?;
        }
        let Some(oldest) = number.checked_sub(RETENTION) else { return Ok(()) };
        let (from, to) = (keys::age(0, ""), keys::age(oldest, ""));
        for (stored, _) in self.engine.scan(COLUMN, &from, &to, CHUNK)? {
            let (height, tx_id) = keys::read_age(&stored).ok_or_else(|| damaged(&stored))?;
            let (from, to) = keys::all(&keys::transient_at(tx_id, height));
            let rows = self.engine.scan(COLUMN, &from, &to, MAX_SETS)?;
            self.drop_sets(batch, rows)?;
            batch.delete(COLUMN, stored);
        }
        Ok(())
    }

    fn drop_sets(
        &self,
        batch: &mut WriteBatch,
        sets: Vec<(Vec<u8>, Bytes)>,
    ) -> Result<(), EngineError> {
        for (stored, value) in sets {
            let read = keys::read_transient(&stored).ok_or_else(|| damaged(&stored))?;
            let (tx_id, height, source) = read;
            let mut usage = self.usage.lock();
            usage.remove(source, value.len() as u64);
            usage.forget(tx_id, &stored);
            drop(usage);
            batch.delete(COLUMN, keys::age(height, tx_id));
            batch.delete(COLUMN, stored);
        }
        Ok(())
    }

    /// Notes whether anything still waits.
    pub(super) fn look_again(&self) {
        let mut usage = self.usage.lock();
        self.waiting.store(!usage.is_empty(), Ordering::Release);
        if usage.is_empty() && usage.sets.is_none() {
            usage.sets = Some(HashMap::new());
        }
    }

    fn waiting_for(&self, tx_id: &str) -> Result<Vec<(Vec<u8>, Bytes)>, EngineError> {
        if let Some(remembered) = self.usage.lock().remembered(tx_id) {
            return Ok(remembered);
        }
        let (from, to) = keys::all(&keys::transient_of(tx_id));
        self.engine.scan(COLUMN, &from, &to, MAX_SETS)
    }
}
