//! What this node says of itself at the beginning of each stream to another consenter.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use carecord_consensus::NodeId;
use carecord_proto::carecord::orderer::Hello;

use crate::storage::Incarnation;

/// Kept by the channel's task, read by its streams.
#[derive(Debug)]
pub(crate) struct Greeting {
    incarnation: Incarnation,
    /// 0 while this node is no consenter.
    own: AtomicU64,
    term: AtomicU64,
    log_end: AtomicU64,
}

// === impl Greeting ===

impl Greeting {
    pub(crate) fn new(incarnation: Incarnation) -> Self {
        let zero = || AtomicU64::new(0);
        Self { incarnation, own: zero(), term: zero(), log_end: zero() }
    }

    /// This node takes part as `own` from now on.
    pub(crate) fn begin(&self, own: NodeId, term: u64, log_end: u64) {
        self.note(term, log_end);
        self.own.store(own, Ordering::Release);
    }

    /// This node follows from now on.
    pub(crate) fn end(&self) {
        self.own.store(0, Ordering::Release);
    }

    /// How far log and term are; to be called before a message tells anybody of it.
    pub(crate) fn note(&self, term: u64, log_end: u64) {
        self.term.store(term, Ordering::Release);
        self.log_end.store(log_end, Ordering::Release);
    }

    /// The id under which it takes part, if it does.
    pub(crate) fn own(&self) -> Option<NodeId> {
        Some(self.own.load(Ordering::Acquire)).filter(|own| *own != 0)
    }

    pub(crate) fn hello(&self, to: NodeId) -> Option<Hello> {
        Some(Hello {
            from: self.own()?,
            to,
            incarnation: Bytes::copy_from_slice(self.incarnation.bytes()),
            term: self.term.load(Ordering::Acquire),
            log_end: self.log_end.load(Ordering::Acquire),
        })
    }
}
