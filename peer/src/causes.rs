//! Why transactions were not valid, kept for a while for those who ask what became of them.
//!
//! Place in the flow: [`crate::events::Events`] keeps them when a block is committed, CommitStatus tells them. They are in
//! memory only: a peer that was restarted still knows the code, which is on its ledger, and no longer the cause.

use std::collections::{HashMap, VecDeque};

use carecord_ledger::Cause;

/// Causes of one channel that are kept; the oldest go first. One takes at most about 8 KiB.
const MAX_CAUSES: usize = 2048;

/// The causes of one channel.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    by_tx_id: HashMap<String, (u64, Cause)>,
    oldest_first: VecDeque<String>,
}

// === impl Causes ===

impl Causes {
    /// Keeps the cause of a transaction in this block; of two with one id the first counts, as for its status.
    pub(crate) fn keep(&mut self, tx_id: &str, block: u64, cause: &Cause) {
        if self.by_tx_id.contains_key(tx_id) {
            return;
        }
        if self.oldest_first.len() >= MAX_CAUSES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_tx_id.remove(&oldest);
        }
        self.oldest_first.push_back(tx_id.to_owned());
        self.by_tx_id.insert(tx_id.to_owned(), (block, cause.clone()));
    }

    /// The cause of a transaction in this block, if it is kept.
    pub(crate) fn of(&self, tx_id: &str, block: u64) -> Option<Cause> {
        let (at, cause) = self.by_tx_id.get(tx_id)?;
        (*at == block).then(|| cause.clone())
    }
}

#[cfg(test)]
mod tests {
    use carecord_ledger::Conflict;

    use super::*;

    #[test]
    fn the_oldest_causes_go_first() {
        let mut causes = Causes::default();
        let conflict = |read: &str| {
            Cause::Conflict(Conflict { read: read.to_owned(), writer: None, is_deleted: false })
        };
        for number in 0..=MAX_CAUSES {
            causes.keep(&number.to_string(), 3, &conflict("k"));
            causes.keep(&number.to_string(), 4, &conflict("again"));
        }
        assert!(causes.of("0", 3).is_none());
        assert_eq!(
            causes.of("1", 3).map(|cause| cause.told(None)),
            Some("k is not as it was read".into())
        );
        assert!(causes.of("1", 4).is_none());
        assert_eq!(causes.by_tx_id.len(), MAX_CAUSES);
    }
}
