//! Which chaincode functions are quick: those run on the runtime's thread, all others on threads of their own.
//!
//! Changing threads costs more than a short function itself. A function is quick once it was quick a number of times
//! in a row; each time it turns out slow that number doubles, so that nobody can hold up the runtime often. What counts
//! is processor time: on a busy machine every function takes long by the clock.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

/// What a quick call takes at most.
const QUICK: Duration = Duration::from_millis(2);
/// How many quick calls in a row a function needs at first, and at most.
const PROOFS: (u32, u32) = (8, 1 << 12);
/// Longer names are not kept.
const MAX_NAME_BYTES: usize = 128;
/// Functions that are known at a time; what is beyond counts as slow.
const MAX_FUNCTIONS: usize = 1024;

/// What this peer has seen of its chaincodes' functions.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    known: Mutex<HashMap<(String, Vec<u8>), Pace>>,
}

#[derive(Debug)]
struct Pace {
    quick_calls: u32,
    wanted: u32,
}

/// The processor time that this thread has used.
pub(super) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

// === impl Paces ===

impl Paces {
    /// Whether a call may run on the runtime's thread.
    pub(crate) fn is_quick(&self, chaincode: &str, function: &[u8]) -> bool {
        if function.len() > MAX_NAME_BYTES {
            return false;
        }
        let known = self.known.lock();
        let key = (chaincode.to_owned(), function.to_vec());
        known.get(&key).is_some_and(|pace| pace.quick_calls >= pace.wanted)
    }

    /// Takes note of a call that ended well; others say nothing about the function.
    pub(crate) fn note(&self, chaincode: &str, function: &[u8], took: Duration) {
        if function.len() > MAX_NAME_BYTES {
            return;
        }
        let mut known = self.known.lock();
        let key = (chaincode.to_owned(), function.to_vec());
        if known.len() >= MAX_FUNCTIONS && !known.contains_key(&key) {
            return;
        }
        let pace = known.entry(key).or_insert(Pace { quick_calls: 0, wanted: PROOFS.0 });
        if took <= QUICK {
            pace.quick_calls = pace.quick_calls.saturating_add(1);
        } else {
            pace.quick_calls = 0;
            pace.wanted = pace.wanted.saturating_mul(2).min(PROOFS.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(9);

    fn calls(paces: &Paces, count: u32, took: Duration) {
        (0..count).for_each(|_| paces.note("bench", b"put", took));
    }

    #[test]
    fn a_function_must_prove_that_it_is_quick() {
        let paces = Paces::default();
        calls(&paces, PROOFS.0 - 1, QUICK);
        assert!(!paces.is_quick("bench", b"put"));
        calls(&paces, 1, QUICK);
        assert!(paces.is_quick("bench", b"put"));
        assert!(!paces.is_quick("bench", b"range"));
    }

    #[test]
    fn each_slow_call_doubles_the_proofs_wanted() {
        let paces = Paces::default();
        calls(&paces, PROOFS.0, QUICK);
        calls(&paces, 1, SLOW);
        calls(&paces, PROOFS.0, QUICK);
        assert!(!paces.is_quick("bench", b"put"));
        calls(&paces, PROOFS.0, QUICK);
        assert!(paces.is_quick("bench", b"put"));
    }

    #[test]
    fn no_more_functions_are_kept_than_the_limit() {
        let paces = Paces::default();
        (0..2 * MAX_FUNCTIONS).for_each(|n| paces.note("bench", &n.to_be_bytes(), QUICK));
        assert_eq!(paces.known.lock().len(), MAX_FUNCTIONS);
    }
}
