//! RocksDB databases, dumped row by row, since a table file compresses what it holds.
//!
//! Keys and values of all column families are read, write-ahead log included. Rows that were replaced or deleted and
//! are still in a table file are not rows any more: of them the raw bytes are scanned, `docs/privacy.md` says what
//! that means.

use std::collections::BTreeMap;
use std::path::Path;

use rocksdb::{DB, IteratorMode, Options, ReadOptions};

use crate::error::Outcome;

/// The file in every database's folder that names its manifest.
pub(super) const CURRENT: &str = "CURRENT";
const MANIFEST: &str = "MANIFEST-";
/// Between keys and values: neither text nor digits go across it.
const GAP: [u8; 2] = [0xFF; 2];
/// Rows handed on together.
const BATCH_BYTES: usize = 1 << 20;
/// Read-ahead would only grow memory.
const OPEN_FILES: i32 = 64;
/// A running node may delete a table file while it is being opened.
const ATTEMPTS: usize = 3;

/// What a dump went through.
#[derive(Debug, Default)]
pub(super) struct Dumped {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) column_families: BTreeMap<String, u64>,
}

/// Whether `folder` is a database.
pub(super) fn is_table(folder: &Path) -> bool {
    std::fs::read(folder.join(CURRENT)).is_ok_and(|text| text.starts_with(MANIFEST.as_bytes()))
}

/// Calls `each` with a description and the bytes of some rows, until all rows were in one call.
pub(super) fn dump(folder: &Path, mut each: impl FnMut(String, &[u8])) -> Outcome<Dumped> {
    let mut attempt = 1;
    loop {
        match try_dump(folder, &mut each) {
            Ok(dumped) => return Ok(dumped),
            Err(error) if attempt == ATTEMPTS => return Err(super::blind(folder, error)),
            Err(_) => attempt += 1,
        }
    }
}

fn try_dump(
    folder: &Path,
    each: &mut impl FnMut(String, &[u8]),
) -> Result<Dumped, Box<dyn std::error::Error>> {
    // Opening a database writes a log of its own; it goes where nobody keeps it.
    let log_folder = Scratch::new()?;
    let mut options = Options::default();
    options.set_db_log_dir(&log_folder.0);
    options.set_max_open_files(OPEN_FILES);
    let families = DB::list_cf(&options, folder)?;
    let db = DB::open_cf_for_read_only(&options, folder, &families, false)?;
    let mut dumped = Dumped::default();
    for family in families {
        let handle = db.cf_handle(&family).ok_or("a column family went away")?;
        let mut reading = ReadOptions::default();
        reading.fill_cache(false);
        let mut batch = Batch { family: &family, first: 0, rows: 0, bytes: Vec::new() };
        for row in db.iterator_cf_opt(&handle, reading, IteratorMode::Start) {
            let (key, value) = row?;
            dumped.bytes += (key.len() + value.len()) as u64;
            batch.push(&key, &value, each);
        }
        batch.hand_on(each);
        dumped.rows += batch.rows;
        dumped.column_families.insert(family.clone(), batch.rows);
    }
    Ok(dumped)
}

/// Rows on their way to the search.
struct Batch<'a> {
    family: &'a str,
    first: u64,
    rows: u64,
    bytes: Vec<u8>,
}

// === impl Batch ===

impl Batch<'_> {
    fn push(&mut self, key: &[u8], value: &[u8], each: &mut impl FnMut(String, &[u8])) {
        for part in [key, value] {
            self.bytes.extend(part);
            self.bytes.extend(GAP);
        }
        self.rows += 1;
        if self.bytes.len() >= BATCH_BYTES {
            self.hand_on(each);
        }
    }

    fn hand_on(&mut self, each: &mut impl FnMut(String, &[u8])) {
        if !self.bytes.is_empty() {
            let place = format!("column {}, rows {} to {}", self.family, self.first + 1, self.rows);
            each(place, &self.bytes);
        }
        self.first = self.rows;
        self.bytes.clear();
    }
}

/// A folder of our own outside the network's, removed at the end.
pub(super) struct Scratch(pub(super) std::path::PathBuf);

// === impl Scratch ===

impl Scratch {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(std::io::Error::other)?;
        let path = std::env::temp_dir().join(format!("carecord-scan-{}", hex::encode(name)));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is empty or a log of RocksDB's; the next cleaning of the temporary folder takes it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use rocksdb::DBCompressionType;

    use super::*;

    fn options() -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_compression_type(DBCompressionType::Lz4);
        options
    }

    #[test]
    fn rows_of_all_families_are_read_also_while_the_database_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let db = DB::open_cf(&options(), dir.path(), ["state", "index"]).unwrap();
        db.put("default key", "in the write-ahead log").unwrap();
        let state = db.cf_handle("state").unwrap();
        for n in 0..40_000 {
            db.put_cf(&state, format!("key {n:08}"), "v".repeat(40)).unwrap();
        }
        db.flush_cf(&state).unwrap();

        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names(dir.path());
        assert!(is_table(dir.path()));
        let mut all = Vec::new();
        let dumped = dump(dir.path(), |_, bytes| all.extend(bytes)).unwrap();
        assert_eq!((dumped.rows, dumped.column_families.len()), (40_001, 3));
        assert!(memchr::memmem::find(&all, b"key 00039999").is_some());
        assert!(memchr::memmem::find(&all, b"in the write-ahead log").is_some());
        assert_eq!(names(dir.path()), before, "a scan leaves no file behind");
    }

    #[test]
    fn a_broken_database_makes_the_scan_fail() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CURRENT), "MANIFEST-000001\n").unwrap();
        assert!(is_table(dir.path()));
        assert!(dump(dir.path(), |_, _| ()).is_err());
    }
}
