//! What a backup says of itself: whose it is, what it holds, and the hash of each file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// The file of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
const SCHEMA: &str = "carecord.backup-manifest/v1";
const CHUNK_BYTES: usize = 256 << 10;

/// Content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `carecord.backup-manifest/v1`.
    pub schema: String,
    /// Version of carecord that made it.
    pub version: String,
    /// Name of the node.
    pub node: String,
    /// What it runs as.
    pub role: String,
    /// Its organisation.
    pub msp_id: String,
    /// When, in seconds since 1970.
    pub created_unix_s: i64,
    /// Whether private keys are in it.
    pub keys: bool,
    /// Name of the configuration file.
    pub config: String,
    /// Its chains, as far as they went.
    pub chains: Vec<Chain>,
    /// Every file below the folder except this one.
    pub files: BTreeMap<String, Stored>,
}

/// A log in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its folder.
    pub path: String,
    /// How many records it has.
    pub records: u64,
    /// Index of its last record: the block's number at a peer, Raft's at an orderer.
    pub last: Option<u64>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Whether it holds the rows of a database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rows: bool,
}

// === impl Manifest ===

impl Manifest {
    pub(super) fn new() -> Self {
        Manifest {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: String::new(),
            role: String::new(),
            msp_id: String::new(),
            created_unix_s: 0,
            keys: false,
            config: String::new(),
            chains: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Outcome<()> {
        let json = serde_json::to_vec_pretty(self).expect("names and numbers have a JSON form");
        crate::state::replace_file(&folder.join(MANIFEST), &json)?;
        super::sync(folder)
    }

    /// Reads the manifest of the backup in `folder`; whether the files fit is [`verify`]'s question.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                damaged(folder, "there is no manifest.json, so this is no whole backup")
            }
            _ => Failure::file(&path, &error),
        })?;
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
        if manifest.schema != SCHEMA {
            let reason = format!("its form is {}, this version reads {SCHEMA}", manifest.schema);
            return Err(damaged(&path, reason));
        }
        let names = manifest.files.keys().chain([&manifest.config]);
        for name in names {
            let inside = |part| matches!(part, Component::Normal(_));
            if name.is_empty() || !Path::new(name).components().all(inside) {
                return Err(damaged(&path, format!("{name:?} leads out of the folder")));
            }
        }
        Ok(manifest)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|stored| stored.bytes).sum()
    }
}

/// Compares every file of the backup in `folder` with its manifest, and looks for others.
pub fn verify(folder: &Path) -> Outcome<Manifest> {
    let manifest = Manifest::read(folder)?;
    for (name, expected) in &manifest.files {
        let path = folder.join(name);
        let (bytes, sha256) = match measure(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(&path, "this file of the backup is missing"));
            }
            Err(error) => return Err(Failure::file(&path, &error)),
        };
        if (bytes, &sha256) != (expected.bytes, &expected.sha256) {
            return Err(damaged(&path, "its content is not what the manifest says"));
        }
    }
    let mut others = Vec::new();
    walk(folder, folder, &mut others).map_err(|error| Failure::file(folder, &error))?;
    match others.iter().find(|name| *name != MANIFEST && !manifest.files.contains_key(*name)) {
        Some(name) => Err(damaged(&folder.join(name), "the manifest does not know this file")),
        None => Ok(manifest),
    }
}

fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        match entry.file_type()?.is_dir() {
            true => walk(root, &path, names)?,
            false => names.push(relative(root, &path)),
        }
    }
    Ok(())
}

/// The path below `root`, as manifests write it.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// Length and SHA-256 of a file.
pub(super) fn measure(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut chunk, mut bytes) = (Sha256::new(), vec![0; CHUNK_BYTES], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((bytes, hex::encode(hash.finalize()))),
            read => {
                hash.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
}

pub(super) fn damaged(place: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(Code::BackupDamaged, reason).at(place.display())
}
