//! The parsed form of read-write sets: one struct a namespace, with its collections.

use bytes::Bytes;
use prost::Message;

use crate::generated::rwset::{
    CollectionHashedReadWriteSet, CollectionPvtReadWriteSet, NsPvtReadWriteSet, NsReadWriteSet,
    TxPvtReadWriteSet, TxReadWriteSet,
};
use crate::hash::sha256;
use crate::kvrwset::{HashedRwSet, KvWrite, KvWriteHash, KvrwSet};
use crate::{Malformed, decode};

/// The public part of a transaction's read-write set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TxRwSet {
    /// Namespaces in the order of the wire; sorted if a builder made them.
    pub namespaces: Vec<NsRwSet>,
}

/// What a transaction did in one chaincode's namespace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NsRwSet {
    /// The chaincode.
    pub namespace: String,
    /// Public reads, range queries, writes and metadata writes.
    pub kv: KvrwSet,
    /// Hashes of what it did in private collections.
    pub collections: Vec<CollHashedRwSet>,
}

/// The hashed reads and writes of one private collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollHashedRwSet {
    /// The collection.
    pub name: String,
    /// Hashed keys and values.
    pub hashed: HashedRwSet,
    /// SHA-256 of the private write set's bytes; empty if there is none.
    pub pvt_hash: Bytes,
}

// === impl TxRwSet ===

impl TxRwSet {
    /// Reads a set as endorsers signed it.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, Malformed> {
        let set: TxReadWriteSet = decode("TxReadWriteSet", bytes)?;
        let namespaces = set.ns_rwset.into_iter().map(NsRwSet::parse).collect::<Result<_, _>>()?;
        Ok(Self { namespaces })
    }

    /// The bytes of this set; equal to those read if a builder made them.
    pub fn to_bytes(&self) -> Bytes {
        let ns_rwset = self.namespaces.iter().map(NsRwSet::message).collect();
        let set = TxReadWriteSet { data_model: 0, ns_rwset };
        set.encode_to_vec().into()
    }

    /// The hash that a private write set of this transaction must have.
    pub fn pvt_hash(&self, namespace: &str, collection: &str) -> Option<&Bytes> {
        let namespace = self.namespaces.iter().find(|ns| ns.namespace == namespace)?;
        Some(&namespace.collections.iter().find(|coll| coll.name == collection)?.pvt_hash)
    }
}

// === impl NsRwSet ===

impl NsRwSet {
    fn parse(set: NsReadWriteSet) -> Result<Self, Malformed> {
        let kv = decode("KVRWSet", &set.rwset)?;
        let collections = set
            .collection_hashed_rwset
            .into_iter()
            .map(CollHashedRwSet::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { namespace: set.namespace, kv, collections })
    }

    fn message(&self) -> NsReadWriteSet {
        NsReadWriteSet {
            namespace: self.namespace.clone(),
            rwset: self.kv.encode_to_vec().into(),
            collection_hashed_rwset: self
                .collections
                .iter()
                .map(CollHashedRwSet::message)
                .collect(),
        }
    }

    /// Whether anything is written here: a value, metadata, or a hash in a collection.
    pub fn has_writes(&self) -> bool {
        let hashed = |coll: &CollHashedRwSet| {
            !coll.hashed.hashed_writes.is_empty() || !coll.hashed.metadata_writes.is_empty()
        };
        !self.kv.writes.is_empty()
            || !self.kv.metadata_writes.is_empty()
            || self.collections.iter().any(hashed)
    }
}

// === impl CollHashedRwSet ===

impl CollHashedRwSet {
    fn parse(set: CollectionHashedReadWriteSet) -> Result<Self, Malformed> {
        let hashed = decode("HashedRWSet", &set.hashed_rwset)?;
        Ok(Self { name: set.collection_name, hashed, pvt_hash: set.pvt_rwset_hash })
    }

    fn message(&self) -> CollectionHashedReadWriteSet {
        CollectionHashedReadWriteSet {
            collection_name: self.name.clone(),
            hashed_rwset: self.hashed.encode_to_vec().into(),
            pvt_rwset_hash: self.pvt_hash.clone(),
        }
    }
}

/// The private part of a transaction's read-write set, which only members of its collections hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TxPvtRwSet {
    /// Namespaces in the order of the wire.
    pub namespaces: Vec<NsPvtRwSet>,
}

/// The private writes of one chaincode's namespace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NsPvtRwSet {
    /// The chaincode.
    pub namespace: String,
    /// Its collections.
    pub collections: Vec<CollPvtRwSet>,
}

/// The private writes of one collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollPvtRwSet {
    /// The collection.
    pub name: String,
    /// The write set's exact bytes: the public part holds their hash.
    pub bytes: Bytes,
    /// The same, parsed.
    pub kv: KvrwSet,
}

// === impl TxPvtRwSet ===

impl TxPvtRwSet {
    /// Reads a private set's bytes.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, Malformed> {
        Self::parse(decode("TxPvtReadWriteSet", bytes)?)
    }

    /// Reads a private set's message.
    pub fn parse(set: TxPvtReadWriteSet) -> Result<Self, Malformed> {
        let namespaces =
            set.ns_pvt_rwset.into_iter().map(NsPvtRwSet::parse).collect::<Result<_, _>>()?;
        Ok(Self { namespaces })
    }

    /// The message of this set, each write set in its exact bytes.
    pub fn message(&self) -> TxPvtReadWriteSet {
        let ns_pvt_rwset = self.namespaces.iter().map(NsPvtRwSet::message).collect();
        TxPvtReadWriteSet { data_model: 0, ns_pvt_rwset }
    }

    /// The bytes of [`Self::message`].
    pub fn to_bytes(&self) -> Bytes {
        self.message().encode_to_vec().into()
    }
}

// === impl NsPvtRwSet ===

impl NsPvtRwSet {
    fn parse(set: NsPvtReadWriteSet) -> Result<Self, Malformed> {
        let collections = set
            .collection_pvt_rwset
            .into_iter()
            .map(CollPvtRwSet::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { namespace: set.namespace, collections })
    }

    fn message(&self) -> NsPvtReadWriteSet {
        let message = |coll: &CollPvtRwSet| CollectionPvtReadWriteSet {
            collection_name: coll.name.clone(),
            rwset: coll.bytes.clone(),
        };
        NsPvtReadWriteSet {
            namespace: self.namespace.clone(),
            collection_pvt_rwset: self.collections.iter().map(message).collect(),
        }
    }
}

// === impl CollPvtRwSet ===

impl CollPvtRwSet {
    /// Encodes a write set for the first time.
    pub fn new(name: String, kv: KvrwSet) -> Self {
        Self { name, bytes: kv.encode_to_vec().into(), kv }
    }

    fn parse(set: CollectionPvtReadWriteSet) -> Result<Self, Malformed> {
        let kv = decode("KVRWSet", &set.rwset)?;
        Ok(Self { name: set.collection_name, bytes: set.rwset, kv })
    }

    /// What the public part must hold for these bytes to be the endorsed ones.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[&self.bytes])
    }
}

/// Whether a write removes its key: an empty value does so too.
pub fn write_is_delete(write: &KvWrite) -> bool {
    write.is_delete || write.value.is_empty()
}

/// Whether a hashed write removes its key: an empty hash and the hash of nothing do so too.
pub fn hashed_write_is_delete(write: &KvWriteHash) -> bool {
    write.is_delete || write.value_hash.is_empty() || write.value_hash == sha256(&[]).as_slice()
}
