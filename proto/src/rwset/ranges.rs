//! What a range query leaves in a read-write set: its results as they are, or, from a number on, a Merkle summary.
//!
//! The simulator records it and the validator makes it again over the committed state; both feed the same struct.

use bytes::Bytes;
use prost::Message;

use crate::hash::sha256;
use crate::kvrwset::{KvRead, QueryReads, QueryReadsMerkleSummary, Version};

/// The most results, and the most hashes a level, that are kept unhashed in Fabric's ledgers.
pub const MAX_DEGREE: u32 = 50;

/// A read of `key` that was last written at `version` = (block, transaction); `None` for an absent key.
pub fn kv_read(key: &str, version: Option<(u64, u64)>) -> KvRead {
    let version = version.map(|(block_num, tx_num)| Version { block_num, tx_num });
    KvRead { key: key.to_owned(), version }
}

/// Collects the results of one range query and hashes them level by level.
#[derive(Debug, Clone)]
pub struct RangeQueryResults {
    pending: Vec<KvRead>,
    /// Level 1 first; each holds at most `max_degree` hashes between two calls.
    levels: Vec<Vec<[u8; 32]>>,
    max_degree: usize,
}

// === impl RangeQueryResults ===

impl RangeQueryResults {
    /// Starts with nothing; a tree needs at least two children a node, so a smaller degree counts as two.
    pub fn new(max_degree: u32) -> Self {
        Self {
            pending: Vec::new(),
            levels: vec![Vec::new()],
            max_degree: max_degree.max(2) as usize,
        }
    }

    /// Adds the next result, in key order.
    pub fn add(&mut self, read: KvRead) {
        self.pending.push(read);
        if self.pending.len() > self.max_degree {
            self.hash_pending();
        }
    }

    /// The summary so far, with which a validator can stop at the first difference.
    pub fn summary(&self) -> QueryReadsMerkleSummary {
        let top = self.levels.last().map_or(&[][..], Vec::as_slice);
        QueryReadsMerkleSummary {
            max_degree: self.max_degree as u32,
            max_level: self.levels.len() as u32,
            max_level_hashes: top.iter().map(|hash| Bytes::copy_from_slice(hash)).collect(),
        }
    }

    /// The results themselves if they were few enough, else their summary.
    pub fn done(mut self) -> (Vec<KvRead>, Option<QueryReadsMerkleSummary>) {
        if self.levels.len() == 1 && self.levels[0].is_empty() {
            return (self.pending, None);
        }
        if !self.pending.is_empty() {
            self.hash_pending();
        }
        self.lift();
        (Vec::new(), Some(self.summary()))
    }

    fn hash_pending(&mut self) {
        let reads = QueryReads { kv_reads: std::mem::take(&mut self.pending) };
        self.levels[0].push(sha256(&[&reads.encode_to_vec()]));
        let mut level = 0;
        while self.levels[level].len() > self.max_degree {
            let parent = combine(&std::mem::take(&mut self.levels[level]));
            level += 1;
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(parent);
        }
    }

    /// Brings what is left on lower levels up to the top one, a single node unhashed.
    fn lift(&mut self) {
        for level in 0..self.levels.len() - 1 {
            let nodes = std::mem::take(&mut self.levels[level]);
            match nodes.as_slice() {
                [] => {}
                [only] => self.levels[level + 1].push(*only),
                several => {
                    let parent = combine(several);
                    self.levels[level + 1].push(parent);
                }
            }
        }
        let top = self.levels.len() - 1;
        if self.levels[top].len() > self.max_degree {
            let root = combine(&std::mem::take(&mut self.levels[top]));
            self.levels.push(vec![root]);
        }
    }
}

fn combine(hashes: &[[u8; 32]]) -> [u8; 32] {
    sha256(&[hashes.as_flattened()])
}
