//! `carecord backup`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::backup::{self, Listed, Manifest};
use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Copy a node, running or stopped, into a new folder.
    Create {
        #[command(flatten)]
        folder: Folder,
        /// The node, on this machine.
        #[arg(long, env = "CARECORD_NODE")]
        node: String,
        /// Folder in which the backup's own folder is made.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Private keys too; keep such a backup as you keep the keys.
        #[arg(long)]
        with_keys: bool,
    },
    /// Backups in a folder.
    List {
        /// Folder that was given to `create`.
        #[arg(long = "in", value_name = "FOLDER")]
        parent: PathBuf,
    },
    /// Compare every file of a backup with its manifest.
    Verify {
        /// Folder of the backup.
        folder: PathBuf,
    },
    /// Make a folder that the node can start on; nothing that is there is written over.
    Restore {
        /// Folder of the backup.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// New or empty folder of the node.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
}

// === impl Backup ===

impl Backup {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Create { folder, node, to, with_keys } => {
                let session = Session::open(&folder.dir)?;
                let made = backup::create(session.file().node(&node)?, &to, with_keys)?;
                show(output, &made);
            }
            Self::List { parent } => list(output, &backup::list(&parent)?),
            Self::Verify { folder } => {
                let manifest = backup::verify(&folder)?;
                show(output, &Listed { folder, manifest });
            }
            Self::Restore { from, to } => {
                let restored = backup::restore(&from, &to)?;
                output.result(&restored, || {
                    let config = restored.config.display();
                    format!("start it with `carecord node run {} --config {config}`", restored.role)
                });
            }
        }
        Ok(())
    }
}

fn show(output: Output, listed: &Listed) {
    let value = json!({
        "schema": "carecord.backup/v1", "folder": listed.folder, "manifest": listed.manifest,
    });
    output.result(&value, || {
        let Manifest { node, keys, .. } = &listed.manifest;
        let keys = if *keys { "with" } else { "without" };
        format!(
            "{node}: {} files, {} bytes, {keys} private keys, in {}",
            listed.manifest.files.len(),
            listed.manifest.bytes(),
            listed.folder.display()
        )
    });
}

fn list(output: Output, found: &[Listed]) {
    let value = json!({ "schema": "carecord.backups/v1", "backups": found });
    output.result(&value, || {
        let rows = found.iter().map(|Listed { folder, manifest }| {
            [
                manifest.node.clone(),
                manifest.role.clone(),
                moment(manifest.created_unix_s),
                manifest.bytes().to_string(),
                manifest.keys.to_string(),
                folder.display().to_string(),
            ]
        });
        table(["NODE", "ROLE", "CREATED", "BYTES", "KEYS", "FOLDER"], rows)
    });
}

/// In UTC, to the second.
fn moment(unix_s: i64) -> String {
    let known = time::OffsetDateTime::from_unix_timestamp(unix_s).ok();
    let format = time::format_description::well_known::Rfc3339;
    known.and_then(|at| at.format(&format).ok()).unwrap_or_else(|| unix_s.to_string())
}
