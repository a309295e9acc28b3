//! The folder of installed packages: one file each, written whole or not at all.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};

use super::content::{self, Code, Content, Refused};
use crate::Error;

/// Packages that one peer keeps.
const MAX_PACKAGES: usize = 1_000;
const SUFFIX: &str = ".tar.gz";
/// Behind the name of a file that is not whole.
const DRAFT: &str = ".new";

/// The packages of one peer.
#[derive(Debug)]
pub(crate) struct Packages {
    folder: PathBuf,
    built_in: Vec<String>,
    installed: RwLock<BTreeMap<String, Arc<Installed>>>,
    installing: Mutex<()>,
}

/// One installed package.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Label and hash.
    pub(crate) id: String,
    /// Its label.
    pub(crate) label: String,
    /// What it makes run.
    pub(crate) code: Code,
}

// === impl Packages ===

impl Packages {
    /// Reads the folder, which is made if it is missing. A damaged package counts as not installed.
    pub(crate) fn open(folder: PathBuf, built_in: Vec<String>) -> Result<Self, Error> {
        let failed = |source| Error::Folder { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let mut installed = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.to_string_lossy().ends_with(DRAFT) {
                std::fs::remove_file(&path).map_err(failed)?;
            } else if let Some(package) = read(&path, &built_in).map_err(failed)? {
                installed.insert(package.id.clone(), Arc::new(package));
            }
        }
        Ok(Self {
            folder,
            built_in,
            installed: RwLock::new(installed),
            installing: Mutex::default(),
        })
    }

    /// Installs a package; it is on the disk when this returns.
    pub(crate) fn install(&self, package: &[u8]) -> Result<Arc<Installed>, String> {
        let built_in: Vec<&str> = self.built_in.iter().map(String::as_str).collect();
        let content = content::read(package, &built_in).map_err(|refused| match refused {
            Refused::Malformed(reason) => {
                format!("could not parse as a chaincode install package: {reason}")
            }
            Refused::Unsupported(reason) => format!("could not build chaincode: {reason}"),
        })?;
        let Content { label, code } = content;
        let id = format!("{label}:{}", hex::encode(Sha256::digest(package)));
        let _one_at_a_time = self.installing.lock();
        if self.get(&id).is_some() {
            return Err(format!("chaincode already successfully installed (package ID '{id}')"));
        }
        if self.installed.read().len() >= MAX_PACKAGES {
            return Err(format!(
                "could not save cc install package: this peer keeps {MAX_PACKAGES} packages at most"
            ));
        }
        self.write(&id, package).map_err(|error| {
            let path = self.path(&id).display().to_string();
            format!("could not save cc install package: error writing chaincode install package to {path}: {error}")
        })?;
        tracing::info!(package = id, "chaincode package installed");
        let installed = Arc::new(Installed { id: id.clone(), label, code });
        self.installed.write().insert(id, Arc::clone(&installed));
        Ok(installed)
    }

    /// The package of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Installed>> {
        self.installed.read().get(id).cloned()
    }

    /// All packages, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Installed>> {
        self.installed.read().values().cloned().collect()
    }

    /// The bytes of an installed package.
    pub(crate) fn bytes(&self, id: &str) -> Result<Bytes, String> {
        let failed = |reason: String| format!("could not load cc install package: {reason}");
        if self.get(id).is_none() {
            return Err(failed(format!("chaincode install package '{id}' not found")));
        }
        let path = self.path(id);
        let read = std::fs::read(&path).map_err(|error| {
            let path = path.display();
            failed(format!("error reading chaincode install package at {path}: {error}"))
        })?;
        Ok(read.into())
    }

    /// Only for ids whose label was checked: it becomes part of a path.
    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{}{SUFFIX}", id.replacen(':', ".", 1)))
    }

    fn write(&self, id: &str, package: &[u8]) -> std::io::Result<()> {
        let path = self.path(id);
        let draft = PathBuf::from(format!("{}{DRAFT}", path.display()));
        let mut file = File::create(&draft)?;
        file.write_all(package)?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn read(path: &Path, built_in: &[String]) -> std::io::Result<Option<Installed>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(SUFFIX).unwrap_or_default();
    let Some((label, hash)) = stem.rsplit_once('.') else { return Ok(None) };
    let package = std::fs::read(path)?;
    let whole = hex::encode(Sha256::digest(&package)) == hash;
    let built_in: Vec<&str> = built_in.iter().map(String::as_str).collect();
    match content::read(&package, &built_in) {
        Ok(Content { label: inside, code }) if whole && inside == label => {
            Ok(Some(Installed { id: format!("{label}:{hash}"), label: inside, code }))
        }
        Ok(_) => {
            tracing::error!(path = %path.display(), "a chaincode package is damaged; install it again");
            Ok(None)
        }
        Err(refused) => {
            tracing::error!(path = %path.display(), ?refused, "a chaincode package cannot be used");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
