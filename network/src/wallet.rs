//! What a person's own device holds beside their certificate: the id they are registered under and the key that
//! data keys are wrapped to.
//!
//! Place in the flow: commands act as [`carecord_sdk::health::Person`], which is made from here. Files lie beside the
//! person's MSP folder, readable by the owner only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carecord_health::ids::{Id, KeyHash};
use carecord_sdk::health::{Peers, Person, random_id};
use carecord_sdk::vault::PeerAt;
use carecord_sdk::wrap::EncryptionKey;
use sha2::{Digest, Sha256};

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk};
use crate::state::{UserEntry, read_credential};

const FOLDER: &str = "carecord";
const SUBJECT_FILE: &str = "subject.id";
const ENCRYPTION_FILE: &str = "encryption.key";
const SECRET_MODE: u32 = 0o600;

/// A person's id and encryption key.
#[derive(Clone)]
pub struct Wallet {
    id: Id,
    encryption: EncryptionKey,
}

// === impl Wallet ===

impl Wallet {
    /// The wallet of `user`; both parts are made when it is first opened.
    pub fn open(user: &UserEntry) -> Outcome<Self> {
        let folder = folder(user);
        let id = match std::fs::read_to_string(folder.join(SUBJECT_FILE)) {
            Ok(text) => parse_id(&text, &folder.join(SUBJECT_FILE))?,
            Err(_) => {
                let id = random_id().map_err(|error| from_sdk(&error))?;
                write_secret(&folder.join(SUBJECT_FILE), id.as_str().as_bytes())?;
                id
            }
        };
        let path = folder.join(ENCRYPTION_FILE);
        let encryption = match std::fs::read(&path) {
            Ok(bytes) => EncryptionKey::from_bytes(&bytes)
                .map_err(|error| Failure::new(Code::Certificate, error).at(path.display()))?,
            Err(_) => {
                let key = EncryptionKey::random();
                write_secret(&path, &key.to_bytes())?;
                key
            }
        };
        Ok(Self { id, encryption })
    }

    /// The id under which the ledger knows the person.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The id of the person that `name` means: a user of the network, or an id as it is.
    pub fn id_of(session: &Session, name: &str) -> Outcome<Id> {
        match Id::new(name) {
            Some(id) => Ok(id),
            None => Ok(Self::open(session.file().user(name)?)?.id),
        }
    }
}

// === impl Session ===

impl Session {
    /// `user` as somebody who acts on the health contracts of `channel`.
    pub fn person(&self, user: &UserEntry, channel: &str) -> Outcome<Person> {
        let wallet = Wallet::open(user)?;
        let home = self.gateway(user, None)?.network(channel);
        Ok(Person::new(wallet.id, &home, wallet.encryption, self.peers(user, channel)?))
    }

    /// `user`'s connections to one peer of each member of `channel`, by MSP id.
    fn peers(&self, user: &UserEntry, channel: &str) -> Outcome<Peers> {
        let members = &self.file().channel(Some(channel))?.organisations;
        let mut peers = std::collections::BTreeMap::new();
        for member in members {
            let node = self.file().peer_of(member)?;
            let channel = self.connect(node, user)?;
            let address = node.address.clone();
            peers.insert(node.msp_id.clone(), PeerAt { channel, address });
        }
        Ok(Arc::new(peers))
    }
}

/// The hash under which the ledger knows the key of `user`'s certificate.
pub fn key_hash(user: &UserEntry) -> Outcome<KeyHash> {
    let path = &user.certificate_file;
    let unusable = |reason: String| Failure::new(Code::Certificate, reason).at(path.display());
    let block = pem::parse(read_credential(path)?).map_err(|error| unusable(error.to_string()))?;
    let (_, certificate) = x509_parser::parse_x509_certificate(block.contents())
        .map_err(|error| unusable(error.to_string()))?;
    let hash = Sha256::digest(certificate.public_key().raw);
    Ok(KeyHash::new(hex::encode(hash)).expect("32 bytes are 64 hexadecimal digits"))
}

/// Beside the folders `msp` and `tls` of the person.
fn folder(user: &UserEntry) -> PathBuf {
    let member = user.certificate_file.ancestors().nth(3).unwrap_or_else(|| Path::new("."));
    member.join(FOLDER)
}

fn parse_id(text: &str, path: &Path) -> Outcome<Id> {
    Id::new(text.trim()).ok_or_else(|| {
        Failure::new(Code::Certificate, "not an id of 32 hexadecimal digits").at(path.display())
    })
}

fn write_secret(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(SECRET_MODE)
        .open(path)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)
}
