//! A log's directory in memory, with a disk's bad habits under a test's control.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Storage, StoredFile};

/// Files that keep only what was synced when [`Simulated::crash`] is called.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    files: Arc<Mutex<BTreeMap<String, Content>>>,
    failing: Arc<Mutex<bool>>,
}

#[derive(Debug, Default)]
struct Content {
    /// What a reader sees now.
    now: Vec<u8>,
    /// What a crash leaves for sure.
    synced: Vec<u8>,
    /// What was done since the last sync, oldest first.
    since: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

// === impl Simulated ===

impl Simulated {
    /// An empty directory.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Loses unsynced changes: of each file `choose(n)`, a number below `n`, says how many of them survive, and how many
    /// bytes of the write that was under way.
    pub fn crash(&self, mut choose: impl FnMut(usize) -> usize) {
        for content in self.files.lock().values_mut() {
            let kept = choose(content.since.len() + 1);
            let mut left = std::mem::take(&mut content.synced);
            for (i, change) in std::mem::take(&mut content.since).into_iter().enumerate() {
                match change {
                    Change::Write { offset, bytes } if i == kept => {
                        let torn = choose(bytes.len() + 1);
                        write(&mut left, offset, &bytes[..torn]);
                        break;
                    }
                    _ if i == kept => break,
                    change => apply(&mut left, &change),
                }
            }
            content.synced = left.clone();
            content.now = left;
        }
        *self.failing.lock() = false;
    }

    /// Flips bits of one stored byte, as rot does.
    pub fn rot(&self, name: &str, offset: usize, mask: u8) {
        let mut files = self.files.lock();
        let content = files.get_mut(name).expect("rot hits a file that exists");
        content.now[offset] ^= mask;
        if let Some(byte) = content.synced.get_mut(offset) {
            *byte ^= mask;
        }
    }

    /// Makes every later write and sync fail until the next crash, as a broken disk does.
    pub fn fail(&self) {
        *self.failing.lock() = true;
    }

    /// A file's bytes as a reader sees them now.
    pub fn content(&self, name: &str) -> Vec<u8> {
        self.files.lock()[name].now.clone()
    }

    /// Replaces a file durably, or makes it.
    pub fn set_content(&self, name: &str, bytes: Vec<u8>) {
        let content = Content { synced: bytes.clone(), now: bytes, since: Vec::new() };
        self.files.lock().insert(name.to_owned(), content);
    }

    /// Removes a file durably.
    pub fn remove(&self, name: &str) {
        self.files.lock().remove(name);
    }

    fn file(&self, name: &str) -> Arc<dyn StoredFile> {
        Arc::new(SimulatedFile { storage: self.clone(), name: name.to_owned() })
    }
}

impl Storage for Simulated {
    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut files = self.files.lock();
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.insert(name.to_owned(), Content::default());
        Ok(self.file(name))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        match self.files.lock().contains_key(name) {
            true => Ok(self.file(name)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if *self.failing.lock() {
            return Err(io::Error::other("simulated disk failure"));
        }
        self.files.lock().remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn describe(&self, name: &str) -> String {
        format!("simulated/{name}")
    }
}

#[derive(Debug)]
struct SimulatedFile {
    storage: Simulated,
    name: String,
}

// === impl SimulatedFile ===

impl SimulatedFile {
    fn with<T>(&self, act: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        act(self.storage.files.lock().get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        if *self.storage.failing.lock() {
            return Err(io::Error::other("simulated disk failure"));
        }
        self.with(|content| {
            apply(&mut content.now, &change);
            content.since.push(change);
            Ok(())
        })
    }
}

impl StoredFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|content| Ok(content.now.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(buf.len());
            buf.copy_from_slice(content.now.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write { offset: offset as usize, bytes: bytes.to_vec() })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Truncate(len as usize))
    }

    fn sync(&self) -> io::Result<()> {
        if *self.storage.failing.lock() {
            return Err(io::Error::other("simulated disk failure"));
        }
        self.with(|content| {
            content.since.clear();
            content.synced = content.now.clone();
            Ok(())
        })
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => write(bytes, *offset, new),
        Change::Truncate(len) => bytes.resize(*len, 0),
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(new);
}
