//! The first stage: all envelopes of a block examined, on as many threads as wanted.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::Block;

use super::examine::Examiner;
use super::{Examined, ForeignChannels, OwnEndorsements};

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

    /// Whether this is about `block`, examined under `bundle`.
    pub(crate) fn fits(&self, block: &Block, bundle: &Arc<Bundle>) -> bool {
        Arc::ptr_eq(&self.bundle, bundle) && self.envelopes == block::envelopes(block)
    }
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
    let envelopes = block::envelopes(block);
    let threads = with.threads.min(envelopes.len() / SHARE).max(1);
    let mut transactions = Vec::with_capacity(envelopes.len());
    if threads == 1 {
        transactions = examine(envelopes, with);
    } else {
        let share = envelopes.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let workers: Vec<_> = envelopes
                .chunks(share)
                .map(|envelopes| scope.spawn(move || examine(envelopes, with)))
                .collect();
            for worker in workers {
                match worker.join() {
                    Ok(examined) => transactions.extend(examined),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
    }
    let (number, bundle) = (block::number(block), Arc::clone(&with.bundle));
    Prefetched { number, envelopes: envelopes.to_vec(), bundle, transactions }
}

fn examine(envelopes: &[Bytes], with: &Prefetcher) -> Vec<Examined> {
    let examiner = Examiner { bundle: &with.bundle, own: &with.own, foreign: &with.foreign };
    envelopes.iter().map(|raw| examiner.examine(raw)).collect()
}
