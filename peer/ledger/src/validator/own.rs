//! Endorsements this peer made itself: the committer need not check those signatures again.
//!
//! Only the exact triple of key, signed bytes and signature is skipped, and only if this process made it, so the outcome
//! is the same with and without; it saves one verification per transaction (`design/limits.md`, L1).

use std::collections::{HashSet, VecDeque};

use carecord_proto::hash::sha256;
use parking_lot::Mutex;

/// Endorsements remembered; at 2,000 tx/s about half a minute.
const CAPACITY: usize = 65_536;

/// A bounded memory of endorsements made by this process.
#[derive(Debug, Default)]
pub struct OwnEndorsements {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    set: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl OwnEndorsements {
    /// Remembers that this process signed `response_payload` as `endorser` with this signature.
    pub fn note(&self, response_payload: &[u8], endorser: &[u8], signature: &[u8]) {
        let digest = digest(response_payload, endorser, signature);
        let mut known = self.known.lock();
        if known.set.insert(digest) {
            known.order.push_back(digest);
        }
        if known.order.len() > CAPACITY
            && let Some(oldest) = known.order.pop_front()
        {
            known.set.remove(&oldest);
        }
    }

    /// Whether exactly this was noted.
    pub fn contains(&self, response_payload: &[u8], endorser: &[u8], signature: &[u8]) -> bool {
        !self.is_empty()
            && self.known.lock().set.contains(&digest(response_payload, endorser, signature))
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.known.lock().order.is_empty()
    }
}

fn digest(response_payload: &[u8], endorser: &[u8], signature: &[u8]) -> [u8; 32] {
    let length = |part: &[u8]| (part.len() as u64).to_be_bytes();
    sha256(&[&length(response_payload), response_payload, &length(endorser), endorser, signature])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_triple_is_known() {
        let own = OwnEndorsements::default();
        assert!(!own.contains(b"answer", b"me", b"sig"));
        own.note(b"answer", b"me", b"sig");
        assert!(own.contains(b"answer", b"me", b"sig"));
        for (payload, endorser, signature) in [
            (&b"answe"[..], &b"rme"[..], &b"sig"[..]),
            (b"answer", b"me", b"sih"),
            (b"answer", b"m", b"esig"),
        ] {
            assert!(!own.contains(payload, endorser, signature));
        }
    }
}
