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

#[cfg(test)]
mod tests {
    use carecord_proto::kvrwset::{KvMetadataWrite, KvWrite, KvrwSet};
    use carecord_proto::rwset::NsRwSet;

    use super::*;
    use crate::state::{Engine, MemoryEngine, WriteBatch};

    /// One write of the key `k`: `v…` a value, `d` a delete, `m…` metadata, `-` no metadata.
    fn rwset(writes: &str) -> TxRwSet {
        let mut kv = KvrwSet::default();
        for write in writes.split_whitespace() {
            let (kind, rest) = write.split_at(1);
            let entry = KvMetadataEntry { name: rest.to_owned(), value: Bytes::from_static(b"x") };
            let value =
                |is_delete| KvWrite { key: "k".into(), is_delete, value: rest.to_owned().into() };
            let metadata = |entries| KvMetadataWrite { key: "k".into(), entries };
            match kind {
                "v" => kv.writes.push(value(false)),
                "d" => kv.writes.push(value(true)),
                "m" => kv.metadata_writes.push(metadata(vec![entry])),
                _ => kv.metadata_writes.push(metadata(Vec::new())),
            }
        }
        let ns = NsRwSet { namespace: "ns".into(), kv, collections: Vec::new() };
        TxRwSet { namespaces: vec![ns] }
    }

    /// What becomes of `k` in one block of transactions separated by `|`, as `value/metadata@tx`.
    fn check(committed: &str, block: &str, expected: &str) {
        let engine = MemoryEngine::default();
        let version = |block, tx| Version { block, tx };
        let mut before = Updates::default();
        let state = |engine: &MemoryEngine, writes: &str, updates: &mut Updates, version| {
            let snapshot = engine.snapshot();
            apply(updates, &rwset(writes), version, StateView::new(&*snapshot)).unwrap();
        };
        state(&engine, committed, &mut before, version(1, 0));
        let mut batch = WriteBatch::default();
        before.write_to(&mut batch);
        engine.write(batch).unwrap();
        let mut updates = Updates::default();
        for (tx, writes) in (0..).zip(block.split('|')) {
            state(&engine, writes, &mut updates, version(2, tx));
        }
        let row = updates.get(Place { namespace: "ns", collection: None, key: b"k" });
        let found = row.map_or_else(
            || "unchanged".to_owned(),
            |row| {
                let value = row
                    .value
                    .as_ref()
                    .map_or_else(|| "deleted".into(), |v| v.escape_ascii().to_string());
                let metadata = crate::state::decode_entries(&row.metadata);
                let metadata: Vec<_> = metadata.iter().map(|entry| entry.name.as_str()).collect();
                format!("{value}/{}@{}", metadata.join(","), row.version.tx)
            },
        );
        assert_eq!(found, expected, "{committed} then {block}");
    }

    #[test]
    fn values_and_metadata_merge_as_in_fabric() {
        check("", "va", "a/@0");
        check("va mp", "vb", "b/p@0");
        check("va mp", "vb mq", "b/q@0");
        check("va mp", "vb -", "b/@0");
        check("va mp", "mq", "a/q@0");
        check("va mp", "-", "a/@0");
        check("va mp", "d", "deleted/@0");
        check("va mp", "d mq", "deleted/@0");
        check("va mp", "v", "deleted/@0");
        check("", "mq", "unchanged");
        check("", "d", "deleted/@0");
    }

    #[test]
    fn transactions_of_a_block_see_each_other() {
        check("va mp", "vb|mq", "b/q@1");
        check("va mp", "mq|vb", "b/q@1");
        check("va mp", "d|mq", "deleted/@0");
        check("va mp", "d|vb", "b/@1");
        check("", "va|mq|vb", "b/q@2");
        check("", "mq|va", "a/@1");
    }

    #[test]
    fn repeated_writes_of_a_key_sum_their_flags() {
        check("", "va vb", "unchanged");
        check("vo mp", "va vb", "o/@0");
        check("vo mp", "va vb vc", "c/@0");
        check("vo mp", "d d", "o/@0");
        check("", "d d", "unchanged");
        check("vo mp", "mq mr", "o/r@0");
        check("vo mp", "va d", "deleted/@0");
    }
}
