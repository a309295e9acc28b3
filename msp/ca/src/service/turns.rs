//! Whose turn it is: tries for one name follow each other.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use parking_lot::{Mutex, MutexGuard};

/// How many names can be tried at a time; two that share a turn only wait for each other.
const TURNS: usize = 64;

/// Turns for names, known and unknown ones alike.
pub(super) struct Turns {
    names: RandomState,
    held: [Mutex<()>; TURNS],
}

// === impl Turns ===

impl Turns {
    pub(super) fn new() -> Self {
        Self { names: RandomState::new(), held: [const { Mutex::new(()) }; TURNS] }
    }

    /// Waits for the turn of `id` and has it until the guard is dropped.
    pub(super) fn of(&self, id: &str) -> MutexGuard<'_, ()> {
        let turn = self.names.hash_one(id) % TURNS as u64;
        self.held[usize::try_from(turn).unwrap_or_default()].lock()
    }
}
