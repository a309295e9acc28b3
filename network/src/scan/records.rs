//! Record logs, block logs and orderers' logs alike, read record by record without changing a byte on disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carecord_blocks::RecordLog;
use carecord_blocks::record_log::Options;
use carecord_blocks::storage::{Storage, StoredFile};
use parking_lot::Mutex;

use super::source::Source;
use crate::error::Outcome;

/// A segment file begins with these bytes, a version of four bytes, and the log's label.
const MAGIC: &[u8; 8] = b"CARELOG\0";
const LABEL_AT: usize = 12;

/// The label of the log that the segment `path` belongs to; `None` for any other file.
pub(super) fn label(path: &Path) -> Option<[u8; 4]> {
    let mut head = [0; LABEL_AT + 4];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    let label = head[LABEL_AT..].try_into().expect("the head ends after the label");
    head.starts_with(MAGIC).then_some(label)
}

/// Calls `each` with a description and the body of every record of the log in `folder`.
pub(super) fn read(
    folder: &Path,
    label: [u8; 4],
    mut each: impl FnMut(String, &[u8]),
) -> Outcome<()> {
    let failed = |error: carecord_blocks::Error| super::blind(folder, error);
    let storage: Arc<dyn Storage> = Arc::new(ReadOnly { folder: folder.to_owned() });
    let log = RecordLog::open(storage, Options::new(label)).map_err(failed)?;
    for record in log.scan(0).records() {
        let record = record.map_err(failed)?;
        let place = format!("record at {} (kind {})", record.position, record.kind);
        each(place, &record.bytes);
    }
    Ok(())
}

/// A log's folder whose files take no writes: opening a log repairs a torn end, which here happens in memory.
#[derive(Debug)]
struct ReadOnly {
    folder: PathBuf,
}

/// A file as it is on disk, with what was written since kept in memory.
#[derive(Debug)]
struct Untouched {
    file: Option<File>,
    change: Mutex<Change>,
}

#[derive(Debug)]
struct Change {
    /// Bytes of the disk's file that still count.
    kept: u64,
    length: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

// === impl ReadOnly ===

impl Storage for ReadOnly {
    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(Untouched::new(None, 0)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = File::open(self.folder.join(name))?;
        let length = file.metadata()?.len();
        Ok(Arc::new(Untouched::new(Some(file), length)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn describe(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

// === impl Untouched ===

impl Untouched {
    fn new(file: Option<File>, length: u64) -> Self {
        Self { file, change: Mutex::new(Change { kept: length, length, written: BTreeMap::new() }) }
    }
}

impl StoredFile for Untouched {
    fn size(&self) -> io::Result<u64> {
        Ok(self.change.lock().length)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let change = self.change.lock();
        let end = offset + buf.len() as u64;
        if end > change.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.fill(0);
        if let Some(file) = self.file.as_ref().filter(|_| offset < change.kept) {
            let wanted = buf.len().min((change.kept - offset) as usize);
            if Source::read_at(file, &mut buf[..wanted], offset)? < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        for (at, bytes) in &change.written {
            let (from, until) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < until {
                let part = &bytes[(from - at) as usize..(until - at) as usize];
                buf[(from - offset) as usize..(until - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut change = self.change.lock();
        change.length = change.length.max(offset + bytes.len() as u64);
        change.written.insert(offset, bytes.to_vec());
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut change = self.change.lock();
        change.kept = change.kept.min(length);
        change.length = length;
        change.written.retain(|at, _| *at < length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use carecord_blocks::storage::Disk;

    use super::*;

    fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    }

    #[test]
    fn a_torn_log_that_another_process_has_open_is_read_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Storage> = Disk::open(dir.path()).unwrap();
        let mut log = RecordLog::open(disk, Options::new(*b"TEST")).unwrap();
        for body in ["first", "second"] {
            log.append(7, 0, 0, body.as_bytes()).unwrap();
        }
        log.sync().unwrap();
        let segment = dir.path().join(format!("{:020}.log", 0));
        let mut torn = std::fs::OpenOptions::new().append(true).open(&segment).unwrap();
        io::Write::write_all(&mut torn, b"half a record's head").unwrap();

        let before = files(dir.path());
        let mut bodies = Vec::new();
        let label = label(&segment).unwrap();
        read(dir.path(), label, |_, body| bodies.push(body.to_vec())).unwrap();
        assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
        assert_eq!(files(dir.path()), before);
    }

    #[test]
    fn a_rotten_log_makes_the_scan_fail() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Storage> = Disk::open(dir.path()).unwrap();
        let mut log = RecordLog::open(disk, Options::new(*b"TEST")).unwrap();
        log.append(7, 0, 0, &[5; 100]).unwrap();
        log.sync().unwrap();
        drop(log);
        let segment = dir.path().join(format!("{:020}.log", 0));
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[80] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        let failure = read(dir.path(), *b"TEST", |_, _| ()).unwrap_err();
        assert_eq!(failure.code(), super::super::BLIND);
    }
}
