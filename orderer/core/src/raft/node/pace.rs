//! How fast Raft's time goes.

use crate::limits;

/// How Raft's ticks follow the channel's. The `raft` crate fixes its election timeout at its start; when the channel's
/// changes, its ticks come slower or faster instead, heartbeats along with them, until the next start.
#[derive(Debug)]
pub(super) struct Pace {
    built: u32,
    pub(super) wanted: u32,
    credit: u64,
}

impl Pace {
    pub(super) fn new(election_tick: u32) -> Self {
        Self { built: election_tick, wanted: election_tick.max(1), credit: 0 }
    }

    /// How many ticks Raft gets for one of the channel.
    pub(super) fn ticks(&mut self) -> u64 {
        let wanted = u64::from(self.wanted);
        self.credit += u64::from(self.built);
        let ticks = self.credit / wanted;
        self.credit %= wanted;
        ticks.min(limits::MAX_TICKS_AT_ONCE)
    }
}
