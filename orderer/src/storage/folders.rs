//! Where the channels' data lie, and how a channel's folder appears and disappears: whole or not at all.
//!
//! ```text
//! <data>/<channel>/           the log, the join block until it is reached, the incarnation, the pins
//! <data>/.joining/<channel>/  being made; swept at the start
//! <data>/.removing/<channel>/ removed, its bytes on their way out; swept at the start
//! <data>/.removed/<channel>   removed on purpose: the node's own configuration does not bring it back
//! ```
//!
//! No channel's name begins with a dot, so none of the last three can be a channel.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use carecord_channel::config::names::check_channel_id;
use carecord_proto::block;
use carecord_proto::common::Block;
use prost::Message;

use super::Incarnation;
use crate::Error;

const JOINING: &str = ".joining";
const REMOVING: &str = ".removing";
const REMOVED: &str = ".removed";
/// The block that a channel is joined by, while blocks below it are missing.
const JOIN_BLOCK: &str = "join.block";

/// The folders of all channels.
#[derive(Debug)]
pub(crate) struct Folders {
    data: PathBuf,
}

/// One channel's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

// === impl Folders ===

impl Folders {
    /// Makes what is missing and ends what a crash left half done.
    pub(crate) fn open(data: &Path) -> Result<Self, Error> {
        let folders = Self { data: data.to_owned() };
        for name in [JOINING, REMOVING, REMOVED] {
            let path = data.join(name);
            fs::create_dir_all(&path).map_err(|source| disk(&path, source))?;
        }
        folders.sweep(JOINING)?;
        folders.finish_removals()?;
        folders.sweep(REMOVING)?;
        Ok(folders)
    }

    /// The names of the channels that are here, in their order.
    pub(crate) fn channels(&self) -> Result<Vec<String>, Error> {
        let mut names = children(&self.data).map_err(|source| disk(&self.data, source))?;
        names.retain(|name| check_channel_id(name).is_ok() && self.data.join(name).is_dir());
        names.sort();
        Ok(names)
    }

    /// A channel's folder; a name that no channel can have makes no path.
    pub(crate) fn folder(&self, channel: &str) -> Result<Folder, Error> {
        check_channel_id(channel)?;
        Ok(Folder(self.data.join(channel)))
    }

    /// Begins a channel's data with the block that it is joined by; what is there stays as it is.
    pub(crate) fn create(&self, channel: &str, first: &Block) -> Result<Folder, Error> {
        let folder = self.folder(channel)?;
        if folder.0.is_dir() {
            return Ok(folder);
        }
        let making = Folder(self.data.join(JOINING).join(channel));
        if making.0.exists() {
            fs::remove_dir_all(&making.0).map_err(|source| disk(&making.0, source))?;
        }
        fs::create_dir_all(&making.0).map_err(|source| disk(&making.0, source))?;
        match block::number(first) {
            0 => super::begin(&making.0, first)?,
            _ => making.write(JOIN_BLOCK, &first.encode_to_vec())?,
        }
        making.incarnation()?;
        self.forget_removal(channel)?;
        fs::rename(&making.0, &folder.0).map_err(|source| disk(&folder.0, source))?;
        sync(&self.data)?;
        Ok(folder)
    }

    /// Takes a channel's data away: after this call it is gone, whatever happens. Its bytes lie in the folder that is
    /// answered, for [`delete`].
    pub(crate) fn remove(&self, channel: &str) -> Result<PathBuf, Error> {
        let folder = self.folder(channel)?;
        let (marks, gone) = (self.data.join(REMOVED), self.data.join(REMOVING).join(channel));
        let mark = marks.join(channel);
        File::create(&mark).map_err(|source| disk(&mark, source))?;
        sync(&marks)?;
        fs::rename(&folder.0, &gone).map_err(|source| disk(&folder.0, source))?;
        sync(&self.data)?;
        Ok(gone)
    }

    /// Whether the channel was removed on purpose and not joined since.
    pub(crate) fn was_removed(&self, channel: &str) -> Result<bool, Error> {
        check_channel_id(channel)?;
        Ok(self.data.join(REMOVED).join(channel).exists())
    }

    fn forget_removal(&self, channel: &str) -> Result<(), Error> {
        let mark = self.data.join(REMOVED).join(channel);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(&mark, error)),
            _ => sync(&self.data.join(REMOVED)),
        }
    }

    /// A removal that was marked and not carried out before a crash.
    fn finish_removals(&self) -> Result<(), Error> {
        let marks = self.data.join(REMOVED);
        for channel in children(&marks).map_err(|source| disk(&marks, source))? {
            if self.folder(&channel)?.0.is_dir() {
                self.remove(&channel)?;
            }
        }
        Ok(())
    }

    fn sweep(&self, name: &str) -> Result<(), Error> {
        let path = self.data.join(name);
        for child in children(&path).map_err(|source| disk(&path, source))? {
            delete(&path.join(child))?;
        }
        Ok(())
    }
}

/// Frees the disk of what [`Folders::remove`] took away.
pub(crate) fn delete(gone: &Path) -> Result<(), Error> {
    fs::remove_dir_all(gone).map_err(|source| disk(gone, source))
}

// === impl Folder ===

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The block that the channel was joined by, as long as blocks below it may be missing.
    pub(crate) fn join_block(&self) -> Result<Option<Block>, Error> {
        let bytes = self.read(JOIN_BLOCK)?;
        Ok(bytes.map(|bytes| Block::decode(bytes.as_slice())).transpose()?)
    }

    /// The block that the channel was joined by is in the log.
    pub(crate) fn joined(&self) -> Result<(), Error> {
        let path = self.0.join(JOIN_BLOCK);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(&path, error)),
            _ => sync(&self.0),
        }
    }

    /// The name of this very body of data; made if there is none.
    pub(crate) fn incarnation(&self) -> Result<Incarnation, Error> {
        const FILE: &str = "incarnation";
        let found = self.read(FILE)?.and_then(|text| Incarnation::parse(&text));
        if let Some(found) = found {
            return Ok(found);
        }
        let made = Incarnation::random();
        self.write(FILE, made.to_string().as_bytes())?;
        Ok(made)
    }

    /// A small file's content; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk(&path, error)),
        }
    }

    /// Replaces a small file: after a crash it is the old one or the new one.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (path, half) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let written = File::create(&half)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&half, &path));
        written.map_err(|source| disk(&path, source))?;
        sync(&self.0)
    }
}

fn children(path: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn sync(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| disk(folder, source))
}

fn disk(path: &Path, source: io::Error) -> Error {
    Error::Disk { what: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join_block(number: u64) -> Block {
        block::new(number, bytes::Bytes::new(), vec![])
    }

    #[test]
    fn a_name_that_no_channel_can_have_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let before = children(dir.path()).unwrap();
        let long = "a".repeat(250);
        for name in ["", ".", "..", "Care", "a/b", "../care", "a_b", "é", &long] {
            assert!(folders.create(name, &join_block(3)).is_err(), "{name}");
            assert!(folders.remove(name).is_err(), "{name}");
            assert!(folders.folder(name).is_err(), "{name}");
        }
        assert_eq!(children(dir.path()).unwrap(), before);
        assert!(folders.channels().unwrap().is_empty());
    }

    #[test]
    fn a_removed_channel_is_gone_at_once_and_remembered_as_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        folders.create("care", &join_block(3)).unwrap();
        assert_eq!(folders.channels().unwrap(), ["care"]);
        let gone = folders.remove("care").unwrap();
        assert!(folders.channels().unwrap().is_empty());
        assert!(gone.is_dir(), "its bytes go later");

        let again = Folders::open(dir.path()).unwrap();
        assert!(!gone.exists(), "a start after a crash ends the removal");
        assert!(again.was_removed("care").unwrap());
        again.create("care", &join_block(3)).unwrap();
        assert!(!again.was_removed("care").unwrap());
    }

    #[test]
    fn a_removal_that_was_marked_is_finished_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        folders.create("care", &join_block(3)).unwrap();
        File::create(dir.path().join(REMOVED).join("care")).unwrap();
        assert!(Folders::open(dir.path()).unwrap().channels().unwrap().is_empty());
        assert!(!dir.path().join("care").exists());
    }

    #[test]
    fn other_data_of_the_same_channel_is_another_incarnation() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let folder = folders.create("care", &join_block(3)).unwrap();
        let first = folder.incarnation().unwrap();
        assert_eq!(folders.create("care", &join_block(3)).unwrap().incarnation().unwrap(), first);
        folders.remove("care").unwrap();
        let folder = folders.create("care", &join_block(3)).unwrap();
        assert_ne!(folder.incarnation().unwrap(), first);
    }

    #[test]
    fn a_join_that_a_crash_cut_short_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Folders::open(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join(JOINING).join("care")).unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        assert!(folders.channels().unwrap().is_empty());
        assert!(children(&dir.path().join(JOINING)).unwrap().is_empty());
    }
}
