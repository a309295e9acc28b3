//! The benefit year of a day: civil years in UTC, by whole numbers only.

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;
/// The first day that is taken: 1 January 1900.
pub const DAY_MIN: i64 = -25_567;
/// The last day that is taken: the end of the year 9999.
pub const DAY_MAX: i64 = 2_932_896;

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 1 March of year 0 to 1 January 1970.
const BEFORE_1970: i64 = 719_468;

/// The civil year (proleptic Gregorian) of a day counted from 1 January 1970.
///
/// Years are counted from March here, so that the leap day comes last; January and February belong to the year after.
pub fn year(day: i64) -> i64 {
    let since = day + BEFORE_1970;
    let (era, in_era) = (since.div_euclid(ERA_DAYS), since.rem_euclid(ERA_DAYS));
    let leap_days = in_era / 1_460 - in_era / 36_524 + in_era / (ERA_DAYS - 1);
    let in_400 = (in_era - leap_days) / 365;
    let in_year = in_era - (365 * in_400 + in_400 / 4 - in_400 / 100);
    // 306 days lie between 1 March and 31 December.
    era * 400 + in_400 + i64::from(in_year >= 306)
}

/// The day of a moment in seconds since 1970.
pub fn day(seconds: i64) -> i64 {
    seconds.div_euclid(DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_begins_on_its_first_day_and_ends_on_its_last() {
        for (day, expected) in [
            (DAY_MIN - 1, 1899),
            (DAY_MIN, 1900),
            (-1, 1969),
            (0, 1970),
            (364, 1970),
            (365, 1971),
            (789, 1972),
            (1_095, 1972),
            (1_096, 1973),
            (10_956, 1999),
            (10_957, 2000),
            (11_016, 2000),
            (11_322, 2000),
            (11_323, 2001),
            (20_453, 2025),
            (20_454, 2026),
            (DAY_MAX, 9999),
            (DAY_MAX + 1, 10_000),
        ] {
            assert_eq!(year(day), expected, "day {day}");
        }
    }

    #[test]
    fn years_have_the_days_that_the_calendar_says() {
        let mut first = DAY_MIN;
        for expected in 1900..2400 {
            let leap = expected % 4 == 0 && (expected % 100 != 0 || expected % 400 == 0);
            let next = first + 365 + i64::from(leap);
            assert_eq!((year(first), year(next - 1)), (expected, expected));
            first = next;
        }
    }

    #[test]
    fn a_day_ends_with_its_last_second() {
        assert_eq!([day(-1), day(0), day(86_399), day(86_400)], [-1, 0, 0, 1]);
    }
}
