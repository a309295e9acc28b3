//! Classes of urgency, and how waiting leads from one to the next, so that nobody waits for ever.
//!
//! A request of urgency `u` has the target wait `T_u`. Within it, waiting earns points. Each further `T_u` lifts it by one
//! class, until class 1; one more makes it *overdue*. From then on every request, whatever it was, rises by one level
//! each [`OVERDUE_SECONDS`]. So a request that became overdue that much later never stands above one that was before it.
//!
//! *Bound (property P4).* Let `r` become overdue at `t`. After `t + OVERDUE_SECONDS` no request that becomes overdue later
//! can get ahead of `r`; those that can are finitely many and only get fewer. In each batch where `r` has a feasible
//! slot and gets none, the most overdue level of that batch gets at least one. So `r` is offered a slot at the latest in
//! the batch after as many as there were such requests: at most [`super::SIDE_MAX`] if all were open together.

use crate::appointments::matching::input::Demand;

/// Target waits of urgency 1, 2, 3, 4 in seconds: 2 h, 24 h, 168 h, 720 h.
pub const TARGET_SECONDS: [u64; 4] = [2 * 3600, 24 * 3600, 168 * 3600, 720 * 3600];
/// How long an overdue request waits for its next level.
pub const OVERDUE_SECONDS: u64 = 24 * 3600;
/// Number of classes in a batch: urgencies 4 to 1, then overdue ones; the three most overdue levels stand apart.
pub const CLASSES: u32 = 8;
/// How many levels of overdue requests are told apart in one batch.
const LEVELS_APART: usize = 3;

/// Where a request stands before it is compared with the others of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Waits within what its urgency allows; 0 is urgency 4, 3 is urgency 1.
    Waiting(u32),
    /// Overdue by this many periods.
    Overdue(u64),
}

/// The target wait of an urgency in seconds; urgencies outside 1..=4 count as the nearest one.
pub fn target(urgency: u32) -> u64 {
    TARGET_SECONDS[urgency.clamp(1, 4) as usize - 1]
}

/// Where a request stands after its wait.
pub fn standing(urgency: u32, waited: u64) -> Standing {
    let urgency = urgency.clamp(1, 4);
    let target = target(urgency);
    let lifted = (waited / target).saturating_sub(1);
    if lifted < u64::from(urgency) {
        return Standing::Waiting(4 - urgency + u32::try_from(lifted).expect("at most 3"));
    }
    let overdue_after = target * (u64::from(urgency) + 1);
    Standing::Overdue((waited - overdue_after) / OVERDUE_SECONDS)
}

/// The class, 0 lowest, of each request of a batch; `takes_part` says which have a feasible slot at all.
///
/// The others get a class too, but do not push anybody down.
pub fn classes(demands: &[Demand], takes_part: &[bool]) -> Vec<u32> {
    let standings: Vec<Standing> = demands.iter().map(|d| standing(d.urgency, d.waited)).collect();
    let mut levels: Vec<u64> = standings
        .iter()
        .zip(takes_part)
        .filter_map(|(standing, part)| match standing {
            Standing::Overdue(level) if *part => Some(*level),
            _ => None,
        })
        .collect();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();
    levels.truncate(LEVELS_APART);
    standings.into_iter().map(|standing| class(standing, &levels)).collect()
}

/// The class of a standing, where `levels` are the most overdue levels of the batch, most overdue first.
fn class(standing: Standing, levels: &[u64]) -> u32 {
    match standing {
        Standing::Waiting(class) => class,
        Standing::Overdue(level) => match levels.iter().position(|l| *l <= level) {
            Some(rank) => CLASSES - 1 - u32::try_from(rank).expect("at most 2"),
            None => 4,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn waiting_lifts_a_request_class_by_class() {
        for (urgency, hours, expected) in [
            (1, 0, Standing::Waiting(3)),
            (1, 3, Standing::Waiting(3)),
            (1, 4, Standing::Overdue(0)),
            (1, 27, Standing::Overdue(0)),
            (1, 28, Standing::Overdue(1)),
            (2, 47, Standing::Waiting(2)),
            (2, 48, Standing::Waiting(3)),
            (2, 72, Standing::Overdue(0)),
            (4, 0, Standing::Waiting(0)),
            (4, 2 * 720, Standing::Waiting(1)),
            (4, 4 * 720, Standing::Waiting(3)),
            (4, 5 * 720 - 1, Standing::Waiting(3)),
            (4, 5 * 720, Standing::Overdue(0)),
            (4, 5 * 720 + 48, Standing::Overdue(2)),
        ] {
            assert_eq!(standing(urgency, hours * HOUR), expected, "{urgency} {hours}");
        }
    }

    #[test]
    fn a_request_never_falls_behind_by_waiting() {
        for urgency in 1..=4 {
            let mut before = standing(urgency, 0);
            for hours in 1..10_000 {
                let now = standing(urgency, hours * HOUR);
                assert!(now >= before, "{urgency} {hours}");
                before = now;
            }
        }
    }

    #[test]
    fn the_three_most_overdue_levels_stand_apart_and_the_rest_is_one_class() {
        let levels = [9, 7, 4];
        for (level, expected) in [(9, 7), (8, 6), (7, 6), (5, 5), (4, 5), (3, 4), (0, 4)] {
            assert_eq!(class(Standing::Overdue(level), &levels), expected, "{level}");
        }
        assert_eq!(class(Standing::Overdue(12), &[]), 4);
        assert_eq!(class(Standing::Waiting(3), &levels), 3);
    }
}
