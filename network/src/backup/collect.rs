//! A node's files, each copied the way its kind can be copied while the node writes.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use carecord_blocks::record_log;

use super::manifest::{Chain, Manifest, Stored, measure, relative};
use super::{CHANNELS, DATA, MSP, ROWS, TLS, rows};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::state::NodeEntry;

/// Private keys of an MSP folder.
const KEYSTORE: &str = "keystore";
/// What can be made again, or was never confirmed, by its place below the data folder; `*` is one name.
const LEFT_OUT: [&[&str]; 6] = [
    &["ledgers", "*", "state"],
    &["ledgers", "*", "state.discarded"],
    &["ledgers", "*", "verify.tmp"],
    &["vault", "contents", "incoming"],
    &["snapshots", "completed"],
    &["snapshots", "in_progress"],
];
/// Locks of logs and databases.
const LOCK: &str = "LOCK";
/// Beside an orderer's log while blocks below it are missing. What else lies there stays out: by its own name for its
/// data an orderer that was restored would pass for one that remembers its votes.
const JOIN_BLOCK: &str = "join.block";
/// Channels that an orderer has left.
const REMOVED: &str = ".removed";
/// The file by which a database is known.
const CURRENT: &str = "CURRENT";

/// A backup in the making.
pub(super) struct Collector {
    root: PathBuf,
    manifest: Manifest,
}

// === impl Collector ===

impl Collector {
    /// Begins in the new folder `root`, which only its owner may read.
    pub(super) fn new(root: &Path) -> Outcome<Self> {
        if root.exists() {
            fs::remove_dir_all(root).map_err(|error| Failure::file(root, &error))?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(|error| Failure::file(root, &error))?;
        Ok(Self { root: root.to_owned(), manifest: Manifest::new() })
    }

    /// The configuration file and what it names, private keys only if `with_keys`.
    pub(super) fn configuration(
        &mut self,
        file: &Path,
        config: &NodeConfig,
        with_keys: bool,
    ) -> Outcome<()> {
        self.manifest.config = name(file);
        self.file(file, Path::new(&name(file)))?;
        self.folder(&config.msp_dir, Path::new(MSP), &|path| {
            !with_keys && path.components().any(|part| part.as_os_str() == KEYSTORE)
        })?;
        let tls = &config.tls;
        for path in [&tls.certificate].into_iter().chain(&tls.roots) {
            self.once(path, &Path::new(TLS).join(name(path)))?;
        }
        if with_keys {
            self.once(&tls.key, &Path::new(TLS).join(name(&tls.key)))?;
        }
        for path in &config.channels {
            self.once(path, &Path::new(CHANNELS).join(name(path)))?;
        }
        Ok(())
    }

    /// The data folder: logs and files first, databases last.
    pub(super) fn data(&mut self, data: &Path) -> Outcome<()> {
        let mut databases = Vec::new();
        self.walk(data, Path::new(DATA), &|path| is_left_out(path), &mut databases)?;
        for (from, to) in databases {
            let to = to.with_file_name(format!("{}.{ROWS}", name(&to)));
            let path = self.place(&to)?;
            rows::dump(&from, &self.root.join(".secondary"), &path)?;
            self.note(&to, true)?;
        }
        Ok(())
    }

    /// What there is, once everything is durable.
    pub(super) fn manifest(
        mut self,
        node: &NodeEntry,
        with_keys: bool,
        now: i64,
    ) -> Outcome<Manifest> {
        self.manifest.node.clone_from(&node.name);
        self.manifest.role.clone_from(&node.role);
        self.manifest.msp_id.clone_from(&node.msp_id);
        self.manifest.keys = with_keys;
        self.manifest.created_unix_s = now;
        sync_folders(&self.root).map_err(|error| Failure::file(&self.root, &error))?;
        Ok(self.manifest)
    }

    fn folder(&mut self, from: &Path, to: &Path, left_out: &dyn Fn(&Path) -> bool) -> Outcome<()> {
        self.walk(from, to, left_out, &mut Vec::new())
    }

    fn walk(
        &mut self,
        from: &Path,
        to: &Path,
        left_out: &dyn Fn(&Path) -> bool,
        databases: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Outcome<()> {
        if from.join(CURRENT).is_file() {
            databases.push((from.to_owned(), to.to_owned()));
            return Ok(());
        }
        if record_log::is_log(from) {
            return self.log(from, to);
        }
        let failed = |error| Failure::file(from, &error);
        let mut entries = match fs::read_dir(from) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            let own = name(&path);
            let hidden = own.starts_with('.') && own != REMOVED || own == LOCK;
            if hidden || left_out(&to) {
                continue;
            }
            match entry.file_type().map_err(failed)?.is_dir() {
                true => self.walk(&path, &to, left_out, databases)?,
                false => self.file(&path, &to)?,
            }
        }
        Ok(())
    }

    fn log(&mut self, from: &Path, to: &Path) -> Outcome<()> {
        let target = self.root.join(to);
        let copied = record_log::copy(from, &target, None).map_err(|error| {
            Failure::new(Code::BackupCopy, &error).at(from.display()).hint(
                "`carecord ledger verify` on the stopped node tells whether the log is damaged",
            )
        })?;
        for entry in fs::read_dir(&target).map_err(|error| Failure::file(&target, &error))? {
            let entry = entry.map_err(|error| Failure::file(&target, &error))?;
            self.note(&to.join(entry.file_name()), false)?;
        }
        self.file(&from.join(JOIN_BLOCK), &to.join(JOIN_BLOCK))?;
        let path = to.to_string_lossy().into_owned();
        let chain = Chain { path, records: copied.records, last: copied.last_index };
        self.manifest.chains.push(chain);
        Ok(())
    }

    /// Copies a file whose name another may have taken already, which is then the same file.
    fn once(&mut self, from: &Path, to: &Path) -> Outcome<()> {
        let mut to = to.to_owned();
        let mut turn = 0;
        while let Some(known) = self.manifest.files.get(&relative(Path::new(""), &to)) {
            let own = measure(from).map_err(|error| Failure::file(from, &error))?;
            if (own.0, &own.1) == (known.bytes, &known.sha256) {
                return Ok(());
            }
            turn += 1;
            to.set_file_name(format!("{turn}-{}", name(from)));
        }
        self.file(from, &to)
    }

    /// Copies a file with its permissions; one that is gone by then was never confirmed to anybody.
    fn file(&mut self, from: &Path, to: &Path) -> Outcome<()> {
        let path = self.place(to)?;
        let mut source = match fs::File::open(from) {
            Ok(source) => source,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::file(from, &error)),
        };
        // Whoever may read a backup may read every file of it.
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::file(&path, &error))?;
        std::io::copy(&mut source, &mut target)
            .and_then(|_| target.sync_all())
            .map_err(|error| Failure::file(&path, &error))?;
        self.note(to, false)
    }

    fn place(&self, to: &Path) -> Outcome<PathBuf> {
        let path = self.root.join(to);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        Ok(path)
    }

    fn note(&mut self, to: &Path, rows: bool) -> Outcome<()> {
        let path = self.root.join(to);
        let (bytes, sha256) = measure(&path).map_err(|error| Failure::file(&path, &error))?;
        let name = relative(Path::new(""), to);
        self.manifest.files.insert(name, Stored { bytes, sha256, rows });
        Ok(())
    }
}

/// Whether a path, which begins with [`DATA`], is one of [`LEFT_OUT`].
fn is_left_out(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().skip(1).collect();
    LEFT_OUT.iter().any(|pattern| {
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(wanted, part)| *wanted == "*" || *part == *wanted)
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Makes the names in a folder and below durable.
pub(super) fn sync_folders(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_made_again_is_left_out() {
        for (path, out) in [
            ("data/ledgers/care/state", true),
            ("data/ledgers/care/blocks", false),
            ("data/ledgers/care/private", false),
            ("data/ledgers/care/snapshot", false),
            ("data/vault/contents/incoming", true),
            ("data/vault/contents/ab", false),
            ("data/snapshots/completed", true),
            ("data/snapshots/requests", false),
            ("data/state", false),
        ] {
            assert_eq!(is_left_out(Path::new(path)), out, "{path}");
        }
    }
}
