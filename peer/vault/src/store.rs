//! The vault's database: key wraps, and what the vault must remember to be fair and not to be fooled.
//!
//! | key | value | see |
//! |---|---|---|
//! | `w/` channel, record, data key, recipient | the wrap | [`crate::wraps`] |
//! | `t/` channel, record, recipient or `*`, data key or `*` | time of the delete request | [`crate::wraps`] |
//! | `c/` channel, record | deleted bytes may still lie in tables | [`crate::wraps`] |
//! | `u/` channel, transaction | time at which the access was used | [`crate::wraps`] |
//! | `n/` second, caller, nonce | a write that was served | [`crate::once`] |
//! | `k/` content, channel, record, version | size of a content that is kept for good | [`crate::copies`] |
//! | `p/` content, caller, channel, record, version | size, time, organisation | [`crate::claims`] |
//!
//! Every part has a fixed alphabet without `/`, so no key can reach into another's range. Rows are small; every write is
//! synced before it is confirmed.

use std::ops::ControlFlow;
use std::path::Path;

use parking_lot::{Mutex, MutexGuard};
use rocksdb::{DB, DBRecoveryMode, Options, ReadOptions, WriteBatch, WriteOptions};

use crate::Error;
use crate::claims::Usage;
use crate::once::Remembered;

/// Memory for writes not yet flushed; wraps are small and rare.
const MEMTABLE_BYTES: usize = 1 << 20;

/// What is done with each row: its key and value; says whether to go on.
type Visit<'a> = dyn FnMut(&str, &[u8]) -> Result<ControlFlow<()>, Error> + 'a;

/// The database; one process has it open.
pub struct Store {
    pub(crate) db: DB,
    /// Held from looking something up to writing it, so that of two requests at once one comes first.
    writes: Mutex<Remembered>,
    pub(crate) usage: Mutex<Usage>,
    /// One at a time: rewriting tables is the dearest thing that a request can cause.
    pub(crate) compactions: Mutex<()>,
}

// === impl Store ===

impl Store {
    /// Opens the database, forgets what nobody can repeat any more, and ends deletes that a crash cut short.
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
        let store = Self {
            db: DB::open(&options, path)?,
            writes: Mutex::default(),
            usage: Mutex::default(),
            compactions: Mutex::default(),
        };
        *store.writes.lock() = Remembered::read(&store, now)?;
        *store.usage.lock() = Usage::read(&store)?;
        store.forget(now)?;
        store.compact_deleted()?;
        Ok(store)
    }

    /// Nobody else writes while the answer lives.
    pub(crate) fn writing(&self) -> MutexGuard<'_, Remembered> {
        self.writes.lock()
    }

    /// Shows `each` the keys and values of a range, one after the other; none is kept.
    pub(crate) fn each(
        &self,
        prefix: &str,
        mut each: impl FnMut(&str, &[u8]) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        self.each_from(prefix, prefix, &mut each)
    }

    /// The same, beginning behind or at `from`.
    pub(crate) fn each_from(
        &self,
        prefix: &str,
        from: &str,
        each: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mut rows = self.db.raw_iterator_opt(options);
        rows.seek(from);
        while let Some((key, value)) = rows.item() {
            if !key.starts_with(prefix.as_bytes()) {
                return Ok(());
            }
            let Ok(key) = std::str::from_utf8(key) else { return Err(Error::Damaged) };
            if each(key, value)?.is_break() {
                return Ok(());
            }
            rows.next();
        }
        Ok(rows.status()?)
    }

    pub(crate) fn has(&self, key: &str) -> Result<bool, Error> {
        Ok(self.db.get_pinned(key)?.is_some())
    }

    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }
}

/// Time values in rows.
pub(crate) fn seconds(value: &[u8]) -> i64 {
    value.try_into().map_or(0, i64::from_be_bytes)
}
