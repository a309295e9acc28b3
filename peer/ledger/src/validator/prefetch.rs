//! The first stage: all envelopes of a block examined, on as many threads as wanted.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::Block;

use super::examine::Examiner;
use super::{Examined, ForeignChannels, Kind, OwnEndorsements};

/// Transactions a thread takes at least; below that a thread costs more than it saves.
const SHARE: usize = 8;

/// A block's envelopes examined under one configuration.
#[derive(Debug, Clone)]
pub struct Prefetched {
    pub(crate) number: u64,
    /// What was examined; shares its memory with the block.
    pub(crate) envelopes: Vec<Bytes>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) transactions: Vec<Examined>,
}

impl Prefetched {
    /// The block's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether a transaction has written into a collection, as far as can be told before anything is decided.
    pub fn has_private_writes(&self) -> bool {
        self.transactions.iter().any(|examined| match &examined.kind {
            Ok(Kind::Endorser(endorsed)) => endorsed.body.as_ref().is_ok_and(|body| {
                let mut sets = body.rwset.namespaces.iter().flat_map(|ns| &ns.collections);
                sets.any(|set| !set.pvt_hash.is_empty())
            }),
            _ => false,
        })
    }

    /// Whether this is about `block`, examined under `bundle`.
    pub(crate) fn fits(&self, block: &Block, bundle: &Arc<Bundle>) -> bool {
        let envelopes = block::envelopes(block);
        Arc::ptr_eq(&self.bundle, bundle)
            && self.transactions.len() == envelopes.len()
            && self.envelopes.len() == envelopes.len()
            && self.envelopes.iter().zip(envelopes).all(|(examined, raw)| are_equal(examined, raw))
    }
}

/// Usually both are the same memory, which is then not looked at.
fn are_equal(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr(), a.len()) == (b.as_ptr(), b.len()) || a == b
}

/// What [`prefetch`] needs besides the block; cheap to clone, so that other threads can hold one.
#[derive(Debug, Clone)]
pub struct Prefetcher {
    /// The channel's configuration at the time.
    pub bundle: Arc<Bundle>,
    /// This peer's own endorsements.
    pub own: Arc<OwnEndorsements>,
    /// What to do with other channels' transactions.
    pub foreign: ForeignChannels,
    /// Threads that share the envelopes of one block.
    pub threads: usize,
}

/// Examines every envelope of `block`; the result does not depend on the number of threads.
pub fn prefetch(block: &Block, with: &Prefetcher) -> Prefetched {
    let mut shares = with.shares(block);
    if shares.len() <= 1 {
        let examined = shares.pop().map(|share| with.examine(&share)).unwrap_or_default();
        return with.joined(block, examined);
    }
    let mut transactions = Vec::with_capacity(block::envelopes(block).len());
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            shares.iter().map(|share| scope.spawn(move || with.examine(share))).collect();
        for worker in workers {
            match worker.join() {
                Ok(examined) => transactions.extend(examined),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    with.joined(block, transactions)
}

// === impl Prefetcher ===

impl Prefetcher {
    /// The envelopes of a block in as many parts as threads should share them; for callers with threads of their own.
    pub fn shares(&self, block: &Block) -> Vec<Vec<Bytes>> {
        let envelopes = block::envelopes(block);
        let threads = self.threads.min(envelopes.len() / SHARE).max(1);
        let share = envelopes.len().div_ceil(threads).max(1);
        envelopes.chunks(share).map(<[Bytes]>::to_vec).collect()
    }

    /// Examines one share.
    pub fn examine(&self, share: &[Bytes]) -> Vec<Examined> {
        let examiner = Examiner { bundle: &self.bundle, own: &self.own, foreign: &self.foreign };
        share.iter().map(|raw| examiner.examine(raw)).collect()
    }

    /// Joins what came out of all shares of `block`, in their order.
    pub fn joined(&self, block: &Block, transactions: Vec<Examined>) -> Prefetched {
        let envelopes = block::envelopes(block).to_vec();
        let (number, bundle) = (block::number(block), Arc::clone(&self.bundle));
        Prefetched { number, envelopes, bundle, transactions }
    }
}
