//! From files to state: checked first, copied to their place, then read into an engine that holds nothing.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;

use super::file::{Reader, hash, sync_folder};
use super::record::Record;
use super::{
    ADDITIONAL, CHUNK, CHUNK_BYTES, EXPIRIES, FOLDER, HASHED, HASHES, PUBLIC, SIGNABLE, Snapshot,
    SnapshotError, TX_IDS,
};
use crate::error::Error;
use crate::index;
use crate::state::{Column, Engine, Key, WriteBatch};

/// Reads a snapshot's metadata and compares every file with the hash it states.
pub fn verify(dir: &Path) -> Result<Snapshot, SnapshotError> {
    let snapshot = Snapshot::read(dir)?;
    for (name, expected) in &snapshot.files {
        let path = dir.join(name);
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Err(SnapshotError::damaged(&path, "its name leads elsewhere"));
        }
        let found = hash(&path)?;
        if found != *expected {
            let reason = format!("its hash is {found}, the metadata says {expected}");
            return Err(SnapshotError::damaged(&path, reason));
        }
    }
    for stem in [PUBLIC, TX_IDS] {
        if !snapshot.files.contains_key(&format!("{stem}.data")) {
            return Err(SnapshotError::damaged(&dir.join(SIGNABLE), format!("it names no {stem}")));
        }
    }
    let known = [PUBLIC, HASHES, TX_IDS, EXPIRIES];
    let known = |name: &str| {
        name.rsplit_once('.')
            .is_some_and(|(stem, _)| known.contains(&stem) || stem == "confighistory")
    };
    if let Some(name) = snapshot.files.keys().find(|name| !known(name)) {
        return Err(SnapshotError::damaged(&dir.join(name), "this version does not know the file"));
    }
    Ok(snapshot)
}

/// Makes the folder of a new ledger that begins with the snapshot in `from`: whole, or not at all.
pub fn install(from: &Path, ledger: &Path) -> Result<Snapshot, SnapshotError> {
    if ledger.exists() {
        return Err(SnapshotError::Exists(ledger.display().to_string()));
    }
    let snapshot = verify(from)?;
    let parent = ledger.parent().unwrap_or_else(|| Path::new("."));
    let draft = draft(ledger);
    if draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(SnapshotError::file(&draft))?;
    }
    let folder = draft.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(SnapshotError::file(&folder))?;
    let metadata = [SIGNABLE.to_owned(), ADDITIONAL.to_owned()];
    for name in snapshot.files.keys().chain(&metadata) {
        copy(&from.join(name), &folder.join(name))?;
    }
    // What lies in its place now is what was checked, not what was there a moment ago.
    verify(&folder)?;
    sync_folder(&folder)?;
    sync_folder(&draft)?;
    std::fs::rename(&draft, ledger).map_err(SnapshotError::file(ledger))?;
    sync_folder(parent)?;
    Ok(snapshot)
}

/// A channel's name begins with a letter, so this is the name of none.
fn draft(ledger: &Path) -> PathBuf {
    let name = ledger.file_name().unwrap_or_default().to_string_lossy();
    ledger.with_file_name(format!(".{name}.joining"))
}

fn copy(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    std::fs::copy(from, to).map_err(SnapshotError::file(from))?;
    let synced = std::fs::File::open(to).and_then(|file| file.sync_all());
    synced.map_err(SnapshotError::file(to))
}

/// Reads the snapshot in `dir` into `engine`; the savepoint comes last, so that a crash in between begins again.
pub(crate) fn fill(dir: &Path, engine: &dyn Engine) -> Result<Snapshot, Error> {
    let snapshot = verify(dir)?;
    let mut rows = Rows { engine, batch: WriteBatch::default(), bytes: 0 };
    namespaces(&snapshot, dir, PUBLIC, &mut rows, |name, key| {
        Some((Column::State, Key::Public { namespace: name, key }.bytes()))
    })?;
    namespaces(&snapshot, dir, HASHES, &mut rows, |name, key_hash| {
        let (namespace, collection) = name.split_once(HASHED)?;
        Some((Column::State, Key::Hashed { namespace, collection, key_hash }.bytes()))
    })?;
    each(&snapshot, dir, TX_IDS, |reader| {
        let id = reader.text()?;
        let (key, value) = index::spent_before(&id);
        rows.put(Column::Index, key, value)
    })?;
    each(&snapshot, dir, EXPIRIES, |reader| {
        let key = reader.bytes()?;
        if !key.starts_with(b"X") {
            return Err(reader.damaged("a row is no expiry").into());
        }
        rows.put(Column::Index, key, Bytes::new())
    })?;
    rows.write()?;
    engine.flush()?;
    let savepoint = snapshot.savepoint();
    index::add_block(&mut rows.batch, &savepoint.header_hash, snapshot.block);
    savepoint.write_to(&mut rows.batch);
    rows.write()?;
    Ok(snapshot)
}

/// Rows on their way into the engine, some at a time.
struct Rows<'a> {
    engine: &'a dyn Engine,
    batch: WriteBatch,
    bytes: usize,
}

impl Rows<'_> {
    fn put(&mut self, column: Column, key: Vec<u8>, value: Bytes) -> Result<(), Error> {
        self.bytes += key.len() + value.len();
        self.batch.put(column, key, value);
        if self.batch.len() >= CHUNK || self.bytes >= CHUNK_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        Ok(self.engine.write(std::mem::take(&mut self.batch))?)
    }
}

fn namespaces(
    snapshot: &Snapshot,
    dir: &Path,
    stem: &str,
    rows: &mut Rows<'_>,
    place: impl Fn(&str, &[u8]) -> Option<(Column, Vec<u8>)>,
) -> Result<(), Error> {
    let Some((mut metadata, mut data)) = open(snapshot, dir, stem)? else { return Ok(()) };
    for _ in 0..metadata.number()? {
        let (name, count) = (metadata.text()?, metadata.number()?);
        for _ in 0..count {
            let record = Record::decode(data.bytes()?.as_slice());
            let record = record.ok().and_then(Record::open);
            let (key, stored) = record.ok_or_else(|| data.damaged("a row is no record"))?;
            let place = place(&name, &key);
            let (column, key) = place.ok_or_else(|| metadata.damaged("a name is no collection"))?;
            rows.put(column, key, stored.encode())?;
        }
    }
    metadata.ended()?;
    Ok(data.ended()?)
}

fn each(
    snapshot: &Snapshot,
    dir: &Path,
    stem: &str,
    mut row: impl FnMut(&mut Reader) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((mut metadata, mut data)) = open(snapshot, dir, stem)? else { return Ok(()) };
    for _ in 0..metadata.number()? {
        row(&mut data)?;
    }
    metadata.ended()?;
    Ok(data.ended()?)
}

fn open(
    snapshot: &Snapshot,
    dir: &Path,
    stem: &str,
) -> Result<Option<(Reader, Reader)>, SnapshotError> {
    let (metadata, data) = (format!("{stem}.metadata"), format!("{stem}.data"));
    if !snapshot.files.contains_key(&data) {
        return Ok(None);
    }
    Ok(Some((Reader::open(dir.join(metadata))?, Reader::open(dir.join(data))?)))
}
