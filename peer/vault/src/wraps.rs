//! Key wraps, and the access transactions that were used to get one: small, synced, deletable.
//!
//! A delete leaves a row with its time for as long as an older signed request could still be accepted, so that what was
//! signed before the delete brings nothing back, in whatever order the two arrive.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use carecord_health::ids::{Id, Kid};
use carecord_proto::carecord::vault::Wrap;
use prost::Message;
use rocksdb::WriteBatch;

use crate::limits::{BATCH_KEYS, Limits, USED_KEPT_SECONDS};
use crate::once::{Moment, Once, horizon};
use crate::store::seconds;
use crate::{Error, Store};

/// Stands for every recipient, or every data key.
const ALL: &str = "*";

/// A wrap with its checked names.
pub(crate) type Named = (Id, Kid, Wrap);

/// Which wraps of a record a delete means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which<'a> {
    pub(crate) recipient: Option<&'a Kid>,
    pub(crate) data_key: Option<&'a Id>,
}

// === impl Which ===

impl Which<'_> {
    fn tombstone(self, channel: &str, record: &Id) -> String {
        tombstone(
            channel,
            record,
            self.recipient.map_or(ALL, Kid::as_str),
            self.data_key.map_or(ALL, Id::as_str),
        )
    }

    /// Whether it means the wrap under `rest`: data key and recipient.
    fn means(self, rest: &str) -> bool {
        let Some((data_key, recipient)) = rest.split_once('/') else { return false };
        self.data_key.is_none_or(|id| id.as_str() == data_key)
            && self.recipient.is_none_or(|kid| kid.as_str() == recipient)
    }
}

// === impl Store ===

impl Store {
    /// Stores wraps of a record, all or none. One that is there for the same reader and data key stays as it is, unless
    /// `may_replace`.
    pub(crate) fn put(
        &self,
        (channel, record): (&str, &Id),
        wraps: &[Named],
        may_replace: bool,
        (once, now): (&Once, i64),
        limits: &Limits,
    ) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        let mut writing = self.writing();
        let mut new = HashSet::new();
        let mut added = HashMap::<&Id, usize>::new();
        for (data_key, recipient, wrap) in wraps {
            if self.deleted_since(channel, record, (data_key, recipient), once.at)? {
                return Err(Error::DeletedSince);
            }
            let key = wrap_key(channel, record, data_key, recipient);
            let is_there = self.has(&key)?;
            if !is_there && new.insert(key.clone()) {
                *added.entry(data_key).or_default() += 1;
            }
            if may_replace || !is_there {
                batch.put(key, wrap.encode_to_vec());
            }
        }
        self.room_for(channel, record, &added, limits)?;
        writing.admit(self, once, now, &mut batch)?;
        self.write(batch)
    }

    /// Refuses what would exceed the number of wraps of the record or of one of its versions.
    fn room_for(
        &self,
        channel: &str,
        record: &Id,
        added: &HashMap<&Id, usize>,
        limits: &Limits,
    ) -> Result<(), Error> {
        let prefix = range(channel, record);
        let mut of_version: HashMap<&str, usize> =
            added.iter().map(|(id, count)| (id.as_str(), *count)).collect();
        let mut of_record: usize = added.values().sum();
        if of_record == 0 {
            return Ok(());
        }
        self.each(&prefix, |key, _| {
            of_record += 1;
            let data_key = key[prefix.len()..].split('/').next().unwrap_or_default();
            if let Some(count) = of_version.get_mut(data_key) {
                *count += 1;
            }
            let full = of_record > limits.wraps_per_record;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let version_full = of_version.values().any(|count| *count > limits.wraps_per_version);
        if version_full || of_record > limits.wraps_per_record {
            return Err(Error::WrapsFull);
        }
        Ok(())
    }

    fn deleted_since(
        &self,
        channel: &str,
        record: &Id,
        (data_key, recipient): (&Id, &Kid),
        at: Moment,
    ) -> Result<bool, Error> {
        for recipient in [recipient.as_str(), ALL] {
            for data_key in [data_key.as_str(), ALL] {
                let row = self.db.get_pinned(tombstone(channel, record, recipient, data_key))?;
                let deleted = row.and_then(|row| Moment::from_bytes(&row));
                if deleted.is_some_and(|deleted| at <= deleted) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The wrap of a data key for one reader.
    pub(crate) fn get(
        &self,
        channel: &str,
        record: &Id,
        data_key: &Id,
        recipient: &Kid,
    ) -> Result<Option<Wrap>, Error> {
        let value = self.db.get(wrap_key(channel, record, data_key, recipient))?;
        Ok(value.and_then(|bytes| Wrap::decode(bytes.as_slice()).ok()))
    }

    /// Notes that an access transaction was used; false if it was used before.
    pub(crate) fn use_once(&self, channel: &str, tx_id: &str, now: i64) -> Result<bool, Error> {
        let key = format!("u/{channel}/{tx_id}");
        let _writing = self.writing();
        if self.has(&key)? {
            return Ok(false);
        }
        let mut batch = WriteBatch::default();
        batch.put(key, now.to_be_bytes());
        self.write(batch)?;
        Ok(true)
    }

    /// Deletes a record's wraps, for one reader or all, of one version or all; answers how many there were.
    ///
    /// The bytes leave the disk with it: the tables are rewritten before the answer, or at the next start if a crash
    /// comes between. A delete that finds nothing costs one small write.
    pub(crate) fn delete(
        &self,
        (channel, record): (&str, &Id),
        which: Which<'_>,
        (once, now): (&Once, i64),
    ) -> Result<u32, Error> {
        let mut writing = self.writing();
        let mut batch = WriteBatch::default();
        writing.admit(self, once, now, &mut batch)?;
        let tombstone = which.tombstone(channel, record);
        let earlier = self.db.get(&tombstone)?.and_then(|row| Moment::from_bytes(&row));
        let latest = earlier.map_or(once.at, |earlier| earlier.max(once.at));
        batch.put(tombstone, latest.to_bytes());
        self.write(batch)?;
        let deleted = self.delete_rows(channel, record, which)?;
        drop(writing);
        self.compact_deleted()?;
        Ok(deleted)
    }

    /// Deletes in batches: neither values nor all keys are held at a time.
    fn delete_rows(&self, channel: &str, record: &Id, which: Which<'_>) -> Result<u32, Error> {
        let prefix = range(channel, record);
        let mut batch = WriteBatch::default();
        let mut deleted = 0;
        self.each(&prefix, |key, _| {
            if which.means(&key[prefix.len()..]) {
                batch.delete(key);
                deleted += 1;
            }
            if batch.len() >= BATCH_KEYS {
                self.delete_batch(channel, record, std::mem::take(&mut batch))?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !batch.is_empty() {
            self.delete_batch(channel, record, batch)?;
        }
        Ok(deleted)
    }

    /// One batch of deletes, with the note that bytes are to be rewritten.
    fn delete_batch(&self, channel: &str, record: &Id, mut batch: WriteBatch) -> Result<(), Error> {
        let note = self.db.latest_sequence_number().to_be_bytes();
        batch.put(format!("c/{channel}/{record}"), note);
        self.write(batch)
    }

    /// Rewrites the tables that deletes have left bytes in.
    pub(crate) fn compact_deleted(&self) -> Result<(), Error> {
        let _compaction = self.compactions.lock();
        loop {
            let mut due = None;
            self.each("c/", |key, note| {
                due = Some((key.to_owned(), note.to_vec()));
                Ok(ControlFlow::Break(()))
            })?;
            let Some((key, note)) = due else { return Ok(()) };
            let record = key.trim_start_matches('c');
            let (from, to) = (format!("w{record}/"), format!("w{record}0")); // '0' follows '/'
            self.db.flush()?;
            self.db.compact_range(Some(from.as_str()), Some(to.as_str()));
            let _writing = self.writing();
            // A delete that came meanwhile has written its own note over this one.
            if self.db.get(&key)?.as_deref() == Some(&note) {
                self.db.delete(&key)?;
            }
        }
    }

    /// Forgets uses that no evidence lives long enough to repeat, and deletes that no request is older than.
    pub(crate) fn forget(&self, now: i64) -> Result<(), Error> {
        self.delete_where("u/", |used| now.saturating_sub(seconds(used)) > USED_KEPT_SECONDS)?;
        self.delete_where("t/", |row| {
            Moment::from_bytes(row).is_none_or(|deleted| deleted.seconds < horizon(now))
        })
    }

    fn delete_where(&self, prefix: &str, is_over: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        let _writing = self.writing();
        self.each(prefix, |key, value| {
            if is_over(value) {
                batch.delete(key);
            }
            if batch.len() >= BATCH_KEYS {
                self.write(std::mem::take(&mut batch))?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.write(batch)
    }
}

fn range(channel: &str, record: &Id) -> String {
    format!("w/{channel}/{record}/")
}

fn wrap_key(channel: &str, record: &Id, data_key: &Id, recipient: &Kid) -> String {
    format!("{}{data_key}/{recipient}", range(channel, record))
}

fn tombstone(channel: &str, record: &Id, recipient: &str, data_key: &str) -> String {
    format!("t/{channel}/{record}/{recipient}/{data_key}")
}

#[cfg(test)]
mod tests;
