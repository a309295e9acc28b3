//! Ciphertexts as files named by their content id; a file is there whole and durable, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use carecord_proto::content::{self, Hasher};

use crate::Error;
use crate::limits::CONTENT_BYTES_MAX;

/// The folder of ciphertexts.
#[derive(Clone, Debug)]
pub struct Contents {
    root: PathBuf,
}

/// A ciphertext on its way in; dropped before [`Incoming::finish`], it leaves nothing.
pub struct Incoming {
    root: PathBuf,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    taken: u64,
    announced: u64,
    cid: String,
}

/// A ciphertext that is whole and durable, but has no name yet; dropped, it leaves nothing.
pub struct Whole(Incoming);

// === impl Contents ===

impl Contents {
    /// Opens the folder, creating it if need be, and removes what an earlier run left half-written.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming).map_err(Error::disk(&incoming))?;
        }
        fs::create_dir_all(&incoming).map_err(Error::disk(&incoming))?;
        sync_folder(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// Begins to take `size` bytes that are announced to have the content id `cid`.
    pub fn begin(&self, cid: &str, size: u64) -> Result<Incoming, Error> {
        if !content::is_id(cid) {
            return Err(Error::Malformed("content id"));
        }
        if size > CONTENT_BYTES_MAX {
            return Err(Error::TooLarge { max: CONTENT_BYTES_MAX });
        }
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|_| Error::Malformed("no randomness"))?;
        let path = self.root.join("incoming").join(hex::encode(name));
        let file = File::create_new(&path).map_err(Error::disk(&path))?;
        Ok(Incoming {
            root: self.root.clone(),
            path,
            file,
            hasher: Hasher::default(),
            taken: 0,
            announced: size,
            cid: cid.to_owned(),
        })
    }

    /// Whether a ciphertext is there.
    pub(crate) fn has(&self, cid: &str) -> bool {
        place(&self.root, cid).exists()
    }

    /// Removes a ciphertext; one that is not there is removed already.
    pub(crate) fn remove(&self, cid: &str) -> Result<(), Error> {
        let path = place(&self.root, cid);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(path.parent().expect("a content lies in a folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::disk(&path)(error)),
        }
    }

    /// Bytes of the disk that are free.
    pub(crate) fn free_bytes(&self) -> Result<u64, Error> {
        let disk = rustix::fs::statvfs(&self.root)
            .map_err(|error| Error::disk(&self.root)(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Opens a ciphertext for reading.
    pub fn read(&self, cid: &str) -> Result<File, Error> {
        if !content::is_id(cid) {
            return Err(Error::Malformed("content id"));
        }
        let path = place(&self.root, cid);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NoContent),
            Err(error) => Err(Error::disk(&path)(error)),
        }
    }
}

// === impl Incoming ===

impl Incoming {
    /// Takes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.taken += bytes.len() as u64;
        if self.taken > self.announced {
            return Err(Error::TooLarge { max: self.announced });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(Error::disk(&self.path))
    }

    /// Checks size and content id and makes the bytes durable; [`Whole::place`] gives them their name.
    pub fn finish(mut self) -> Result<Whole, Error> {
        let hasher = std::mem::take(&mut self.hasher);
        if self.taken != self.announced || hasher.finish() != self.cid {
            return Err(Error::ContentMismatch);
        }
        self.file.sync_all().map_err(Error::disk(&self.path))?;
        Ok(Whole(self))
    }
}

// === impl Whole ===

impl Whole {
    /// Gives the file its name; answers its size.
    pub fn place(self) -> Result<u64, Error> {
        let Self(incoming) = self;
        let Incoming { root, path, cid, .. } = &incoming;
        let place = place(root, cid);
        let folder = place.parent().expect("a content lies in a folder");
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(Error::disk(folder))?;
            sync_folder(root)?;
        }
        fs::rename(path, &place).map_err(Error::disk(&place))?;
        sync_folder(folder)?;
        Ok(incoming.taken)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `finish` the name is gone already; before, the next start would remove it too.
        let _ = fs::remove_file(&self.path);
    }
}

/// Two letters of the id spread the files over folders.
fn place(root: &Path, cid: &str) -> PathBuf {
    let tail = &cid[cid.len() - 2..];
    root.join(tail).join(cid)
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    let opened = File::open(folder).map_err(Error::disk(folder))?;
    opened.sync_all().map_err(Error::disk(folder))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn put(contents: &Contents, cid: &str, bytes: &[u8]) -> Result<u64, Error> {
        let mut incoming = contents.begin(cid, bytes.len() as u64)?;
        for piece in bytes.chunks(1000) {
            incoming.write(piece)?;
        }
        incoming.finish()?.place()
    }

    #[test]
    fn a_content_comes_back_as_it_went_in_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = vec![7; 2_500_000];
        let cid = content::id(&bytes);
        let contents = Contents::open(dir.path()).unwrap();
        assert_eq!(put(&contents, &cid, &bytes).unwrap(), 2_500_000);
        assert_eq!(put(&contents, &cid, &bytes).unwrap(), 2_500_000, "twice does no harm");

        let mut read = Vec::new();
        Contents::open(dir.path()).unwrap().read(&cid).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn wrong_bytes_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path()).unwrap();
        let cid = content::id(b"announced");
        assert!(matches!(put(&contents, &cid, b"different"), Err(Error::ContentMismatch)));
        let mut incoming = contents.begin(&cid, 3).unwrap();
        assert!(matches!(incoming.write(b"four"), Err(Error::TooLarge { max: 3 })));
        drop(incoming);
        assert!(matches!(contents.read(&cid), Err(Error::NoContent)));
        assert_eq!(fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
    }

    #[test]
    fn no_path_can_be_named_in_place_of_a_content_id() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path()).unwrap();
        for name in ["", "..", "../../etc/passwd", "a/b"] {
            assert!(matches!(contents.read(name), Err(Error::Malformed(_))), "{name}");
            assert!(matches!(contents.begin(name, 1), Err(Error::Malformed(_))), "{name}");
        }
        let too_large = CONTENT_BYTES_MAX + 1;
        let begun = contents.begin(&content::id(b""), too_large);
        assert!(matches!(begun, Err(Error::TooLarge { .. })));
    }
}
