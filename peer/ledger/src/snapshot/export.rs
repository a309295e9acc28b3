//! From a consistent view of state to files: every file in one order, whatever order the engine has.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::file::{Writer, sync_folder};
use super::record::Record;
use super::{
    CHUNK, CHUNK_BYTES, EXPIRIES, HASHED, HASHES, PUBLIC, Snapshot, SnapshotError, TX_IDS,
};
use crate::error::Error;
use crate::index::Savepoint;
use crate::state::{Column, EngineError, Key, Read, Versioned, damaged, split_name, successor};

/// Where rows of one namespace lie, and the name it has in a snapshot.
struct Namespace {
    name: String,
    prefix: Vec<u8>,
}

/// Writes the state that `reader` shows into the new folder `dir`, whose name the caller makes final.
pub(crate) fn export(
    reader: &dyn Read,
    channel: &str,
    savepoint: &Savepoint,
    previous_hash: &[u8],
    dir: &Path,
) -> Result<Snapshot, Error> {
    std::fs::create_dir_all(dir).map_err(SnapshotError::file(dir))?;
    let mut files = BTreeMap::new();
    files.extend(namespaces(reader, dir, PUBLIC, public(reader)?)?);
    files.extend(namespaces(reader, dir, HASHES, hashed(reader)?)?);
    files.extend(tx_ids(reader, dir)?);
    files.extend(expiries(reader, dir)?);
    let snapshot = Snapshot::write(dir, channel, savepoint, previous_hash, files)?;
    sync_folder(dir)?;
    Ok(snapshot)
}

/// Every row whose key begins with `prefix`, in the engine's order.
fn each(
    reader: &dyn Read,
    column: Column,
    prefix: &[u8],
    mut row: impl FnMut(&[u8], Bytes) -> Result<(), Error>,
) -> Result<u64, Error> {
    let end = successor(prefix.to_vec());
    let (mut from, mut count) = (prefix.to_vec(), 0);
    loop {
        let rows = reader.scan_within(column, &from, &end, CHUNK, CHUNK_BYTES)?;
        let Some((last, _)) = rows.last() else { return Ok(count) };
        from.clone_from(last);
        from.push(0);
        count += rows.len() as u64;
        for (key, value) in rows {
            row(&key, value)?;
        }
    }
}

/// The first key from `from` on and below `end`.
fn first(reader: &dyn Read, from: &[u8], end: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
    let rows = reader.scan(Column::State, from, end, 1)?;
    Ok(rows.into_iter().next().map(|(key, _)| key))
}

fn name(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (name, rest) = split_name(bytes)?;
    Some((String::from_utf8(name.to_vec()).ok()?, rest))
}

/// The namespaces of public keys, found by going from each to the next.
fn public(reader: &dyn Read) -> Result<Vec<Namespace>, Error> {
    let mut found = Vec::new();
    let mut from = vec![b'P'];
    while let Some(key) = first(reader, &from, b"Q")? {
        let (name, _) = name(&key[1..]).ok_or_else(|| damaged(&key))?;
        let prefix = Key::Public { namespace: &name, key: b"" }.bytes();
        from = successor(prefix.clone());
        found.push(Namespace { name, prefix });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The collections with hashed keys.
fn hashed(reader: &dyn Read) -> Result<Vec<Namespace>, Error> {
    let mut found = Vec::new();
    let mut from = vec![b'H'];
    while let Some(key) = first(reader, &from, b"I")? {
        let read = || {
            let (namespace, rest) = name(&key[1..])?;
            Some((namespace, name(rest)?.0))
        };
        let (namespace, collection) = read().ok_or_else(|| damaged(&key))?;
        let (namespace, collection) = (namespace.as_str(), collection.as_str());
        let prefix = Key::Hashed { namespace, collection, key_hash: b"" }.bytes();
        from = successor(prefix.clone());
        found.push(Namespace { name: format!("{namespace}{HASHED}{collection}"), prefix });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

type Files = Vec<(String, String)>;

fn namespaces(
    reader: &dyn Read,
    dir: &Path,
    stem: &str,
    namespaces: Vec<Namespace>,
) -> Result<Files, Error> {
    if namespaces.is_empty() {
        return Ok(Vec::new());
    }
    let mut data = Writer::create(dir.join(format!("{stem}.data")))?;
    let mut metadata = Writer::create(dir.join(format!("{stem}.metadata")))?;
    metadata.number(namespaces.len() as u64)?;
    for Namespace { name, prefix } in namespaces {
        let count = each(reader, Column::State, &prefix, |key, value| {
            let stored = Versioned::decode(value).ok_or_else(|| damaged(key))?;
            let key = Bytes::copy_from_slice(&key[prefix.len()..]);
            Ok(data.bytes(&Record::new(key, stored).encode_to_vec())?)
        })?;
        metadata.bytes(name.as_bytes())?;
        metadata.number(count)?;
    }
    Ok(vec![data.done()?, metadata.done()?])
}

/// Shorter ids first, as Fabric's index has them.
fn tx_ids(reader: &dyn Read, dir: &Path) -> Result<Files, Error> {
    let prefix = Key::TxId("").bytes();
    let mut by_length = BTreeMap::<usize, u64>::new();
    let count = each(reader, Column::Index, &prefix, |key, _| {
        *by_length.entry(key.len()).or_default() += 1;
        Ok(())
    })?;
    let mut data = Writer::create(dir.join(format!("{TX_IDS}.data")))?;
    let mut metadata = Writer::create(dir.join(format!("{TX_IDS}.metadata")))?;
    metadata.number(count)?;
    // Ids are hashes, all of one length; those of other lengths are what somebody made by hand and was refused for.
    for length in by_length.into_keys() {
        each(reader, Column::Index, &prefix, |key, _| match key.len() == length {
            true => Ok(data.bytes(&key[prefix.len()..])?),
            false => Ok(()),
        })?;
    }
    Ok(vec![data.done()?, metadata.done()?])
}

fn expiries(reader: &dyn Read, dir: &Path) -> Result<Files, Error> {
    let prefix = b"X";
    if reader.scan(Column::Index, prefix, b"Y", 1)?.is_empty() {
        return Ok(Vec::new());
    }
    let mut data = Writer::create(dir.join(format!("{EXPIRIES}.data")))?;
    let count = each(reader, Column::Index, prefix, |key, _| Ok(data.bytes(key)?))?;
    let mut metadata = Writer::create(dir.join(format!("{EXPIRIES}.metadata")))?;
    metadata.number(count)?;
    Ok(vec![data.done()?, metadata.done()?])
}
