//! When a rule fires: evaluated where the samples are in the clear, at the patient's edge. Pure.

/// What a rule watches; sealed on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lowest value that is in order.
    pub low: i64,
    /// Highest value that is in order.
    pub high: i64,
    /// How long values have to be out of order without a break, milliseconds; 0 fires at once.
    pub for_ms: i64,
}

/// A rule that watches a stream of samples, batch after batch.
#[derive(Clone, Debug)]
pub struct Watch {
    limits: Limits,
    out_since: Option<i64>,
    fired: bool,
}

// === impl Watch ===

impl Watch {
    /// A watch that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self { limits, out_since: None, fired: false }
    }

    /// Takes the next sample; answers whether the rule fires at it: once for each stretch out of order.
    pub fn sees(&mut self, at_ms: i64, value: i64) -> bool {
        if (self.limits.low..=self.limits.high).contains(&value) {
            (self.out_since, self.fired) = (None, false);
            return false;
        }
        let since = *self.out_since.get_or_insert(at_ms);
        let fires = !self.fired && at_ms.saturating_sub(since) >= self.limits.for_ms;
        self.fired |= fires;
        fires
    }

    /// Forgets what it saw before a gap: nobody knows what was in between.
    pub fn gap(&mut self) {
        (self.out_since, self.fired) = (None, false);
    }
}
