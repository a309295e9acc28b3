//! Key wraps, and the access transactions that were used to get one: small, synced, deletable.
//!
//! Keys: `w/<channel>/<record>/<data key>/<recipient>` → wrap; `u/<channel>/<tx id>` → time of use, big-endian. Every
//! part has a fixed alphabet without `/`, so no key can reach into another's range.

use std::path::Path;

use carecord_health::ids::{Id, Kid};
use carecord_proto::carecord::vault::Wrap;
use parking_lot::Mutex;
use prost::Message;
use rocksdb::{DB, DBRecoveryMode, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::Error;
use crate::limits::USED_KEPT_SECONDS;

/// Memory for writes not yet flushed; wraps are small and rare.
const MEMTABLE_BYTES: usize = 1 << 20;

/// The store of wraps.
pub struct Wraps {
    db: DB,
    /// Held from looking something up to writing it, so that of two requests at once one comes first.
    writes: Mutex<()>,
}

// === impl Wraps ===

impl Wraps {
    /// Opens the store, and forgets uses that no evidence can live long enough to repeat.
    pub fn open(path: &Path, now: i64) -> Result<Self, Error> {
        let mut options = Options::default();
        options.create_if_missing(true);
        // A record that a crash cut short at the end is dropped; damage before it is an error, not a shorter log.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_paranoid_checks(true);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        options.set_max_write_buffer_number(2);
        options.set_max_open_files(64);
        options.set_keep_log_file_num(2);
        options.set_max_background_jobs(1);
        let wraps = Self { db: DB::open(&options, path)?, writes: Mutex::default() };
        wraps.forget_uses(now)?;
        Ok(wraps)
    }

    /// Stores wraps of a record, all or none. One that is there for the same reader and data key stays as it is, unless
    /// `may_replace`.
    pub fn put(
        &self,
        channel: &str,
        record: &Id,
        wraps: &[(Id, Kid, Wrap)],
        may_replace: bool,
    ) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        let _writes = self.writes.lock();
        for (data_key, recipient, wrap) in wraps {
            let key = wrap_key(channel, record, data_key, recipient);
            if may_replace || self.db.get(&key)?.is_none() {
                batch.put(key, wrap.encode_to_vec());
            }
        }
        Ok(self.db.write_opt(batch, &synced())?)
    }

    /// The wrap of a data key for one reader.
    pub fn get(
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
    pub fn use_once(&self, channel: &str, tx_id: &str, now: i64) -> Result<bool, Error> {
        let key = format!("u/{channel}/{tx_id}");
        let _writes = self.writes.lock();
        if self.db.get(&key)?.is_some() {
            return Ok(false);
        }
        self.db.put_opt(&key, now.to_be_bytes(), &synced())?;
        Ok(true)
    }

    /// Deletes a record's wraps, for one reader or all; answers how many there were.
    ///
    /// The bytes leave the disk with it: the tables are rewritten before the answer.
    pub fn delete(
        &self,
        channel: &str,
        record: &Id,
        recipient: Option<&Kid>,
    ) -> Result<u32, Error> {
        let prefix = format!("w/{channel}/{record}/");
        let mut batch = WriteBatch::default();
        let mut deleted = 0;
        for (key, _) in self.with_prefix(&prefix)? {
            let is_theirs = |kid: &Kid| {
                key.rsplit(|byte| *byte == b'/').next() == Some(kid.as_str().as_bytes())
            };
            if recipient.is_none_or(is_theirs) {
                batch.delete(&key);
                deleted += 1;
            }
        }
        self.db.write_opt(batch, &synced())?;
        self.db.flush()?;
        let end = format!("w/{channel}/{record}0"); // '0' follows '/'
        self.db.compact_range(Some(prefix.as_str()), Some(end.as_str()));
        Ok(deleted)
    }

    fn forget_uses(&self, now: i64) -> Result<(), Error> {
        for (key, value) in self.with_prefix("u/")? {
            let used = value.as_slice().try_into().map_or(0, i64::from_be_bytes);
            if now.saturating_sub(used) > USED_KEPT_SECONDS {
                self.db.delete(key)?;
            }
        }
        Ok(())
    }

    fn with_prefix(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let mut found = Vec::new();
        let from = IteratorMode::From(prefix.as_bytes(), Direction::Forward);
        for entry in self.db.iterator(from) {
            let (key, value) = entry?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            found.push((key.into_vec(), value.into_vec()));
        }
        Ok(found)
    }
}

fn wrap_key(channel: &str, record: &Id, data_key: &Id, recipient: &Kid) -> String {
    format!("w/{channel}/{record}/{data_key}/{recipient}")
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Id {
        Id::new(digit.to_string().repeat(32)).unwrap()
    }

    fn kid(digit: char) -> Kid {
        Kid::new(digit.to_string().repeat(32)).unwrap()
    }

    fn wrap(secret: &str) -> Wrap {
        Wrap { ciphertext: secret.to_owned().into(), ..Wrap::default() }
    }

    #[test]
    fn a_deleted_wrap_is_gone_and_so_are_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let secret = "the-wrapped-bytes-of-a-key";
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        let both = [(id('d'), kid('1'), wrap(secret)), (id('d'), kid('2'), wrap("other"))];
        wraps.put("care", &id('a'), &both, false).unwrap();
        assert!(on_disk(dir.path(), secret), "the scan can find it");

        assert_eq!(wraps.delete("care", &id('a'), Some(&kid('1'))).unwrap(), 1);
        assert_eq!(wraps.get("care", &id('a'), &id('d'), &kid('1')).unwrap(), None);
        assert!(wraps.get("care", &id('a'), &id('d'), &kid('2')).unwrap().is_some());
        drop(wraps);
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        assert_eq!(wraps.delete("care", &id('a'), None).unwrap(), 1);
        drop(wraps);
        assert!(!on_disk(dir.path(), secret));
    }

    #[test]
    fn only_who_may_replace_replaces_a_wrap_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        let put = |text: &str, may_replace| {
            let named = [(id('d'), kid('1'), wrap(text))];
            wraps.put("care", &id('a'), &named, may_replace).unwrap();
            wraps.get("care", &id('a'), &id('d'), &kid('1')).unwrap().unwrap().ciphertext
        };
        assert_eq!(put("first", false), "first");
        assert_eq!(put("second", false), "first");
        assert_eq!(put("third", true), "third");
    }

    #[test]
    fn damage_in_the_middle_of_the_log_is_an_error_and_not_a_loss() {
        let dir = tempfile::tempdir().unwrap();
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        for digit in ['1', '2', '3', '4'] {
            wraps.put("care", &id('a'), &[(id('d'), kid(digit), wrap("w"))], false).unwrap();
        }
        drop(wraps);
        let log = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let log = log.filter(|path| path.extension().is_some_and(|e| e == "log"));
        let log = log.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut bytes = std::fs::read(&log).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&log, bytes).unwrap();
        assert!(Wraps::open(dir.path(), 0).is_err());
    }

    #[test]
    fn an_access_transaction_serves_once_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        assert!(wraps.use_once("care", "tx", 100).unwrap());
        assert!(!wraps.use_once("care", "tx", 101).unwrap());
        drop(wraps);
        let wraps = Wraps::open(dir.path(), 100 + USED_KEPT_SECONDS).unwrap();
        assert!(!wraps.use_once("care", "tx", 102).unwrap());
    }

    #[test]
    fn of_many_uses_at_once_one_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let wraps = Wraps::open(dir.path(), 0).unwrap();
        let served = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..8).map(|_| scope.spawn(|| wraps.use_once("care", "tx", 1).unwrap())).collect();
            tries.into_iter().map(|t| t.join().unwrap()).filter(|served| *served).count()
        });
        assert_eq!(served, 1);
    }

    fn on_disk(path: &Path, text: &str) -> bool {
        std::fs::read_dir(path).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}
