//! One row of state in a snapshot, as Fabric's `SnapshotRecord`.

use bytes::Bytes;

use crate::commit_hash::version_bytes;
use crate::state::{Version, Versioned};

/// A key with what is stored under it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) metadata: Bytes,
    /// Block and transaction, each as one length byte and its minimal big-endian bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) version: Bytes,
}

impl Record {
    pub(super) fn new(key: Bytes, stored: Versioned) -> Self {
        let Versioned { value, metadata, version } = stored;
        Record { key, value, metadata, version: version_bytes(version).into() }
    }

    /// Key and content; none if the version is not one.
    pub(super) fn open(self) -> Option<(Bytes, Versioned)> {
        let (block, rest) = number(&self.version)?;
        let (tx, rest) = number(rest)?;
        let version = Version { block, tx };
        let stored = Versioned { value: self.value, metadata: self.metadata, version };
        rest.is_empty().then_some((self.key, stored))
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    if digits.len() > 8 {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_with_its_version() {
        for (block, tx) in [(0, 0), (1, 255), (256, u64::MAX)] {
            let version = Version { block, tx };
            let (value, metadata) = (Bytes::from_static(b"v"), Bytes::from_static(b"m"));
            let stored = Versioned { value, metadata, version };
            let record = Record::new(Bytes::from_static(b"k"), stored.clone());
            assert_eq!(record.open(), Some((Bytes::from_static(b"k"), stored)));
        }
        let odd = Record { version: Bytes::from_static(b"\x01\x01"), ..Record::default() };
        assert_eq!(odd.open(), None);
    }
}
