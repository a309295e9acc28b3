//! Makes a read-write set in Fabric's order: everything sorted by its plain key, the last entry of a key wins,
//! range queries in the order of their first appearance.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::parsed::{CollHashedRwSet, CollPvtRwSet, NsPvtRwSet, NsRwSet, TxPvtRwSet, TxRwSet};
use super::ranges::kv_read;
use crate::generated::rwset::TxPvtReadWriteSet;
use crate::hash::sha256;
use crate::kvrwset::{
    HashedRwSet, KvMetadataEntry, KvMetadataWrite, KvMetadataWriteHash, KvRead, KvReadHash,
    KvWrite, KvWriteHash, KvrwSet, RangeQueryInfo, Version,
};

/// A key's metadata by name; empty means that the metadata is removed.
pub type KeyMetadata = BTreeMap<String, Bytes>;

/// Collects what a simulation does; nothing is looked at before [`RwSetBuilder::build`].
#[derive(Debug, Clone, Default)]
pub struct RwSetBuilder {
    public: BTreeMap<String, Namespace>,
    private: BTreeMap<String, BTreeMap<String, PvtCollection>>,
}

/// The two halves of a simulation's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The bytes that endorsers sign and orderers order.
    pub public: Bytes,
    /// What only members of the collections may get; `None` if nothing private was written.
    pub private: Option<TxPvtReadWriteSet>,
}

#[derive(Debug, Clone, Default)]
struct Namespace {
    reads: BTreeMap<String, KvRead>,
    writes: BTreeMap<String, KvWrite>,
    metadata_writes: BTreeMap<String, KvMetadataWrite>,
    ranges: Vec<RangeQueryInfo>,
    collections: BTreeMap<String, Collection>,
}

#[derive(Debug, Clone, Default)]
struct Collection {
    reads: BTreeMap<String, KvReadHash>,
    writes: BTreeMap<String, KvWriteHash>,
    metadata_writes: BTreeMap<String, KvMetadataWriteHash>,
    pvt_hash: Bytes,
}

#[derive(Debug, Clone, Default)]
struct PvtCollection {
    writes: BTreeMap<String, KvWrite>,
    metadata_writes: BTreeMap<String, KvMetadataWrite>,
}

// === impl RwSetBuilder ===

impl RwSetBuilder {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `key` was read as last written at `version` = (block, transaction); `None`: it was absent.
    pub fn add_read(&mut self, namespace: &str, key: &str, version: Option<(u64, u64)>) {
        self.namespace(namespace).reads.insert(key.to_owned(), kv_read(key, version));
    }

    /// Notes a write; an empty value is a delete.
    pub fn add_write(&mut self, namespace: &str, key: &str, value: Bytes) {
        self.namespace(namespace).writes.insert(key.to_owned(), write(key, value));
    }

    /// Notes that the metadata of `key` becomes `metadata`.
    pub fn add_metadata_write(&mut self, namespace: &str, key: &str, metadata: &KeyMetadata) {
        let write = KvMetadataWrite { key: key.to_owned(), entries: entries(metadata) };
        self.namespace(namespace).metadata_writes.insert(key.to_owned(), write);
    }

    /// Notes a range query; the same range, equally far exhausted, is kept once.
    pub fn add_range_query(&mut self, namespace: &str, info: RangeQueryInfo) {
        let ranges = &mut self.namespace(namespace).ranges;
        let same = |known: &RangeQueryInfo| {
            known.start_key == info.start_key
                && known.end_key == info.end_key
                && known.itr_exhausted == info.itr_exhausted
        };
        if !ranges.iter().any(same) {
            ranges.push(info);
        }
    }

    /// Notes that a private key, or its hash, was read.
    pub fn add_hashed_read(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        version: Option<(u64, u64)>,
    ) {
        let version = version.map(|(block_num, tx_num)| Version { block_num, tx_num });
        let read = KvReadHash { key_hash: key_hash(key), version };
        self.collection(namespace, collection).reads.insert(key.to_owned(), read);
    }

    /// Notes a private write: the value for the members, its hash for everybody.
    pub fn add_private_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Bytes,
    ) {
        self.private_write(namespace, collection, key, value, false);
    }

    /// Notes that a private key is to vanish from every peer's history too.
    pub fn add_private_purge(&mut self, namespace: &str, collection: &str, key: &str) {
        self.private_write(namespace, collection, key, Bytes::new(), true);
    }

    /// Notes a private key's metadata: the members learn only which key, everybody the entries under its hash.
    pub fn add_private_metadata_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: &KeyMetadata,
    ) {
        let plain = KvMetadataWrite { key: key.to_owned(), entries: Vec::new() };
        let hashed = KvMetadataWriteHash { key_hash: key_hash(key), entries: entries(metadata) };
        self.pvt_collection(namespace, collection).metadata_writes.insert(key.to_owned(), plain);
        self.collection(namespace, collection).metadata_writes.insert(key.to_owned(), hashed);
    }

    /// Both halves, in their final bytes.
    pub fn build(mut self) -> Results {
        let private = self.build_private();
        for namespace in &private.namespaces {
            for coll in &namespace.collections {
                let hash = Bytes::copy_from_slice(&coll.hash());
                self.collection(&namespace.namespace, &coll.name).pvt_hash = hash;
            }
        }
        let namespaces =
            self.public.into_iter().map(|(name, namespace)| namespace.build(name)).collect();
        Results {
            public: TxRwSet { namespaces }.to_bytes(),
            private: (!private.namespaces.is_empty()).then(|| private.message()),
        }
    }

    fn build_private(&mut self) -> TxPvtRwSet {
        let build =
            |(namespace, collections): (String, BTreeMap<String, PvtCollection>)| NsPvtRwSet {
                namespace,
                collections: collections.into_iter().map(|(name, coll)| coll.build(name)).collect(),
            };
        TxPvtRwSet {
            namespaces: std::mem::take(&mut self.private).into_iter().map(build).collect(),
        }
    }

    fn private_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Bytes,
        is_purge: bool,
    ) {
        let plain = write(key, value);
        let value_hash = match plain.is_delete {
            true => Bytes::new(),
            false => Bytes::copy_from_slice(&sha256(&[&plain.value])),
        };
        let hashed = KvWriteHash {
            key_hash: key_hash(key),
            is_delete: plain.is_delete,
            value_hash,
            is_purge,
        };
        self.pvt_collection(namespace, collection).writes.insert(key.to_owned(), plain);
        self.collection(namespace, collection).writes.insert(key.to_owned(), hashed);
    }

    fn namespace(&mut self, namespace: &str) -> &mut Namespace {
        self.public.entry(namespace.to_owned()).or_default()
    }

    fn collection(&mut self, namespace: &str, collection: &str) -> &mut Collection {
        self.namespace(namespace).collections.entry(collection.to_owned()).or_default()
    }

    fn pvt_collection(&mut self, namespace: &str, collection: &str) -> &mut PvtCollection {
        let namespace = self.private.entry(namespace.to_owned()).or_default();
        namespace.entry(collection.to_owned()).or_default()
    }
}

// === impl Namespace ===

impl Namespace {
    fn build(self, namespace: String) -> NsRwSet {
        let kv = KvrwSet {
            reads: self.reads.into_values().collect(),
            range_queries_info: self.ranges,
            writes: self.writes.into_values().collect(),
            metadata_writes: self.metadata_writes.into_values().collect(),
        };
        let collections =
            self.collections.into_iter().map(|(name, coll)| coll.build(name)).collect();
        NsRwSet { namespace, kv, collections }
    }
}

// === impl Collection ===

impl Collection {
    fn build(self, name: String) -> CollHashedRwSet {
        let hashed = HashedRwSet {
            hashed_reads: self.reads.into_values().collect(),
            hashed_writes: self.writes.into_values().collect(),
            metadata_writes: self.metadata_writes.into_values().collect(),
        };
        CollHashedRwSet { name, hashed, pvt_hash: self.pvt_hash }
    }
}

// === impl PvtCollection ===

impl PvtCollection {
    fn build(self, name: String) -> CollPvtRwSet {
        let kv = KvrwSet {
            writes: self.writes.into_values().collect(),
            metadata_writes: self.metadata_writes.into_values().collect(),
            ..KvrwSet::default()
        };
        CollPvtRwSet::new(name, kv)
    }
}

fn write(key: &str, value: Bytes) -> KvWrite {
    KvWrite { key: key.to_owned(), is_delete: value.is_empty(), value }
}

fn key_hash(key: &str) -> Bytes {
    Bytes::copy_from_slice(&sha256(&[key.as_bytes()]))
}

fn entries(metadata: &KeyMetadata) -> Vec<KvMetadataEntry> {
    let entry = |(name, value): (&String, &Bytes)| KvMetadataEntry {
        name: name.clone(),
        value: value.clone(),
    };
    metadata.iter().map(entry).collect()
}
