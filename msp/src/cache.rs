//! A bounded cache of identities by their serialized bytes.
//!
//! Every envelope names its creator and endorsers in full; reading them anew would cost a certificate check each.
//! When a shard is full, the hand goes round: an entry that was used since its last visit is spared once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::Identity;

/// Identities that one cache holds.
pub(crate) const CAPACITY: usize = 4_096;
/// Longer serialized identities are read anew each time, so that a sender cannot fill memory through the cache.
pub(crate) const MAX_CACHED_BYTES: usize = 8 * 1_024;

const SHARDS: usize = 16;
const SHARD_CAPACITY: usize = CAPACITY / SHARDS;
const _: () = assert!(SHARDS.is_power_of_two() && SHARD_CAPACITY > 0);

/// The cache; readers of different identities hardly meet.
#[derive(Debug)]
pub(crate) struct IdentityCache {
    hasher: RandomState,
    shards: Vec<RwLock<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Bytes, Entry, RandomState>,
    /// The keys in the order in which the hand visits them.
    ring: Vec<Bytes>,
    hand: usize,
}

#[derive(Debug)]
struct Entry {
    identity: Arc<Identity>,
    used: AtomicBool,
}

impl IdentityCache {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        IdentityCache { hasher: RandomState::new(), shards }
    }

    fn shard(&self, key: &[u8]) -> &RwLock<Shard> {
        // the tail of an identity is its signature: enough to choose a shard
        let tail = &key[key.len().saturating_sub(64)..];
        &self.shards[self.hasher.hash_one(tail) as usize % SHARDS]
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Identity>> {
        let shard = self.shard(key).read();
        let entry = shard.entries.get(key)?;
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry.identity.clone())
    }

    /// Keeps an identity; if somebody was faster, theirs is given back, so that equal bytes stay one identity.
    pub(crate) fn insert(&self, identity: Arc<Identity>) -> Arc<Identity> {
        let key = identity.serialized().clone();
        if key.len() > MAX_CACHED_BYTES {
            return identity;
        }
        let mut shard = self.shard(&key).write();
        if let Some(entry) = shard.entries.get(&key) {
            return entry.identity.clone();
        }
        shard.make_room(&key);
        let entry = Entry { identity: identity.clone(), used: AtomicBool::new(false) };
        shard.entries.insert(key, entry);
        identity
    }
}

impl Shard {
    /// Gives `key` a place in the ring, at the cost of one that was not used lately.
    fn make_room(&mut self, key: &Bytes) {
        if self.ring.len() < SHARD_CAPACITY {
            self.ring.push(key.clone());
            return;
        }
        loop {
            self.hand = (self.hand + 1) % self.ring.len();
            let candidate = &self.ring[self.hand];
            let spared =
                self.entries.get(candidate).is_some_and(|e| e.used.swap(false, Ordering::Relaxed));
            if !spared {
                self.entries.remove(candidate);
                self.ring[self.hand] = key.clone();
                return;
            }
        }
    }
}
