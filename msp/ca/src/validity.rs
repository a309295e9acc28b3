//! From when to when a certificate holds; the clock is the caller's.

use time::OffsetDateTime;

use crate::Error;

/// How far a certificate's start lies before the moment of issue, so that clocks may differ.
const BACKDATE_S: i64 = 300;
const DAY_S: i64 = 86_400;

/// From when to when a certificate holds, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second at which it holds.
    pub not_before: i64,
    /// Last second at which it holds.
    pub not_after: i64,
}

// === impl Validity ===

impl Validity {
    /// Starts five minutes before `now` and ends `days` after it.
    pub fn days_from(now: i64, days: u32) -> Self {
        Self { not_before: now - BACKDATE_S, not_after: now + i64::from(days) * DAY_S }
    }

    /// The part of this validity that lies inside `outer`: a certificate never starts before its CA.
    #[must_use]
    pub fn within(self, outer: Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }

    pub(crate) fn start(self) -> Result<OffsetDateTime, Error> {
        moment(self.not_before)
    }

    pub(crate) fn end(self) -> Result<OffsetDateTime, Error> {
        moment(self.not_after)
    }
}

fn moment(unix_s: i64) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp(unix_s).map_err(|_| Error::Time { unix_s })
}
