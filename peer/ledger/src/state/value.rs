//! A stored value with the height at which it was written, and its encoding.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use carecord_proto::kvrwset;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint};

/// First byte of every stored value; a new encoding takes the next number.
const FORMAT: u8 = 1;

/// The height at which a key was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// Block number.
    pub block: u64,
    /// Position of the transaction in the block.
    pub tx: u64,
}

impl From<&kvrwset::Version> for Version {
    fn from(version: &kvrwset::Version) -> Self {
        Version { block: version.block_num, tx: version.tx_num }
    }
}

impl From<Version> for kvrwset::Version {
    fn from(version: Version) -> Self {
        kvrwset::Version { block_num: version.block, tx_num: version.tx }
    }
}

/// A committed value, its metadata and its height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The value; for a hashed key the hash of the value.
    pub value: Bytes,
    /// The encoded metadata entries, empty if there are none.
    pub metadata: Bytes,
    /// Where the key was last written.
    pub version: Version,
}

impl Versioned {
    /// The bytes to store.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(24 + self.metadata.len() + self.value.len());
        out.put_u8(FORMAT);
        encode_varint(self.version.block, &mut out);
        encode_varint(self.version.tx, &mut out);
        encode_varint(self.metadata.len() as u64, &mut out);
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(&self.value);
        out.freeze()
    }

    /// The stored bytes read back, without copying the value.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        if !bytes.has_remaining() || bytes.get_u8() != FORMAT {
            return None;
        }
        let block = decode_varint(&mut bytes).ok()?;
        let tx = decode_varint(&mut bytes).ok()?;
        let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        if length > bytes.len() {
            return None;
        }
        let metadata = bytes.split_to(length);
        Some(Versioned { value: bytes, metadata, version: Version { block, tx } })
    }

    /// The metadata entries by name.
    pub fn entries(&self) -> Vec<kvrwset::KvMetadataEntry> {
        decode_entries(&self.metadata)
    }
}

/// Metadata entries as they are stored.
pub(crate) fn encode_entries(entries: &[kvrwset::KvMetadataEntry]) -> Bytes {
    let holder = kvrwset::KvMetadataWrite { key: String::new(), entries: entries.to_vec() };
    holder.encode_to_vec().into()
}

/// Stored metadata entries read back; what we stored ourselves always decodes.
pub(crate) fn decode_entries(stored: &Bytes) -> Vec<kvrwset::KvMetadataEntry> {
    kvrwset::KvMetadataWrite::decode(stored.clone())
        .map(|holder| holder.entries)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_damage_is_noticed() {
        let value = Versioned {
            value: Bytes::from_static(b"v"),
            metadata: Bytes::from_static(b"md"),
            version: Version { block: 300, tx: 7 },
        };
        assert_eq!(Versioned::decode(value.encode()), Some(value.clone()));
        assert_eq!(Versioned::decode(Bytes::new()), None);
        assert_eq!(Versioned::decode(value.encode().slice(..5)), None);
        assert_eq!(Versioned::decode(Bytes::from_static(b"\x02\x01\x01\x00")), None);
    }
}
