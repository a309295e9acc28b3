//! How the write set of one valid transaction joins the block's updates.
//!
//! Fabric keeps one set of flags per key and *adds* to it for each write that names the key; the sum decides. In an
//! ordinary write set a key has at most one value write and one metadata write, and the sum means what it says:
//!
//! | written | result |
//! |---|---|
//! | value | the value, with the key's latest metadata |
//! | value and metadata | both |
//! | metadata only | the latest value, the new metadata; nothing if the key is absent |
//! | delete, with or without metadata | the key and its metadata go |
//!
//! A handmade write set may name a key more often (1 + 1 reads as "metadata only"); the sum is kept as Fabric has it,
//! since it changes state and commit hash.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_proto::kvrwset::KvMetadataEntry;
use carecord_proto::rwset::{TxRwSet, hashed_write_is_delete, write_is_delete};

use crate::state::{EngineError, StateView, Version, encode_entries};
use crate::updates::{Place, Row, Updates};

const VALUE: u8 = 1;
const METADATA: u8 = 2;
const NO_METADATA: u8 = 4;
const DELETE: u8 = 8;

#[derive(Default)]
struct Operation {
    flags: u8,
    value: Bytes,
    metadata: Bytes,
}

impl Operation {
    fn add(&mut self, flag: u8) {
        self.flags = self.flags.wrapping_add(flag);
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

type Operations<'a> = BTreeMap<Place<'a>, Operation>;

/// Merges the writes of the transaction at `version` into `updates`.
pub(crate) fn apply(
    updates: &mut Updates,
    writes: &TxRwSet,
    version: Version,
    state: StateView<'_>,
) -> Result<(), EngineError> {
    let mut rows = Vec::new();
    for (place, operation) in collect(writes) {
        if let Some(row) = resolve(place, operation, version, updates, state)? {
            rows.push((place, row));
        }
    }
    for (place, row) in rows {
        updates.insert(place, row);
    }
    Ok(())
}

fn collect(writes: &TxRwSet) -> Operations<'_> {
    let mut operations = Operations::new();
    for ns in &writes.namespaces {
        let place = |key| Place { namespace: &ns.namespace, collection: None, key };
        for write in &ns.kv.writes {
            let operation = operations.entry(place(write.key.as_bytes())).or_default();
            value(operation, &write.value, write_is_delete(write));
        }
        for write in &ns.kv.metadata_writes {
            let operation = operations.entry(place(write.key.as_bytes())).or_default();
            metadata(operation, &write.entries);
        }
        for collection in &ns.collections {
            let name = collection.name.as_str();
            let place = |key| Place { namespace: &ns.namespace, collection: Some(name), key };
            for write in &collection.hashed.hashed_writes {
                let operation = operations.entry(place(&write.key_hash[..])).or_default();
                value(operation, &write.value_hash, hashed_write_is_delete(write));
            }
            for write in &collection.hashed.metadata_writes {
                let operation = operations.entry(place(&write.key_hash[..])).or_default();
                metadata(operation, &write.entries);
            }
        }
    }
    operations
}

fn value(operation: &mut Operation, value: &Bytes, is_delete: bool) {
    if is_delete {
        operation.add(DELETE);
    } else {
        operation.add(VALUE);
        operation.value = value.clone();
    }
}

fn metadata(operation: &mut Operation, entries: &[KvMetadataEntry]) {
    if entries.is_empty() {
        operation.add(NO_METADATA);
    } else {
        operation.add(METADATA);
        operation.metadata = encode_entries(entries);
    }
}

fn resolve(
    place: Place<'_>,
    operation: Operation,
    version: Version,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Row>, EngineError> {
    let Operation { value, metadata, .. } = &operation;
    let row = |value: Option<Bytes>, metadata: Bytes| Some(Row { value, metadata, version });
    if operation.has(DELETE) {
        return Ok(row(None, Bytes::new()));
    }
    if operation.has(VALUE) && operation.has(METADATA | NO_METADATA) {
        return Ok(row(Some(value.clone()), metadata.clone()));
    }
    let latest = latest(place, preceding, state)?;
    if operation.flags == VALUE {
        let metadata = latest.map(|(_, metadata)| metadata).unwrap_or_default();
        return Ok(row(Some(value.clone()), metadata));
    }
    Ok(latest.and_then(|(value, _)| row(Some(value?), metadata.clone())))
}

/// Value and metadata after the transactions before this one; a key deleted earlier in the block has no value.
fn latest(
    place: Place<'_>,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<(Option<Bytes>, Bytes)>, EngineError> {
    if let Some(row) = preceding.get(place) {
        return Ok(Some((row.value.clone(), row.metadata.clone())));
    }
    Ok(place.read(state)?.map(|stored| (Some(stored.value), stored.metadata)))
}
