//! From a backup to a folder that a node can start on: checked first, whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::collect::sync_folders;
use super::manifest::{Manifest, verify};
use super::{CHANNELS, DATA, MSP, ROWS, TLS, rows, sync};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;

/// What was restored, schema `carecord.restore/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Always `carecord.restore/v1`.
    pub schema: &'static str,
    /// The node.
    pub node: String,
    /// What it runs as.
    pub role: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Whether its private keys came with it.
    pub keys: bool,
}

/// Makes the folder `to`, which must be missing or empty, from the backup in `from`.
pub fn restore(from: &Path, to: &Path) -> Outcome<Restored> {
    let to = std::path::absolute(to).map_err(|error| Failure::file(to, &error))?;
    let place = |reason: &str| Failure::new(Code::BackupPlace, reason).at(to.display());
    let empty = match fs::read_dir(&to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(Failure::file(&to, &error)),
    };
    if !empty {
        return Err(place("the folder is not empty"));
    }
    let manifest = verify(from)?;
    let parent = to.parent().ok_or_else(|| place("it has no parent folder"))?;
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let draft = parent.join(format!(".{name}.restoring"));
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(|error| Failure::file(&draft, &error))?;
    }
    let failed = |error: std::io::Error| Failure::file(&draft, &error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&draft).map_err(failed)?;
    files(from, &draft, &manifest)?;
    configuration(&draft, &to, &manifest)?;
    sync_folders(&draft).map_err(failed)?;
    if to.exists() {
        fs::remove_dir(&to).map_err(|error| Failure::file(&to, &error))?;
    }
    fs::rename(&draft, &to).map_err(|error| Failure::file(&to, &error))?;
    sync(parent)?;
    let Manifest { node, role, keys, config, .. } = manifest;
    let config = to.join(config);
    Ok(Restored { schema: "carecord.restore/v1", node, role, folder: to, config, keys })
}

fn files(from: &Path, draft: &Path, manifest: &Manifest) -> Outcome<()> {
    for (name, stored) in &manifest.files {
        let (source, target) = (from.join(name), draft.join(name));
        let folder = target.parent().unwrap_or(draft);
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        if stored.rows {
            let database = name.strip_suffix(&format!(".{ROWS}")).unwrap_or(name);
            rows::load(&source, &draft.join(database))?;
        } else {
            copy(&source, &target).map_err(|error| Failure::file(&target, &error))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// Lets the configuration name the restored files; keys that did not come with the backup stay where they were.
fn configuration(draft: &Path, to: &Path, manifest: &Manifest) -> Outcome<()> {
    let path = draft.join(&manifest.config);
    let mut config = NodeConfig::load(&path)?;
    config.data_dir = to.join(DATA);
    let moved = |folder: &str, old: &Path| {
        let name = Path::new(folder).join(old.file_name().unwrap_or_default());
        let there = manifest.files.contains_key(&name.to_string_lossy().into_owned());
        if there { to.join(name) } else { old.to_owned() }
    };
    config.channels = config.channels.iter().map(|old| moved(CHANNELS, old)).collect();
    if manifest.keys {
        config.msp_dir = to.join(MSP);
        let tls = &mut config.tls;
        tls.certificate = moved(TLS, &tls.certificate);
        tls.key = moved(TLS, &tls.key);
    }
    crate::state::replace_file(&path, config.to_toml().as_bytes())
}
