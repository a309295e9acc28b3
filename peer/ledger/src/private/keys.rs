//! The layout of the folder `private`, in one place; all rows are in the engine's column for private data.
//!
//! | key | value |
//! |---|---|
//! | `T` tx id, height, source, digest | a private write set on its way, from an endorsement here or another peer |
//! | `A` height, tx id | nothing; finds the old ones |
//! | `D` block, position, namespace, collection | the write set committed there: a tag, then its bytes |
//! | `W` namespace, collection, key hash, block, position | nothing; which kept write sets name a key |
//! | `E` ending block, block, position, namespace, collection | nothing; when block-to-live ends a write set |
//! | `M` !block, position, namespace, collection | what this peer should hold and does not: tx id, hash |
//! | `P` namespace, collection, key hash | block and position of the last purge of the key, and whether its bytes are gone |
//! | `Z` namespace, collection, key hash | a purge whose bytes may still be in a file |
//! | `Q` namespace, !block | the collections that a definition in that block brought |
//!
//! Names are preceded by their length, numbers are big-endian, `!n` is the complement: what is newest comes first.

use crate::state::{Column, name, split_name, successor};

/// The column of every row here.
pub(super) const COLUMN: Column = Column::Private;

/// Bytes of a write set's hash that tell two sets of one transaction apart.
pub(super) const DIGEST_BYTES: usize = 8;

/// Where a collection's part of a transaction was committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The block.
    pub block: u64,
    /// The transaction's position in it.
    pub tx: u64,
    /// The chaincode.
    pub namespace: String,
    /// The collection.
    pub collection: String,
}

/// A key of a collection, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashedKey {
    /// The chaincode.
    pub namespace: String,
    /// The collection.
    pub collection: String,
    /// SHA-256 of the key.
    pub key_hash: Vec<u8>,
}

pub(super) fn transient(tx_id: &str, height: u64, source: &str, digest: &[u8]) -> Vec<u8> {
    let mut out = transient_at(tx_id, height);
    name(&mut out, source.as_bytes());
    out.extend_from_slice(digest);
    out
}

/// Everything noted for a transaction at a height.
pub(super) fn transient_at(tx_id: &str, height: u64) -> Vec<u8> {
    let mut out = transient_of(tx_id);
    out.extend_from_slice(&height.to_be_bytes());
    out
}

/// Everything noted for a transaction.
pub(super) fn transient_of(tx_id: &str) -> Vec<u8> {
    let mut out = vec![b'T'];
    name(&mut out, tx_id.as_bytes());
    out
}

/// Transaction, height and source of a stored set.
pub(super) fn read_transient(stored: &[u8]) -> Option<(&str, u64, &str)> {
    let (tx_id, rest) = split_name(stored.strip_prefix(b"T")?)?;
    let (height, rest) = rest.split_first_chunk::<8>()?;
    // Rows of the first version end here.
    let source = if rest.is_empty() { &[][..] } else { split_name(rest)?.0 };
    let (tx_id, source) = (std::str::from_utf8(tx_id).ok()?, std::str::from_utf8(source).ok()?);
    Some((tx_id, u64::from_be_bytes(*height), source))
}

pub(super) fn age(height: u64, tx_id: &str) -> Vec<u8> {
    [b"A", &height.to_be_bytes()[..], tx_id.as_bytes()].concat()
}

pub(super) fn read_age(stored: &[u8]) -> Option<(u64, &str)> {
    let (height, tx_id) = stored.strip_prefix(b"A")?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*height), std::str::from_utf8(tx_id).ok()?))
}

pub(super) fn kept(spot: &Spot) -> Vec<u8> {
    let mut out = kept_of(spot.block);
    spot_rest(&mut out, spot);
    out
}

/// Everything kept of a block.
pub(super) fn kept_of(block: u64) -> Vec<u8> {
    [b"D", &block.to_be_bytes()[..]].concat()
}

pub(super) fn read_kept(stored: &[u8]) -> Option<Spot> {
    let (block, rest) = stored.strip_prefix(b"D")?.split_first_chunk::<8>()?;
    read_spot(u64::from_be_bytes(*block), rest)
}

pub(super) fn writer(key: &HashedKey, block: u64, tx: u64) -> Vec<u8> {
    let mut out = writers_of(key);
    out.extend_from_slice(&block.to_be_bytes());
    out.extend_from_slice(&tx.to_be_bytes());
    out
}

/// Every kept write set that names a key.
pub(super) fn writers_of(key: &HashedKey) -> Vec<u8> {
    hashed(b'W', key)
}

/// Block and position at the end of a stored writer.
pub(super) fn read_writer(stored: &[u8]) -> Option<(u64, u64)> {
    let (rest, tx) = stored.split_last_chunk::<8>()?;
    let (_, block) = rest.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*block), u64::from_be_bytes(*tx)))
}

pub(super) fn ending(at: u64, spot: &Spot) -> Vec<u8> {
    let mut out = endings_of(at);
    out.extend_from_slice(&spot.block.to_be_bytes());
    spot_rest(&mut out, spot);
    out
}

/// What ends with a block.
pub(super) fn endings_of(at: u64) -> Vec<u8> {
    [b"E", &at.to_be_bytes()[..]].concat()
}

pub(super) fn read_ending(stored: &[u8]) -> Option<Spot> {
    let (_, rest) = stored.strip_prefix(b"E")?.split_first_chunk::<8>()?;
    let (block, rest) = rest.split_first_chunk::<8>()?;
    read_spot(u64::from_be_bytes(*block), rest)
}

pub(super) fn missing(spot: &Spot) -> Vec<u8> {
    let mut out = [b"M", &(!spot.block).to_be_bytes()[..]].concat();
    spot_rest(&mut out, spot);
    out
}

pub(super) fn read_missing(stored: &[u8]) -> Option<Spot> {
    let (block, rest) = stored.strip_prefix(b"M")?.split_first_chunk::<8>()?;
    read_spot(!u64::from_be_bytes(*block), rest)
}

pub(super) fn purged(key: &HashedKey) -> Vec<u8> {
    hashed(b'P', key)
}

pub(super) fn pending(key: &HashedKey) -> Vec<u8> {
    hashed(b'Z', key)
}

pub(super) fn read_pending(stored: &[u8]) -> Option<HashedKey> {
    let (namespace, rest) = split_name(stored.strip_prefix(b"Z")?)?;
    let (collection, rest) = split_name(rest)?;
    let (key_hash, _) = split_name(rest)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let (namespace, collection) = (text(namespace)?, text(collection)?);
    Some(HashedKey { namespace, collection, key_hash: key_hash.to_vec() })
}

pub(super) fn collections(namespace: &str, block: u64) -> Vec<u8> {
    let mut out = vec![b'Q'];
    name(&mut out, namespace.as_bytes());
    out.extend_from_slice(&(!block).to_be_bytes());
    out
}

/// The range of all rows whose key begins like this.
pub(super) fn all(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (prefix.to_vec(), successor(prefix.to_vec()))
}

fn hashed(kind: u8, key: &HashedKey) -> Vec<u8> {
    let mut out = vec![kind];
    name(&mut out, key.namespace.as_bytes());
    name(&mut out, key.collection.as_bytes());
    name(&mut out, &key.key_hash);
    out
}

fn spot_rest(out: &mut Vec<u8>, spot: &Spot) {
    out.extend_from_slice(&spot.tx.to_be_bytes());
    name(out, spot.namespace.as_bytes());
    name(out, spot.collection.as_bytes());
}

fn read_spot(block: u64, rest: &[u8]) -> Option<Spot> {
    let (tx, rest) = rest.split_first_chunk::<8>()?;
    let (namespace, rest) = split_name(rest)?;
    let (collection, _) = split_name(rest)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let (namespace, collection) = (text(namespace)?, text(collection)?);
    Some(Spot { block, tx: u64::from_be_bytes(*tx), namespace, collection })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(block: u64) -> Spot {
        Spot { block, tx: 3, namespace: "cc".to_owned(), collection: "wards".to_owned() }
    }

    #[test]
    fn rows_read_back() {
        assert_eq!(read_kept(&kept(&spot(7))), Some(spot(7)));
        assert_eq!(read_missing(&missing(&spot(7))), Some(spot(7)));
        assert_eq!(read_ending(&ending(9, &spot(7))), Some(spot(7)));
        assert_eq!(read_age(&age(5, "tx")), Some((5, "tx")));
        let set = transient("tx", 5, "AMSP", &[1; DIGEST_BYTES]);
        assert_eq!(read_transient(&set), Some(("tx", 5, "AMSP")));
        assert_eq!(read_transient(&transient_at("tx", 5)), Some(("tx", 5, "")), "first version");
        let key = HashedKey {
            namespace: "cc".to_owned(),
            collection: "wards".to_owned(),
            key_hash: vec![9; 32],
        };
        assert_eq!(read_pending(&pending(&key)), Some(key.clone()));
        assert_eq!(read_writer(&writer(&key, 4, 2)), Some((4, 2)));
    }

    /// Stored bytes: a change here needs another format and a way from the old one.
    #[test]
    fn every_row_has_its_fixed_place() {
        let number = |low: u8| format!("\0\0\0\0\0\0\0{}", char::from(low));
        let (ns, c) = ("\0\0\0\x02cc", "\0\0\0\x05wards");
        let (three, seven) = (number(3), number(7));
        let hashed = format!("{ns}{c}\0\0\0\x01h");
        let key = HashedKey {
            namespace: "cc".to_owned(),
            collection: "wards".to_owned(),
            key_hash: b"h".to_vec(),
        };
        let rows = [
            (transient("t", 7, "A", b"d"), format!("T\0\0\0\x01t{seven}\0\0\0\x01Ad")),
            (transient_at("t", 7), format!("T\0\0\0\x01t{seven}")),
            (age(7, "t"), format!("A{seven}t")),
            (kept(&spot(7)), format!("D{seven}{three}{ns}{c}")),
            (writer(&key, 7, 3), format!("W{hashed}{seven}{three}")),
            (ending(3, &spot(7)), format!("E{three}{seven}{three}{ns}{c}")),
            (purged(&key), format!("P{hashed}")),
            (pending(&key), format!("Z{hashed}")),
        ];
        for (bytes, expected) in rows {
            assert_eq!(bytes, expected.as_bytes());
        }
    }

    #[test]
    fn what_is_missing_longest_is_asked_for_last() {
        assert!(missing(&spot(9)) < missing(&spot(8)));
    }

    #[test]
    fn a_damaged_row_is_no_row() {
        for cut in 0..kept(&spot(7)).len() {
            assert_eq!(read_kept(&kept(&spot(7))[..cut]), None);
        }
    }
}
