//! What one block changes: the merged writes of its valid transactions, one row per key.
//!
//! Place in the flow: MVCC reads it (a key written earlier in the block conflicts), the commit hash covers it, the
//! committer turns it into one write batch. Metadata merges as in interface rules 0.1.4 and 0.1.19.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::state::{EngineError, Key, StateView, Version, Versioned, WriteBatch};

/// The new state of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The new value (for a hashed key its hash); none for a delete.
    pub value: Option<Bytes>,
    /// The encoded metadata entries.
    pub metadata: Bytes,
    /// The transaction that wrote it.
    pub version: Version,
}

/// New rows by key, in key order.
pub type Rows = BTreeMap<Bytes, Row>;

/// The changes in one namespace.
#[derive(Debug, Clone, Default)]
pub struct NamespaceUpdates {
    /// Public keys.
    pub public: Rows,
    /// Hashed keys by collection.
    pub collections: BTreeMap<String, Rows>,
}

/// The changes of one block, in the order in which the commit hash takes them.
#[derive(Debug, Clone, Default)]
pub struct Updates {
    namespaces: BTreeMap<String, NamespaceUpdates>,
}

/// A key of public state (`collection` none) or of a collection's hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) collection: Option<&'a str>,
    pub(crate) key: &'a [u8],
}

impl<'a> Place<'a> {
    fn stored(self) -> Key<'a> {
        let Place { namespace, collection, key } = self;
        match collection {
            None => Key::Public { namespace, key },
            Some(collection) => Key::Hashed { namespace, collection, key_hash: key },
        }
    }

    pub(crate) fn read(self, state: StateView<'_>) -> Result<Option<Versioned>, EngineError> {
        match self.collection {
            None => state.public(self.namespace, self.key),
            Some(collection) => state.hashed(self.namespace, collection, self.key),
        }
    }
}

impl Updates {
    /// The changes by namespace.
    pub fn namespaces(&self) -> &BTreeMap<String, NamespaceUpdates> {
        &self.namespaces
    }

    /// The changed public keys of a namespace.
    pub fn public(&self, namespace: &str) -> Option<&Rows> {
        self.namespaces.get(namespace).map(|changes| &changes.public)
    }

    pub(crate) fn get(&self, place: Place<'_>) -> Option<&Row> {
        let changes = self.namespaces.get(place.namespace)?;
        match place.collection {
            None => changes.public.get(place.key),
            Some(collection) => changes.collections.get(collection)?.get(place.key),
        }
    }

    pub(crate) fn insert(&mut self, place: Place<'_>, row: Row) {
        if !self.namespaces.contains_key(place.namespace) {
            self.namespaces.insert(place.namespace.to_owned(), NamespaceUpdates::default());
        }
        let changes = self.namespaces.get_mut(place.namespace).expect("inserted above");
        let rows = match place.collection {
            None => &mut changes.public,
            Some(collection) => changes.collections.entry(collection.to_owned()).or_default(),
        };
        rows.insert(Bytes::copy_from_slice(place.key), row);
    }

    /// Every row with its place, in commit-hash order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Place<'_>, &Row)> {
        self.namespaces.iter().flat_map(|(namespace, changes)| {
            let public = changes
                .public
                .iter()
                .map(move |(key, row)| (Place { namespace, collection: None, key }, row));
            let hashed = changes.collections.iter().flat_map(move |(collection, rows)| {
                rows.iter().map(move |(key, row)| {
                    (Place { namespace, collection: Some(collection), key }, row)
                })
            });
            public.chain(hashed)
        })
    }

    /// Adds the rows to the block's write batch.
    pub(crate) fn write_to(&self, batch: &mut WriteBatch) {
        for (place, row) in self.rows() {
            let key = place.stored();
            match &row.value {
                None => batch.delete(key.column(), key.bytes()),
                Some(value) => {
                    let stored = Versioned {
                        value: value.clone(),
                        metadata: row.metadata.clone(),
                        version: row.version,
                    };
                    batch.put(key.column(), key.bytes(), stored.encode());
                }
            }
        }
    }
}
