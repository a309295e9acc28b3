//! The membership service's database: RocksDB, every write synced before it counts.
//!
//! Place in the flow: the service decides and hands over one [`Change`]; its rows are all written, or none, and they
//! are on the disk when [`Store::apply`] returns. A certificate leaves the service only after that, so one that
//! somebody holds can always be found and revoked here.

mod change;
mod keys;
mod log;
mod records;

use std::path::Path;

use parking_lot::Mutex;
use rocksdb::{DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

pub use change::Change;
pub(crate) use change::Writer;
pub use records::{Attribute, Identity, Issued, LogEntry, Revocation};

/// What the database's rows look like.
const FORMAT: &[u8] = b"carecord-ca-1";
/// How many names that nobody has are remembered at a time.
const DECOY_SLOTS: u16 = 4_096;
const MEMTABLE_BYTES: usize = 1 << 20;

/// A key and its value.
type Row = (Box<[u8]>, Box<[u8]>);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database's own reason.
    #[error("the CA's database failed: {0}")]
    Engine(#[from] rocksdb::Error),
    /// A row that does not read.
    #[error("the CA's database is damaged at {row}: {reason}")]
    Damaged {
        /// Which row.
        row: String,
        /// What is wrong.
        reason: String,
    },
    /// Another version's rows.
    #[error("the CA's database has the form {0:?}, this version reads carecord-ca-1")]
    Format(String),
    /// Two certificates of one number; the second is not issued.
    #[error("the serial number {0} was given before")]
    SerialTaken(String),
}

/// The database of one CA.
pub struct Store {
    db: DB,
    decoy_key: [u8; 32],
    writing: Mutex<()>,
}

// === impl Store ===

impl Store {
    /// Opens the database at `path`, made if it is missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = DB::open(&options(), path)?;
        match db.get(keys::FORMAT)? {
            Some(found) if found == FORMAT => {}
            Some(found) => {
                return Err(StoreError::Format(String::from_utf8_lossy(&found).into_owned()));
            }
            None => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| damaged(keys::DECOY_KEY, error))?;
                let mut batch = WriteBatch::default();
                batch.put(keys::FORMAT, FORMAT);
                batch.put(keys::DECOY_KEY, key);
                db.write_opt(batch, &synced())?;
            }
        }
        let key = db.get(keys::DECOY_KEY)?.unwrap_or_default();
        let decoy_key =
            key.try_into().map_err(|_| damaged(keys::DECOY_KEY, "it has not 32 bytes"))?;
        Ok(Self { db, decoy_key, writing: Mutex::new(()) })
    }

    /// Waits until nobody else changes anything.
    pub fn writer(&self) -> Writer<'_> {
        Writer { store: self, _only: self.writing.lock() }
    }

    /// The identity `id`.
    pub fn identity(&self, id: &str) -> Result<Option<Identity>, StoreError> {
        self.get(&keys::identity(id))
    }

    /// All identities, in the order of their ids.
    pub fn identities(&self) -> impl Iterator<Item = Result<Identity, StoreError>> {
        self.scan(keys::IDENTITIES.to_vec())
            .map(|row| row.and_then(|(key, value)| read(&key, &value)))
    }

    /// Whether there is such an affiliation.
    pub fn has_affiliation(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.db.get(keys::affiliation(name))?.is_some())
    }

    /// All affiliations, in alphabetical order.
    pub fn affiliations(&self) -> Result<Vec<String>, StoreError> {
        self.scan(keys::AFFILIATIONS.to_vec())
            .map(
                |row| Ok(String::from_utf8_lossy(&row?.0[keys::AFFILIATIONS.len()..]).into_owned()),
            )
            .collect()
    }

    /// The certificate with that number.
    pub fn certificate(&self, aki: &str, serial: &str) -> Result<Option<Issued>, StoreError> {
        self.get(&keys::certificate(aki, serial))
    }

    /// All certificates, those of one issuer beside each other.
    pub fn certificates(&self) -> impl Iterator<Item = Result<Issued, StoreError>> {
        self.scan(keys::CERTIFICATES.to_vec())
            .map(|row| row.and_then(|(key, value)| read(&key, &value)))
    }

    /// The certificates that `id` enrolled.
    pub fn certificates_of(&self, id: &str) -> Result<Vec<Issued>, StoreError> {
        let prefix = keys::owned(id);
        let skip = prefix.len();
        let mut found = Vec::new();
        for row in self.scan(prefix) {
            let (key, _) = row?;
            let name = String::from_utf8_lossy(&key[skip..]).into_owned();
            let (aki, serial) =
                name.split_once('/').ok_or_else(|| damaged(&key, "no certificate's name"))?;
            let issued = self.certificate(aki, serial)?;
            found.push(issued.ok_or_else(|| damaged(&key, "its certificate is missing"))?);
        }
        Ok(found)
    }

    /// Whether the token with this hash has served.
    pub fn is_used(&self, token: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.db.get(keys::token(token))?.is_some())
    }

    /// Forgets used tokens whose certificates hold no longer at `now`.
    pub fn forget_tokens(&self, now: i64) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for row in self.scan(keys::TOKENS.to_vec()) {
            let (key, until) = row?;
            let until: [u8; 8] =
                until.as_ref().try_into().map_err(|_| damaged(&key, "it is no time"))?;
            if i64::from_be_bytes(until) < now {
                batch.delete(&key);
            }
        }
        self.db.write_opt(batch, &synced())?;
        Ok(())
    }

    /// Wrong secrets so far for a name that nobody has, and when the last one came.
    pub fn decoy_attempts(&self, id: &str) -> Result<(u32, i64), StoreError> {
        let decoy: Option<Identity> = self.get(&keys::decoy(self.slot(id)))?;
        let decoy = decoy.filter(|decoy| decoy.id == id);
        Ok(decoy.map_or((0, 0), |decoy| (decoy.failed_attempts, decoy.tried_at)))
    }

    fn slot(&self, id: &str) -> u16 {
        let hash = Sha256::new().chain_update(self.decoy_key).chain_update(id).finalize();
        u16::from_be_bytes([hash[0], hash[1]]) % DECOY_SLOTS
    }

    fn write(&self, change: Change) -> Result<(), StoreError> {
        let Change { mut batch, logged } = change;
        for entry in logged.iter().filter(|entry| entry.event == log::ISSUE) {
            if self.certificate(&entry.aki, &entry.serial)?.is_some() {
                return Err(StoreError::SerialTaken(entry.serial.clone()));
            }
        }
        self.append(&mut batch, logged)?;
        self.db.write_opt(batch, &synced())?;
        Ok(())
    }

    fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        match self.db.get(key)? {
            None => Ok(0),
            Some(bytes) => bytes
                .get(..8)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_be_bytes)
                .ok_or_else(|| damaged(key, "it is no number")),
        }
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.db.get(key)?.map(|value| read(key, &value)).transpose()
    }

    fn scan(&self, prefix: Vec<u8>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let begin = self.db.iterator(IteratorMode::From(&prefix, Direction::Forward));
        begin
            .map(|row| row.map_err(StoreError::from))
            .take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.db.path()).finish_non_exhaustive()
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_db_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_open_files(64);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records of texts and numbers always have a JSON form")
}

fn read<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| damaged(key, error))
}

fn damaged(row: &[u8], reason: impl std::fmt::Display) -> StoreError {
    let row = String::from_utf8_lossy(row).into_owned();
    StoreError::Damaged { row, reason: reason.to_string() }
}
