//! Dates as FHIR writes them, and days since 1970.

use super::Error;

/// Days from 1 March of year 0 to 1 January 1970.
const BEFORE_1970: i64 = 719_468;
const ERA_DAYS: i64 = 146_097;

/// The day of a FHIR date or instant as it stands there, days since 1970; from 1900 on.
pub fn day(text: &str) -> Result<i64, Error> {
    let mut parts = text.get(..10).ok_or(Error::Date)?.split('-').map(str::parse::<i64>);
    let mut next = || parts.next().and_then(Result::ok).ok_or(Error::Date);
    let (year, month, day) = (next()?, next()?, next()?);
    if !(1900..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(Error::Date);
    }
    // Counted from March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    Ok(365 * year + year / 4 - year / 100 + year / 400 + in_year - BEFORE_1970)
}

/// A day as a FHIR date.
pub fn date(day: i64) -> String {
    let since = day + BEFORE_1970;
    let (era, in_era) = (since.div_euclid(ERA_DAYS), since.rem_euclid(ERA_DAYS));
    let leap_days = in_era / 1_460 - in_era / 36_524 + in_era / (ERA_DAYS - 1);
    let in_400 = (in_era - leap_days) / 365;
    let in_year = in_era - (365 * in_400 + in_400 / 4 - in_400 / 100);
    let from_march = (5 * in_year + 2) / 153;
    let of_month = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + in_400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

#[cfg(test)]
mod tests {
    use carecord_health::claims::calendar;

    use super::*;

    #[test]
    fn dates_are_days_since_1970() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29T23:59:59-04:00", Some(11_016)),
            ("2007-06-04T05:28:45+00:00", Some(13_668)),
            ("9999-12-31", Some(calendar::DAY_MAX)),
            ("1969-12-31", Some(-1)),
            ("1900-01-01", Some(calendar::DAY_MIN)),
            ("1899-12-31", None),
            ("2007-13-01", None),
            ("June 2007", None),
        ] {
            assert_eq!(day(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn each_day_has_one_date() {
        for number in calendar::DAY_MIN..60_000 {
            assert_eq!(day(&date(number)).unwrap(), number);
        }
    }
}
