//! The arithmetic of payment plans: what is due when, what a late payment costs, when a plan is in default.

use carecord_chaincode::json_object;

use crate::claims::{calendar::DAY_SECONDS, rounding::split};

/// Most instalments of a plan.
pub const INSTALMENTS_MAX: u32 = 120;
/// So many unpaid instalments have to be late before a plan can be declared in default.
pub const DEFAULT_AFTER: usize = 3;

json_object! {
    /// One instalment; amounts in minor units.
    pub struct Instalment {
        /// When it is due, seconds since 1970.
        pub due: i64,
        /// How much, without a fee for being late.
        pub amount: u64,
        /// Whether it was paid after the days of grace, or is still unpaid then.
        pub late: bool,
        /// When it was paid, seconds since 1970; absent until then.
        pub paid: Option<i64>,
    }
}

/// Instalments that add up to `total` exactly; none if there are none or their times do not fit.
pub fn instalments(
    total: u64,
    count: u32,
    first_due: i64,
    interval_days: u32,
) -> Option<Vec<Instalment>> {
    let interval = i64::from(interval_days) * DAY_SECONDS;
    let mut due = Some(first_due);
    let mut all = Vec::new();
    for amount in split(total, count)? {
        all.push(Instalment { due: due?, amount, late: false, paid: None });
        due = due?.checked_add(interval);
    }
    Some(all)
}

/// Whether a payment at this moment is too late for an instalment.
pub fn is_late(instalment: &Instalment, grace_days: u32, at: i64) -> bool {
    at > instalment.due.saturating_add(i64::from(grace_days) * DAY_SECONDS)
}

/// What has to be paid for an instalment.
pub fn owed(instalment: &Instalment, late: bool, late_fee: u64) -> Option<u64> {
    instalment.amount.checked_add(if late { late_fee } else { 0 })
}

/// Whether so much is late that the whole rest may be asked for.
pub fn in_default(all: &[Instalment]) -> bool {
    all.iter().filter(|i| i.late && i.paid.is_none()).count() >= DEFAULT_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instalments_come_in_equal_intervals_and_add_up() {
        let all = instalments(1_000, 3, 100, 30).unwrap();
        let amounts: Vec<u64> = all.iter().map(|i| i.amount).collect();
        assert_eq!(amounts, [334, 333, 333]);
        let dues: Vec<i64> = all.iter().map(|i| i.due).collect();
        assert_eq!(dues, [100, 100 + 30 * DAY_SECONDS, 100 + 60 * DAY_SECONDS]);
        assert_eq!(instalments(1_000, 0, 100, 30), None);
        assert_eq!(instalments(1_000, 3, i64::MAX, 30), None);
    }

    #[test]
    fn grace_ends_with_its_last_second() {
        let one = &instalments(10, 1, 1_000, 1).unwrap()[0];
        let end = 1_000 + 5 * DAY_SECONDS;
        assert!(!is_late(one, 5, end));
        assert!(is_late(one, 5, end + 1));
        assert!(!is_late(one, 5, 0));
        assert_eq!((owed(one, false, 3), owed(one, true, 3)), (Some(10), Some(13)));
    }
}
