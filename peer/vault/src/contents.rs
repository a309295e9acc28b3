//! Ciphertexts as files named by their content id; a file is there whole and durable, or not at all.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use carecord_proto::content::{self, Hasher};

use crate::Error;
use crate::limits::CONTENT_BYTES_MAX;
use crate::tree::{Builder, CHUNK_BYTES, Tree};

/// Ending of the files that hold trees.
const TREE: &str = "tree";

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
    tree: Builder,
    taken: u64,
    announced: u64,
    cid: String,
}

/// A ciphertext that is there, with its tree: what is read of it is checked.
pub(crate) struct Stored {
    file: File,
    tree: Tree,
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
            tree: Builder::default(),
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
        let _ = fs::remove_file(tree_of(&path));
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

impl Contents {
    /// Opens a ciphertext to read parts of it.
    pub(crate) fn stored(&self, cid: &str) -> Result<Stored, Error> {
        let mut file = self.read(cid)?;
        let path = tree_of(&place(&self.root, cid));
        let tree = match fs::read(&path) {
            Ok(bytes) => Tree::from_bytes(&bytes).ok_or(Error::Damaged)?,
            // Stored before there were trees, or a crash came between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let tree = tree_from(&mut file, cid)?;
                self.write_tree(cid, &tree)?;
                tree
            }
            Err(error) => return Err(Error::disk(&path)(error)),
        };
        Ok(Stored { file, tree })
    }

    fn write_tree(&self, cid: &str, tree: &Tree) -> Result<(), Error> {
        let name = self.root.join("incoming").join(format!("{cid}.{TREE}"));
        let mut file = File::create(&name).map_err(Error::disk(&name))?;
        file.write_all(&tree.to_bytes()).map_err(Error::disk(&name))?;
        file.sync_all().map_err(Error::disk(&name))?;
        let path = tree_of(&place(&self.root, cid));
        fs::rename(&name, &path).map_err(Error::disk(&path))
    }
}

/// Reads a whole content, checks its id and builds its tree.
fn tree_from(file: &mut File, cid: &str) -> Result<Tree, Error> {
    let failed = |source| Error::Disk { what: cid.to_owned(), source };
    let (mut tree, mut hasher) = (Builder::default(), Hasher::default());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            break;
        }
        tree.update(&chunk[..count]);
        hasher.update(&chunk[..count]);
    }
    if hasher.finish() != cid {
        tracing::error!(cid, "a stored content is damaged");
        return Err(Error::Damaged);
    }
    Ok(tree.finish())
}

// === impl Stored ===

impl Stored {
    /// Its length and its blocks' tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A chunk that is what it was; [`Error::Damaged`] otherwise.
    pub(crate) fn chunk(&mut self, number: u64, cid: &str) -> Result<Vec<u8>, Error> {
        let at = number * CHUNK_BYTES as u64;
        let length = self.tree.size.saturating_sub(at).min(CHUNK_BYTES as u64);
        let mut chunk = vec![0; length as usize];
        let read =
            self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut chunk));
        match read {
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::Disk { what: cid.to_owned(), source: error });
            }
            Ok(()) if self.tree.holds(number as usize, &chunk) => return Ok(chunk),
            _ => {}
        }
        tracing::error!(cid, "a stored content is damaged");
        Err(Error::Damaged)
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
        self.tree.update(bytes);
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
        Contents { root: root.clone() }.write_tree(cid, &incoming.tree.clone().finish())?;
        fs::rename(path, &place).map_err(Error::disk(&place))?;
        sync_folder(folder)?;
        Ok(incoming.taken)
    }

    /// The root over its blocks.
    pub(crate) fn root(&self) -> [u8; 32] {
        self.0.tree.clone().finish().root()
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

/// The file beside a content that holds its tree.
fn tree_of(content: &Path) -> PathBuf {
    let mut name = content.as_os_str().to_owned();
    name.push(".");
    name.push(TREE);
    name.into()
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
