//! Write sets: on their way, as they are kept, and as a purge leaves them.

use bytes::Bytes;
use carecord_proto::hash::sha256;
use carecord_proto::kvrwset::{HashedRwSet, KvrwSet};
use carecord_proto::rwset::{CollPvtRwSet, hashed_write_is_delete, write_is_delete};
use prost::Message;

use super::keys::{HashedKey, Spot};
use crate::state::{EngineError, damaged};

/// In front of a kept set: it has the bytes whose hash is in the block, or a purge has taken something out of it.
/// Sets of the first version have no tag and begin like any message, with at least 8.
const WHOLE: u8 = 0;
const TRIMMED: u8 = 1;

/// The private writes of one transaction in one collection, as this peer keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Where they were committed.
    pub spot: Spot,
    /// Their bytes: those of the block's hash, unless a purge has trimmed them.
    pub bytes: Bytes,
    /// The same, parsed.
    pub kv: KvrwSet,
    /// Whether a purge took something out of them.
    pub trimmed: bool,
    /// The block with which they end, if they do.
    pub(crate) ends: Option<u64>,
}

// === impl Held ===

impl Held {
    pub(super) fn whole(spot: Spot, set: CollPvtRwSet, ends: Option<u64>) -> Self {
        Self { spot, bytes: set.bytes, kv: set.kv, trimmed: false, ends }
    }

    /// A set that another peer has sent.
    pub(super) fn received(spot: Spot, bytes: Bytes, ends: Option<u64>) -> Option<Self> {
        let kv = KvrwSet::decode(bytes.clone()).ok()?;
        Some(Self { spot, bytes, kv, trimmed: false, ends })
    }

    pub(super) fn read(spot: Spot, stored: Bytes) -> Result<Self, EngineError> {
        let trimmed = stored.first() == Some(&TRIMMED);
        let tagged = stored.first().is_some_and(|tag| [WHOLE, TRIMMED].contains(tag));
        let bytes = if tagged { stored.slice(1..) } else { stored };
        let kv = KvrwSet::decode(bytes.clone()).map_err(|_| damaged(b"private write set"))?;
        Ok(Self { spot, bytes, kv, trimmed, ends: None })
    }

    pub(super) fn stored(&self) -> Bytes {
        let tag = if self.trimmed { TRIMMED } else { WHOLE };
        [&[tag], &self.bytes[..]].concat().into()
    }

    /// SHA-256 of the bytes, which the block has unless a purge has trimmed them.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[&self.bytes])
    }

    /// The keys that it names, each by its hash.
    pub(super) fn keys(&self) -> impl Iterator<Item = HashedKey> + '_ {
        let writes = self.kv.writes.iter().map(|write| &write.key);
        let metadata = self.kv.metadata_writes.iter().map(|write| &write.key);
        writes.chain(metadata).map(|key| HashedKey {
            namespace: self.spot.namespace.clone(),
            collection: self.spot.collection.clone(),
            key_hash: sha256(&[key.as_bytes()]).to_vec(),
        })
    }

    /// Takes out the keys that `is_purged` says, and with them their bytes.
    pub(super) fn trim(
        &mut self,
        is_purged: impl Fn(&HashedKey) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError> {
        let mut gone = Vec::new();
        for key in self.keys() {
            if is_purged(&key)? {
                gone.push(key.key_hash);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let stays = |key: &str| !gone.iter().any(|hash| hash[..] == sha256(&[key.as_bytes()]));
        self.kv.writes.retain(|write| stays(&write.key));
        self.kv.metadata_writes.retain(|write| stays(&write.key));
        self.bytes = self.kv.encode_to_vec().into();
        self.trimmed = true;
        Ok(())
    }

    /// Whether these are the writes that a block names by hashes, but for keys that `is_purged` says.
    ///
    /// This is how a set is recognised that its sender has trimmed: nothing in it that the block does not have, and
    /// nothing left out that this peer does not know to be purged.
    pub(super) fn is_rest_of(
        &self,
        hashed: &HashedRwSet,
        is_purged: impl Fn(&HashedKey) -> Result<bool, EngineError>,
    ) -> Result<bool, EngineError> {
        let mut writes = self.kv.writes.iter().peekable();
        for named in &hashed.hashed_writes {
            let next =
                writes.next_if(|write| named.key_hash == sha256(&[write.key.as_bytes()])[..]);
            let fits = match next {
                Some(write) if write_is_delete(write) => hashed_write_is_delete(named),
                Some(write) => named.value_hash == sha256(&[&write.value])[..],
                None => is_purged(&HashedKey {
                    namespace: self.spot.namespace.clone(),
                    collection: self.spot.collection.clone(),
                    key_hash: named.key_hash.to_vec(),
                })?,
            };
            if !fits {
                return Ok(false);
            }
        }
        let named = |key: &str| {
            let hash = sha256(&[key.as_bytes()]);
            hashed.metadata_writes.iter().any(|write| write.key_hash == hash[..])
        };
        let nothing_else = self.kv.reads.is_empty() && self.kv.range_queries_info.is_empty();
        let metadata = self.kv.metadata_writes.iter();
        Ok(writes.next().is_none()
            && nothing_else
            && metadata.clone().all(|write| write.entries.is_empty() && named(&write.key)))
    }
}
