//! RocksDB as the engine of a peer: small memtables, atomic flush, and for state no write-ahead log.
//!
//! A block's rows reach all column families in one batch together with the savepoint, and are flushed together or
//! not at all; what a crash loses is replayed from the block log. The first background error ends the use of the
//! database: RocksDB refuses every later write, and the ledger halts.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions,
    DBCompressionType, DBWithThreadMode, IteratorMode, LiveFile, MultiThreaded, Options,
    ReadOptions, SnapshotWithThreadMode, WriteOptions,
};

use super::{Column, Engine, EngineError, Entry, Key, Range, Read, WriteBatch, take_within};

type Db = DBWithThreadMode<MultiThreaded>;

/// What the folder's format marker says.
const FORMAT: &str = "carecord-state-1";

/// How often a rewrite looks whether older views are closed, and the pause between: a simulation lasts less.
const VIEW_TRIES: usize = 100;
const VIEW_PAUSE: Duration = Duration::from_millis(20);
/// A manifest names the first and the last key of every file that was while it was written, so each change of files
/// begins a new one. It has a line for each file and is small.
const MANIFEST: &str = "max_manifest_file_size=1;max_manifest_space_amp_pct=0";

/// How much memory the database may use.
#[derive(Debug, Clone)]
pub struct RocksOptions {
    /// All memtables of a channel together, in bytes.
    pub memtable_bytes: usize,
    /// Uncompressed blocks kept in memory, in bytes.
    pub cache_bytes: usize,
    /// Table files held open.
    pub open_files: i32,
    /// Whether a write is on the disk when it returns; else a crash loses what was not flushed.
    pub durable: bool,
}

impl RocksOptions {
    /// For a database that is written seldom.
    pub(crate) fn small() -> Self {
        RocksOptions {
            memtable_bytes: 512 << 10,
            cache_bytes: 512 << 10,
            open_files: 16,
            durable: false,
        }
    }
}

impl Default for RocksOptions {
    fn default() -> Self {
        RocksOptions {
            memtable_bytes: 3 << 20,
            cache_bytes: 3 << 20,
            open_files: 64,
            durable: false,
        }
    }
}

/// State in a RocksDB folder.
pub struct RocksEngine {
    db: Db,
    durable: bool,
}

impl RocksEngine {
    /// Opens `path`, creating it if it is missing.
    pub fn open(path: &Path, options: &RocksOptions) -> Result<Self, EngineError> {
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let columns = Column::ALL.map(|column| {
            ColumnFamilyDescriptor::new(column.name(), column_options(column, options, &cache))
        });
        let db = Db::open_cf_descriptors(&database_options(options)?, path, columns)?;
        let engine = RocksEngine { db, durable: options.durable };
        engine.check_format()?;
        Ok(engine)
    }

    /// Opens `path` to look at it; nothing in it changes.
    pub fn open_to_read(path: &Path, options: &RocksOptions) -> Result<Self, EngineError> {
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let columns = Column::ALL.map(|column| {
            ColumnFamilyDescriptor::new(column.name(), column_options(column, options, &cache))
        });
        let mut database = database_options(options)?;
        database.create_if_missing(false);
        database.create_missing_column_families(false);
        let db = Db::open_cf_descriptors_read_only(&database, path, columns, false)?;
        Ok(RocksEngine { db, durable: options.durable })
    }

    fn check_format(&self) -> Result<(), EngineError> {
        match self.get(Column::Index, &Key::Format.bytes())? {
            Some(found) if found == FORMAT => Ok(()),
            Some(found) => Err(EngineError::Format {
                found: String::from_utf8_lossy(&found).into_owned(),
                expected: FORMAT,
            }),
            None => {
                let mut batch = WriteBatch::default();
                batch.put(Column::Index, Key::Format.bytes(), FORMAT);
                self.write(batch)
            }
        }
    }

    fn write_synced(&self, batch: WriteBatch, synced: bool) -> Result<(), EngineError> {
        let handles = Column::ALL.map(|column| self.handle(column));
        let mut rows = rocksdb::WriteBatch::default();
        for (column, key, value) in batch.into_writes() {
            let handle = &handles[column as usize];
            match value {
                Some(value) => rows.put_cf(handle, key, value),
                None => rows.delete_cf(handle, key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(!self.durable);
        options.set_sync(synced);
        Ok(self.db.write_opt(rows, &options)?)
    }

    /// Waits a little until no open view shows less than everything up to `sequence`.
    fn views_have_passed(&self, sequence: u64) -> Result<bool, EngineError> {
        for _ in 0..VIEW_TRIES {
            // 0: there is none.
            let oldest = self.db.property_int_value("rocksdb.oldest-snapshot-sequence")?;
            if oldest.unwrap_or_default() == 0 || oldest >= Some(sequence) {
                return Ok(true);
            }
            std::thread::sleep(VIEW_PAUSE);
        }
        Ok(false)
    }

    fn handle(&self, column: Column) -> std::sync::Arc<rocksdb::BoundColumnFamily<'_>> {
        self.db.cf_handle(column.name()).expect("every column is opened with the database")
    }
}

fn database_options(options: &RocksOptions) -> Result<Options, EngineError> {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    db.set_atomic_flush(true);
    db.set_db_write_buffer_size(options.memtable_bytes);
    db.set_max_open_files(options.open_files);
    db.set_max_background_jobs(2);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(1 << 20);
    db.set_stats_dump_period_sec(0);
    Ok(Options::get_options_from_string(&mut db, MANIFEST)?)
}

fn column_options(column: Column, options: &RocksOptions, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(5);
    let mut family = Options::default();
    family.set_block_based_table_factory(&table);
    // What is private is found by looking, if it is there: nothing of it hides in a compressed block.
    family.set_compression_type(match column {
        Column::Private => DBCompressionType::None,
        _ => DBCompressionType::Lz4,
    });
    family.set_write_buffer_size(options.memtable_bytes / 2);
    family.set_max_write_buffer_number(2);
    family.set_arena_block_size(64 << 10);
    if column == Column::Index {
        family.set_optimize_filters_for_hits(false);
    }
    family
}

impl Read for RocksEngine {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.db.get_cf(&self.handle(column), key)?;
        Ok(found.map(Bytes::from))
    }

    fn scan_within(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, EngineError> {
        scan(self, ReadOptions::default(), column, (from, to), (limit, bytes))
    }
}

impl Engine for RocksEngine {
    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(Snapshot { engine: self, snapshot: self.db.snapshot() })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        self.write_synced(batch, self.durable)
    }

    fn write_unsynced(&self, batch: WriteBatch) -> Result<(), EngineError> {
        self.write_synced(batch, false)
    }

    fn flush(&self) -> Result<(), EngineError> {
        let handles = Column::ALL.map(|column| self.handle(column));
        let handles: Vec<_> = handles.iter().collect();
        let mut options = rocksdb::FlushOptions::default();
        options.set_wait(true);
        Ok(self.db.flush_cfs_opt(&handles, &options)?)
    }

    fn rewrite(&self, ranges: &[Range]) -> Result<bool, EngineError> {
        if !self.views_have_passed(self.db.latest_sequence_number())? {
            return Ok(false);
        }
        self.flush()?;
        let files = self.db.live_files()?;
        let newest = files.iter().filter_map(|file| file_number(&file.name)).max();
        let newest = newest.unwrap_or_default();
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for (column, from, to) in ranges {
            let (from, to) = (Some(&from[..]), Some(&to[..]));
            self.db.compact_range_cf_opt(&self.handle(*column), from, to, &options);
        }
        // A new manifest begins with the files before the change that made it new: one more change.
        let mut batch = WriteBatch::default();
        batch.put(Column::Private, Key::Rewritten.bytes(), newest.to_be_bytes().to_vec());
        self.write(batch)?;
        self.flush()?;
        // RocksDB does not say whether a compaction failed; the numbers of the files in the ranges do. One that reaches
        // beyond a range is written anew only if it has rows in it.
        let files = self.db.live_files()?;
        let is_old = |file: &&LiveFile| file_number(&file.name).is_none_or(|it| it <= newest);
        let left =
            files.iter().filter(is_old).find(|file| ranges.iter().any(|at| within(file, at)));
        if let Some(file) = left {
            tracing::warn!(
                file = file.name,
                level = file.level,
                "a table file was not written anew"
            );
        }
        let failed = self.db.property_int_value("rocksdb.background-errors")?;
        if failed.is_some_and(|failed| failed > 0) {
            return Ok(false);
        }
        Ok(left.is_none())
    }
}

/// The number in the name of a table file; a later file has a higher one.
fn file_number(name: &str) -> Option<u64> {
    name.trim_start_matches('/').strip_suffix(".sst")?.parse().ok()
}

fn within(file: &LiveFile, (column, from, to): &Range) -> bool {
    let (start, end) = (file.start_key.as_deref(), file.end_key.as_deref());
    file.column_family_name == column.name()
        && start.is_some_and(|start| start >= &from[..])
        && end.is_some_and(|end| end < &to[..])
}

struct Snapshot<'a> {
    engine: &'a RocksEngine,
    snapshot: SnapshotWithThreadMode<'a, Db>,
}

impl Read for Snapshot<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.snapshot.get_cf(&self.engine.handle(column), key)?;
        Ok(found.map(Bytes::from))
    }

    fn scan_within(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, EngineError> {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        scan(self.engine, options, column, (from, to), (limit, bytes))
    }
}

fn scan(
    engine: &RocksEngine,
    mut options: ReadOptions,
    column: Column,
    (from, to): (&[u8], &[u8]),
    (limit, bytes): (usize, usize),
) -> Result<Vec<Entry>, EngineError> {
    if from >= to {
        return Ok(Vec::new());
    }
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    let rows = engine.db.iterator_cf_opt(&engine.handle(column), options, IteratorMode::Start);
    let rows = rows.map(|row| {
        let (key, value) = row?;
        Ok((key.into_vec(), Bytes::from(value)))
    });
    take_within(rows, limit, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_a_flush_and_snapshots_hold_still() {
        let dir = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(dir.path(), &RocksOptions::default()).unwrap();
        let mut batch = WriteBatch::default();
        for n in 0..10u8 {
            batch.put(Column::State, vec![b'k', n], vec![n]);
        }
        engine.write(batch).unwrap();
        let snapshot = engine.snapshot();
        let mut batch = WriteBatch::default();
        batch.delete(Column::State, vec![b'k', 4]);
        engine.write(batch).unwrap();
        let count =
            |reader: &dyn Read| reader.scan(Column::State, b"k\x02", b"k\x06", 9).unwrap().len();
        assert_eq!((count(&*snapshot), count(&engine)), (4, 3));
        drop(snapshot);
        engine.flush().unwrap();
        drop(engine);
        let engine = RocksEngine::open(dir.path(), &RocksOptions::default()).unwrap();
        assert_eq!(count(&engine), 3);
        assert!(engine.scan(Column::State, b"z", b"a", 1).unwrap().is_empty());
    }

    #[test]
    fn what_was_deleted_is_in_no_file_after_a_rewrite_and_a_view_holds_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let options = RocksOptions { durable: true, ..RocksOptions::default() };
        let engine = RocksEngine::open(dir.path(), &options).unwrap();
        let write = |key: &str, value: Option<&'static str>| {
            let mut batch = WriteBatch::default();
            match value {
                Some(value) => batch.put(Column::Private, key.into(), value),
                None => batch.delete(Column::Private, key.into()),
            }
            engine.write(batch).unwrap();
        };
        let lies = |text: &str| {
            std::fs::read_dir(dir.path()).unwrap().any(|entry| {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
                bytes.windows(text.len()).any(|window| window == text.as_bytes())
            })
        };
        for (key, value) in [("a", "kept"), ("secret-name", "a-secret-value"), ("z", "kept too")] {
            write(key, Some(value));
            engine.flush().unwrap();
        }
        assert!(lies("secret-name") && lies("a-secret-value"));
        let view = engine.snapshot();
        write("secret-name", None);
        let all = [(Column::Private, b"a".to_vec(), b"zz".to_vec())];
        assert!(!engine.rewrite(&all).unwrap(), "a view still shows it");
        drop(view);
        assert!(engine.rewrite(&all).unwrap());
        assert!(!lies("secret-name") && !lies("a-secret-value"));
        assert_eq!(engine.get(Column::Private, b"z").unwrap().unwrap(), "kept too");
    }

    #[test]
    fn a_folder_of_another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(dir.path(), &RocksOptions::default()).unwrap();
        let mut batch = WriteBatch::default();
        batch.put(Column::Index, Key::Format.bytes(), "carecord-state-9");
        engine.write(batch).unwrap();
        engine.flush().unwrap();
        drop(engine);
        let error = RocksEngine::open(dir.path(), &RocksOptions::default()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "state database has format carecord-state-9, this version reads carecord-state-1"
        );
    }
}
