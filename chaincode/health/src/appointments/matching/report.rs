//! The fairness of a batch in three numbers that anyone can repeat.

use carecord_chaincode::json_object;

use crate::appointments::matching::{class::target, input::Batch};

json_object! {
    /// How evenly a matching treats those who wait.
    pub struct Fairness {
        /// Requests in the batch.
        pub requests: u32,
        /// Those that got a slot.
        pub matched: u32,
        /// Jain's index of how well the matched requests are served ([`share`]), in thousandths: 1000 if all wait equally
        /// long for their urgency.
        pub jain: u32,
        /// The longest wait of a matched request until its visit, seconds.
        pub longest: u64,
        /// The longest wait of a request that got nothing, up to the batch, seconds.
        pub longest_left: u64,
    }
}

/// Jain's index of some numbers, `(sum)^2 / (n * sum of squares)`, in thousandths; 1000 for none.
pub fn jain(values: &[u64]) -> u32 {
    let sum: u128 = values.iter().map(|&v| u128::from(v)).sum();
    let squares: u128 = values.iter().map(|&v| u128::from(v) * u128::from(v)).sum();
    let spread = squares * values.len() as u128;
    if spread == 0 {
        return 1000;
    }
    u32::try_from(1000 * sum * sum / spread).expect("the index is at most 1")
}

/// How well a request is served that waited so long, in thousandths: 1000 without a wait, 500 at the target of its
/// urgency, `target / (target + wait)` in general.
pub fn share(urgency: u32, waited: u64) -> u64 {
    let target = u128::from(target(urgency));
    u64::try_from(1000 * target / (target + u128::from(waited))).expect("at most 1,000")
}

/// Reports on a matching of a batch frozen at `at`.
pub fn fairness(batch: &Batch, slots: &[Option<u32>], at: i64) -> Fairness {
    let (mut shares, mut longest, mut longest_left) = (Vec::new(), 0, 0);
    for (demand, slot) in batch.demands().iter().zip(slots) {
        match slot.and_then(|slot| batch.supplies().get(slot as usize)) {
            Some(supply) => {
                let ahead = u64::try_from(supply.start.saturating_sub(at)).unwrap_or(0);
                let wait = demand.waited.saturating_add(ahead);
                longest = longest.max(wait);
                shares.push(share(demand.urgency, wait));
            }
            None => longest_left = longest_left.max(demand.waited),
        }
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Fairness {
        requests: count(batch.demands().len()),
        matched: count(shares.len()),
        jain: jain(&shares),
        longest,
        longest_left,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        appointments::{
            matching::{Demand, Pay, Period, Supply},
            words::{Mode, Specialty},
        },
        ids::{Id, MspId},
    };

    pub(in crate::appointments::matching) fn id(number: u32) -> Id {
        Id::new(format!("{number:032x}")).unwrap()
    }

    pub(in crate::appointments::matching) fn demand(
        number: u32,
        urgency: u32,
        waited: u64,
    ) -> Demand {
        Demand {
            id: id(number),
            specialty: Specialty::General,
            urgency,
            waited,
            bumps: 0,
            periods: vec![Period { start: 0, end: i64::MAX }],
            languages: vec![],
            mode: Mode::Video,
            minutes: 20,
            pay: Pay::Budget { budget: 1000 },
            prefs: vec![],
            reach: vec![],
            seen: vec![],
            excluded: vec![],
        }
    }

    fn supply(number: u32, start: i64) -> Supply {
        Supply {
            id: id(number),
            practitioner: id(number),
            org: MspId::new("AMSP").unwrap(),
            start,
            end: start + 1800,
            mode: Mode::Video,
            specialties: vec![Specialty::General],
            languages: vec![],
            in_network: vec![],
            rate: 1,
            load: 0,
        }
    }

    #[test]
    fn jain_is_one_for_equal_waits_and_one_in_n_for_a_single_one() {
        assert_eq!(jain(&[]), 1000);
        assert_eq!(jain(&[0, 0]), 1000);
        assert_eq!(jain(&[5, 5, 5]), 1000);
        assert_eq!(jain(&[7, 0, 0, 0]), 250);
        assert_eq!(jain(&[u64::MAX / 1000, 0]), 500);
    }

    #[test]
    fn a_report_counts_the_time_until_the_visit() {
        let batch = Batch::new(
            vec![demand(1, 1, 3600), demand(2, 1, 0), demand(3, 2, 99)],
            vec![supply(1, 10_000), supply(2, 13_600)],
        );
        let report = fairness(&batch, &[Some(0), Some(1), None], 10_000);
        let expected =
            Fairness { requests: 3, matched: 2, jain: 1000, longest: 3600, longest_left: 99 };
        assert_eq!(report, expected);
    }
}
