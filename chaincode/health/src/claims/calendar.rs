//! The benefit year of a day: civil years in UTC, by whole numbers only.

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;
/// The last day that is taken: the end of the year 9999.
pub const DAY_MAX: u32 = 2_932_896;

/// The civil year (proleptic Gregorian) of a day counted from 1 January 1970.
pub fn year(day: u32) -> u32 {
    // Years of 365 days are never too few, so the guess is never too early and at most some years too late.
    let mut year = 1970 + day / 365;
    while first_day(year) > u64::from(day) {
        year -= 1;
    }
    year
}

/// The day of a moment in seconds since 1970; 0 for what lies before.
pub fn day(seconds: i64) -> u32 {
    u32::try_from(seconds.div_euclid(DAY_SECONDS)).unwrap_or(0)
}

/// Days from 1 January 1970 to 1 January of a year from 1970 on.
fn first_day(year: u32) -> u64 {
    let before = u64::from(year) - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    // 719,162 days lie before 1970, counted from year 1.
    before * 365 + leaps - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_begins_on_its_first_day_and_ends_on_its_last() {
        for (day, expected) in [
            (0, 1970),
            (364, 1970),
            (365, 1971),
            (789, 1972),
            (1_095, 1972),
            (1_096, 1973),
            (10_956, 1999),
            (10_957, 2000),
            (11_322, 2000),
            (11_323, 2001),
            (20_453, 2025),
            (20_454, 2026),
            (DAY_MAX, 9999),
        ] {
            assert_eq!(year(day), expected, "day {day}");
        }
    }

    #[test]
    fn a_day_ends_with_its_last_second() {
        assert_eq!([day(-1), day(0), day(86_399), day(86_400)], [0, 0, 0, 1]);
    }
}
