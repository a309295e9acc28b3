//! What the ledger holds: people, organisations, records. Ids, hashes, numbers and fixed words only.

use carecord_chaincode::json_object;

use crate::{
    ids::{Commitment, ContentId, Id, KeyHash, MspId},
    keys::EncryptionKey,
    vocabulary::{OrgKind, Role},
};

json_object! {
    /// An organisation of the channel.
    pub struct Org {
        /// Its MSP id.
        pub msp: MspId,
        /// What it is.
        pub kind: OrgKind,
        /// When it was registered, seconds since 1970.
        pub registered: i64,
    }
}

json_object! {
    /// A person: a pseudonym bound to the key of their certificates.
    pub struct Subject {
        /// The pseudonym.
        pub id: Id,
        /// What they are.
        pub role: Role,
        /// The organisation that registered them: their home.
        pub msp: MspId,
        /// The public key of their certificates.
        pub key_hash: KeyHash,
        /// Whether they may act.
        pub active: bool,
        /// The encryption key to which data keys are wrapped for them.
        pub encryption_key: Option<EncryptionKey>,
        /// A salted commitment to their profile, which is kept elsewhere.
        pub profile: Option<Commitment>,
        /// When they were registered, seconds since 1970.
        pub registered: i64,
    }
}

/// The life of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStatus {
    /// It counts.
    Active,
    /// It was entered in error: only its owner can still open it.
    Retracted,
}

impl carecord_chaincode::Schema for RecordStatus {
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "enum": ["active", "retracted"]})
    }
}

json_object! {
    /// A record: where its ciphertext is, and whose it is.
    pub struct Record {
        /// Its id.
        pub id: Id,
        /// The patient.
        pub owner: Id,
        /// The patient's home organisation.
        pub home: MspId,
        /// Who added the first version.
        pub author: Id,
        /// The author's organisation.
        pub org: MspId,
        /// The number of the current version, from 1.
        pub version: u64,
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// The length of the ciphertext in bytes.
        pub size: u64,
        /// The format of the ciphertext.
        pub suite: u32,
        /// The data key of the current version.
        pub data_key: Id,
        /// A salted commitment to title, codes and dates, which lie encrypted in the vault.
        pub commitment: Commitment,
        /// Random marks whose meaning only the patient's client knows; grants may refer to them.
        pub tags: Vec<Id>,
        /// Active or retracted.
        pub status: RecordStatus,
        /// Whether the patient hid it from everyone else.
        pub hidden: bool,
        /// When it was added, seconds since 1970.
        pub created: i64,
    }
}

json_object! {
    /// One version of a record.
    pub struct Version {
        /// The record.
        pub record: Id,
        /// Its number, from 1.
        pub version: u64,
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// The length of the ciphertext in bytes.
        pub size: u64,
        /// The format of the ciphertext.
        pub suite: u32,
        /// Its data key.
        pub data_key: Id,
        /// A salted commitment to title, codes and dates.
        pub commitment: Commitment,
        /// Who made it.
        pub author: Id,
        /// When, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// Which record and which author a data key belongs to.
    pub struct DataKey {
        /// The record.
        pub record: Id,
        /// Who made the version that it encrypts.
        pub author: Id,
    }
}

json_object! {
    /// The ids of all registered organisations.
    pub struct Orgs {
        /// In order of registration.
        pub msps: Vec<MspId>,
    }
}
