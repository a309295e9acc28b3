//! The commit hash: one 32-byte value per block over verdicts and writes, chained over the blocks.
//!
//! Equal commit hashes on two peers prove equal validation and equal write sets (interface A.0.9).

use carecord_proto::carecord::ledger::KvWrite;
use carecord_proto::carecord::ledger::Updates as Covered;
use prost::Message;
use prost::encoding::encode_varint;

use crate::state::Version;
use crate::updates::Updates;

/// The hash of a block with these transaction flags and updates, after a block with hash `previous`.
pub fn commit_hash(flags: &[u8], updates: &Updates, previous: Option<&[u8; 32]>) -> [u8; 32] {
    let mut length = Vec::with_capacity(10);
    encode_varint(flags.len() as u64, &mut length);
    let covered = covered(updates).encode_to_vec();
    let previous = previous.map_or(&[][..], |hash| &hash[..]);
    carecord_proto::hash::sha256(&[&length, flags, &covered, previous])
}

/// Only the first row of a namespace names it, only the first of a collection names that; namespace `""`, where the
/// channel configuration lies, is left out.
fn covered(updates: &Updates) -> Covered {
    let mut kvwrites: Vec<KvWrite> = Vec::new();
    let (mut named_namespace, mut named_collection) = (None, None);
    for (place, row) in updates.rows() {
        if place.namespace.is_empty() {
            continue;
        }
        let new_namespace = named_namespace != Some(place.namespace);
        let new_collection = new_namespace || named_collection != Some(place.collection);
        (named_namespace, named_collection) = (Some(place.namespace), Some(place.collection));
        kvwrites.push(KvWrite {
            namespace: if new_namespace { place.namespace.to_owned() } else { String::new() },
            collection: match place.collection {
                Some(collection) if new_collection => collection.to_owned(),
                _ => String::new(),
            },
            key: bytes::Bytes::copy_from_slice(place.key),
            is_delete: row.value.is_none(),
            value: row.value.clone().unwrap_or_default(),
            version_bytes: version_bytes(row.version).into(),
        });
    }
    Covered { kvwrites }
}

/// Block and transaction number, each as one length byte and its minimal big-endian bytes.
pub(crate) fn version_bytes(version: Version) -> Vec<u8> {
    let mut out = Vec::with_capacity(18);
    for number in [version.block, version.tx] {
        let bytes = number.to_be_bytes();
        let skip = number.leading_zeros() as usize / 8;
        out.push((bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_with_minimal_length() {
        assert_eq!(version_bytes(Version { block: 0, tx: 0 }), [0, 0]);
        assert_eq!(version_bytes(Version { block: 255, tx: 256 }), [1, 255, 2, 1, 0]);
    }
}
