//! A channel's state at one height as files, from which another peer can go on without the older blocks.
//!
//! Place in the flow: [`crate::Ledger::snapshot`] writes them from a consistent view while commits go on;
//! [`install`] puts them in place of the older blocks of a new ledger, and recovery reads them into an empty state.
//! Files, names and both metadata texts are laid out as Fabric's (`core/ledger/kvledger/snapshot.go`), so that two peers at
//! one height write equal bytes.
//!
//! | file | content |
//! |---|---|
//! | `public_state.data` | per key: length and [`record::Record`]; namespaces in byte order |
//! | `public_state.metadata` | number of namespaces; per namespace: name, number of keys |
//! | `private_state_hashes.*` | the same for hashed keys; a namespace is `chaincode$$hcollection` |
//! | `txids.data` | every transaction id there ever was, shorter ones first |
//! | `txids.metadata` | their number |
//! | `carecord_expiries.data` | when hashed keys vanish: rows of the schedule; Fabric works this out when it imports |
//! | `_snapshot_signable_metadata.json` | channel, last block, the SHA-256 of each file above |
//! | `_snapshot_additional_metadata.json` | the SHA-256 of that text, and the last commit hash |
//!
//! Files without a row are left out. The history of keys and private values are not part of a snapshot.

mod export;
mod file;
mod import;
mod metadata;
mod record;

pub(crate) use export::export;
pub(crate) use import::fill;
pub use import::{install, verify};
pub use metadata::Snapshot;

use std::path::Path;

/// Folder of the snapshot below a ledger's folder, if the ledger began with one.
pub(crate) const FOLDER: &str = "snapshot";

pub(crate) const PUBLIC: &str = "public_state";
pub(crate) const HASHES: &str = "private_state_hashes";
pub(crate) const TX_IDS: &str = "txids";
pub(crate) const EXPIRIES: &str = "carecord_expiries";
pub(crate) const SIGNABLE: &str = "_snapshot_signable_metadata.json";
pub(crate) const ADDITIONAL: &str = "_snapshot_additional_metadata.json";

/// Between chaincode and collection in the name of a namespace of hashes.
pub(crate) const HASHED: &str = "$$h";

/// Rows read or written at a time, and their bytes.
pub(crate) const CHUNK: usize = 512;
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Why a snapshot could not be written or used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what the snapshot's metadata says, or is missing.
    #[error("{file} is not what was written: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something in the place already.
    #[error("{0} exists already")]
    Exists(String),
}

impl SnapshotError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let file = path.display().to_string();
        move |source| Self::File { file, source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { file: path.display().to_string(), reason: reason.to_string() }
    }
}
