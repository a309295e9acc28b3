//! How long wrong secrets lock a name: for a growing time and never for ever, since a stranger can send them, too.

/// Seconds of the first lock; each further wrong secret doubles it.
const FIRST_LOCK_S: i64 = 60;
/// Longest lock in seconds: who guesses without end gets some 35,000 tries a year.
const LOCK_S_MAX: i64 = 900;

/// Seconds until a further secret is looked at after `attempts` wrong ones, the last of them `since_s` seconds ago; 0
/// for now. Behind `limit` (0 for none) each try has a lock behind it. A clock that was set back locks nobody.
pub fn wait_s(attempts: u32, limit: u32, since_s: i64) -> i64 {
    if limit == 0 || attempts < limit || since_s < 0 {
        return 0;
    }
    let doublings = (attempts - limit).min(8);
    let lock = (FIRST_LOCK_S << doublings).min(LOCK_S_MAX);
    lock.saturating_sub(since_s).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_grows_with_each_try_up_to_a_quarter_of_an_hour_and_ends() {
        for (attempts, limit, since, expected) in [
            (9, 10, 0, 0),
            (10, 10, 0, 60),
            (10, 10, 59, 1),
            (10, 10, 60, 0),
            (11, 10, 60, 60),
            (12, 10, 0, 240),
            (14, 10, 0, 900),
            (u32::MAX, 10, 0, 900),
            (u32::MAX, 10, 900, 0),
            (u32::MAX, 0, 0, 0),
            (10, 10, -5, 0),
            (10, 10, i64::MAX, 0),
        ] {
            assert_eq!(wait_s(attempts, limit, since), expected, "{attempts} {limit} {since}");
        }
    }
}
