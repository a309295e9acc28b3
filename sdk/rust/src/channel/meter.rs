//! The time of a visit.

/// Counts seconds between a start and a stop; the clock is the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    started: Option<i64>,
    counted: u64,
}

// === impl Meter ===

impl Meter {
    /// A meter that stands at nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on counting, from `now` in seconds; one that runs already runs on.
    pub fn start(&mut self, now: i64) {
        self.started.get_or_insert(now);
    }

    /// Stops counting.
    pub fn stop(&mut self, now: i64) {
        self.counted = self.seconds(now);
        self.started = None;
    }

    /// What it shows; a clock that went back adds nothing.
    pub fn seconds(&self, now: i64) -> u64 {
        let running = self.started.map_or(0, |since| now.saturating_sub(since));
        self.counted.saturating_add(u64::try_from(running).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_do_not_count_and_a_clock_that_goes_back_takes_nothing_away() {
        let mut meter = Meter::new();
        assert_eq!(meter.seconds(50), 0);
        meter.start(100);
        meter.start(150);
        assert_eq!(meter.seconds(160), 60);
        meter.stop(160);
        assert_eq!(meter.seconds(1_000), 60);
        meter.start(1_000);
        assert_eq!(meter.seconds(900), 60);
        meter.stop(1_001);
        assert_eq!(meter.seconds(2_000), 61);
    }
}
