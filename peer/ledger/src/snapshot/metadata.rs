//! What a snapshot says about itself: two JSON texts, byte for byte in Fabric's form.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::ser::PrettyFormatter;

use super::{ADDITIONAL, SIGNABLE, SnapshotError, file};
use crate::index::Savepoint;

/// The only kind of state that Fabric knows beside CouchDB.
const STATE_DB_TYPE: &str = "SimpleKeyValueDB";

/// The largest metadata text that is read.
const MAX_TEXT: u64 = 1 << 20;

/// What a snapshot is of: its metadata, read or just written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The channel.
    pub channel: String,
    /// The last block that it covers.
    pub block: u64,
    /// Header hash of that block.
    pub header_hash: [u8; 32],
    /// Header hash of the block before; empty for block 0.
    pub previous_hash: Vec<u8>,
    /// Commit hash of the last block; block 0 has none.
    pub commit_hash: Option<[u8; 32]>,
    /// SHA-256 of the signable metadata, which holds the hashes of all files: equal on peers that agree.
    pub hash: String,
    /// The files and their SHA-256.
    pub files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Signable {
    channel_name: String,
    last_block_number: u64,
    last_block_hash: String,
    previous_block_hash: String,
    snapshot_files_raw_hashes: BTreeMap<String, String>,
    state_db_type: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Additional {
    snapshot_hash: String,
    last_block_commit_hash: String,
}

impl Snapshot {
    pub(super) fn write(
        dir: &Path,
        channel: &str,
        savepoint: &Savepoint,
        previous_hash: &[u8],
        files: BTreeMap<String, String>,
    ) -> Result<Self, SnapshotError> {
        let signable = Signable {
            channel_name: channel.to_owned(),
            last_block_number: savepoint.height.saturating_sub(1),
            last_block_hash: hex::encode(savepoint.header_hash),
            previous_block_hash: hex::encode(previous_hash),
            snapshot_files_raw_hashes: files,
            state_db_type: STATE_DB_TYPE.to_owned(),
        };
        let text = to_json(&signable);
        file::write(&dir.join(SIGNABLE), &text)?;
        let additional = Additional {
            snapshot_hash: hex::encode(carecord_proto::hash::sha256(&[&text])),
            last_block_commit_hash: savepoint.commit_hash.map(hex::encode).unwrap_or_default(),
        };
        file::write(&dir.join(ADDITIONAL), &to_json(&additional))?;
        Self::joined(dir, signable, additional)
    }

    /// Reads the metadata in `dir`; whether the files are what it says is [`super::verify`]'s question.
    pub fn read(dir: &Path) -> Result<Self, SnapshotError> {
        let (signable, additional) = (dir.join(SIGNABLE), dir.join(ADDITIONAL));
        let text = read_small(&signable)?;
        let additional: Additional = parse(&additional, &read_small(&additional)?)?;
        if additional.snapshot_hash != hex::encode(carecord_proto::hash::sha256(&[&text])) {
            return Err(SnapshotError::damaged(&signable, "its hash does not match"));
        }
        let signable: Signable = parse(&signable, &text)?;
        Self::joined(dir, signable, additional)
    }

    fn joined(
        dir: &Path,
        signable: Signable,
        additional: Additional,
    ) -> Result<Self, SnapshotError> {
        let damaged = |what: &str| SnapshotError::damaged(&dir.join(SIGNABLE), what);
        let hash = |text: &str| hex::decode(text).ok()?.try_into().ok();
        let commit_hash = match additional.last_block_commit_hash.as_str() {
            "" => None,
            text => Some(hash(text).ok_or_else(|| damaged("its commit hash is none"))?),
        };
        if signable.state_db_type != STATE_DB_TYPE {
            return Err(damaged("its kind of state is unknown"));
        }
        // A name becomes a folder's name.
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        let begins = signable.channel_name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || !signable.channel_name.chars().all(named) {
            return Err(damaged("its channel's name is none"));
        }
        Ok(Snapshot {
            channel: signable.channel_name,
            block: signable.last_block_number,
            header_hash: hash(&signable.last_block_hash)
                .ok_or_else(|| damaged("its block hash is none"))?,
            previous_hash: hex::decode(&signable.previous_block_hash)
                .map_err(|_| damaged("its previous block hash is none"))?,
            commit_hash,
            hash: additional.snapshot_hash,
            files: signable.snapshot_files_raw_hashes,
        })
    }

    /// How many blocks it stands for.
    pub fn height(&self) -> u64 {
        self.block.saturating_add(1)
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        let Snapshot { header_hash, commit_hash, .. } = *self;
        Savepoint { height: self.height(), header_hash, commit_hash }
    }
}

fn read_small(path: &Path) -> Result<Vec<u8>, SnapshotError> {
    let size = std::fs::metadata(path).map_err(SnapshotError::file(path))?.len();
    if size > MAX_TEXT {
        return Err(SnapshotError::damaged(path, "it is too large"));
    }
    std::fs::read(path).map_err(SnapshotError::file(path))
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, text: &'a [u8]) -> Result<T, SnapshotError> {
    serde_json::from_slice(text).map_err(|error| SnapshotError::damaged(path, error))
}

/// As Go's `json.MarshalIndent` with four spaces.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    value.serialize(&mut serializer).expect("texts and numbers have a JSON form");
    out
}
