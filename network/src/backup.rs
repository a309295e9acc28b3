//! A node's data, configuration and certificates in a folder of their own, copied while the node runs.
//!
//! Place in the flow: `carecord backup` calls in here, on the machine of the node. Nothing is asked of the node: logs are
//! copied up to what is synced, databases are read as a second instance at one moment, other files are whole or absent.
//!
//! | in the node's folder | in the backup |
//! |---|---|
//! | a log (blocks, Raft's records) | the same files, cut where they were synced |
//! | a database (private data, key wraps, a CA's store) | `NAME.rows`, each row with the length of its parts |
//! | ledger `state` | nothing: it is made from the blocks again |
//! | `snapshots`, uploads under way | nothing |
//! | any other file | the file |
//!
//! Logs come first and databases last: a database then holds at least what the log speaks of, and of what was deleted as
//! little as possible.

mod collect;
mod manifest;
mod restore;
mod rows;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::state::NodeEntry;
use collect::Collector;
use manifest::MANIFEST;

pub use manifest::{Chain, Manifest, Stored, verify};
pub use restore::{Restored, restore};

/// The node's data in a backup and in a restored folder.
const DATA: &str = "data";
/// Its MSP.
const MSP: &str = "msp";
/// Certificates and key of its TLS.
const TLS: &str = "tls";
/// First blocks of its channels.
const CHANNELS: &str = "channels";
/// What a database's file is called behind the database's name.
const ROWS: &str = "rows";

/// A backup as it is listed, schema `carecord.backup/v1`.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Copies `node` into a new folder below `parent`; with its private keys only if `with_keys`.
pub fn create(node: &NodeEntry, parent: &Path, with_keys: bool) -> Outcome<Listed> {
    let parent = std::path::absolute(parent).map_err(|error| Failure::file(parent, &error))?;
    let config = NodeConfig::load(&node.config_file)?;
    let now = now_unix_s();
    let name = format!("{}-{now}", node.name);
    let (draft, folder) = (parent.join(format!(".{name}.partial")), parent.join(&name));
    if folder.exists() {
        return Err(
            Failure::new(Code::BackupPlace, "this folder is there already").at(folder.display())
        );
    }
    let made = write(node, &config, &draft, with_keys, now).and_then(|manifest| {
        std::fs::rename(&draft, &folder).map_err(|error| Failure::file(&folder, &error))?;
        sync(&parent)?;
        Ok(manifest)
    });
    if made.is_err() {
        // What cannot be removed is named by its leading dot and is no backup to anybody.
        let _ = std::fs::remove_dir_all(&draft);
    }
    Ok(Listed { folder, manifest: made? })
}

fn write(
    node: &NodeEntry,
    config: &NodeConfig,
    draft: &Path,
    with_keys: bool,
    now: i64,
) -> Outcome<Manifest> {
    let mut collector = Collector::new(draft)?;
    collector.configuration(&node.config_file, config, with_keys)?;
    collector.data(&config.data_dir)?;
    let manifest = collector.manifest(node, with_keys, now)?;
    manifest.write(draft)?;
    Ok(manifest)
}

/// The backups below `parent`, oldest first; what is none is left out.
pub fn list(parent: &Path) -> Outcome<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(|error| Failure::file(parent, &error))? {
        let folder = entry.map_err(|error| Failure::file(parent, &error))?.path();
        let hidden = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && folder.join(MANIFEST).is_file() {
            found.push(Listed { manifest: Manifest::read(&folder)?, folder });
        }
    }
    found.sort_by(|a, b| {
        (a.manifest.created_unix_s, &a.folder).cmp(&(b.manifest.created_unix_s, &b.folder))
    });
    Ok(found)
}

fn sync(folder: &Path) -> Outcome<()> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Failure::file(folder, &error))
}
