//! The two times of certificates, as Unix seconds, and how Go prints them.

use super::der::{Reader, tag};

const DAY: i64 = 86_400;

/// Reads a UTCTime or GeneralizedTime.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<i64> {
    if let Some(utc) = reader.content(tag::UTC_TIME) {
        let (year, rest) = utc.split_at_checked(2)?;
        let year = number(year)?;
        // without seconds is out of standard, but Go reads it
        let year = if year >= 50 { 1900 + year } else { 2000 + year };
        return moment(year, rest, 10).or_else(|| moment(year, rest, 8));
    }
    let (year, rest) = reader.content(tag::GENERALIZED_TIME)?.split_at_checked(4)?;
    moment(number(year)?, rest, 10)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Month to second in `digits` digits, then `Z` or an offset other than zero.
fn moment(year: i64, rest: &[u8], digits: usize) -> Option<i64> {
    let (fields, zone) = rest.split_at_checked(digits)?;
    let mut fields = fields.chunks(2).map(number);
    let mut next = || fields.next().unwrap_or(Some(0));
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), hhmm @ ..] if hhmm.len() == 4 => {
            let (hours, minutes) = (number(&hhmm[..2])?, number(&hhmm[2..])?);
            let seconds = hours * 3600 + minutes * 60;
            if seconds == 0 || hours > 24 || minutes >= 60 {
                return None;
            }
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let local = day_number(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    in_range.then_some(local - offset)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// RFC 3339 in UTC.
pub(crate) fn format(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY) + 719_468, seconds.rem_euclid(DAY));
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: u8, text: &str, expected: Option<&str>) {
        let mut bytes = Vec::new();
        super::super::der::write(&mut bytes, tag, &[text.as_bytes()]);
        let read = read(&mut Reader::new(&bytes)).map(format);
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        check(tag::UTC_TIME, "260101000000Z", Some("2026-01-01T00:00:00Z"));
        check(tag::UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z"));
        check(tag::UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z"));
        check(tag::UTC_TIME, "2601010000Z", Some("2026-01-01T00:00:00Z"));
        check(tag::UTC_TIME, "260101000000+0100", Some("2025-12-31T23:00:00Z"));
        check(tag::UTC_TIME, "260101000000+0000", None);
        check(tag::UTC_TIME, "260229000000Z", None);
        check(tag::GENERALIZED_TIME, "20240229120102Z", Some("2024-02-29T12:01:02Z"));
        check(tag::GENERALIZED_TIME, "202402291201Z", None);
        check(tag::GENERALIZED_TIME, "20241301000000Z", None);
        check(tag::GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59Z"));
        check(tag::GENERALIZED_TIME, "20240101000060Z", None);
    }
}
