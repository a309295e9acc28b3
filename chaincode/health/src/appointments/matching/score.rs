//! How well a slot fits a request, in points, and whether it fits at all.

use carecord_chaincode::json_object;

use crate::appointments::{
    matching::input::{Demand, Pay, Supply},
    words::Mode,
};

/// Points for the specialty itself.
pub const SPECIALTY_EXACT: u32 = 300;
/// Points for a specialty that covers it.
pub const SPECIALTY_COVERING: u32 = 200;
/// Points for a common language.
pub const LANGUAGE: u32 = 100;
/// Points for the way of meeting that the patient wants.
pub const MODE: u32 = 100;
/// Most points for the cost.
pub const COST: u32 = 150;
/// Points by distance bucket; whoever does not travel has no distance.
pub const DISTANCE: [u32; 3] = [100, 70, 40];
/// Points for a practitioner who knows the patient.
pub const CONTINUITY: u32 = 100;
/// Points by rank of preference.
pub const PREFERENCE: [u32; 2] = [150, 75];
/// Most points of all.
pub const COMPATIBILITY_MAX: u32 =
    SPECIALTY_EXACT + LANGUAGE + MODE + COST + DISTANCE[0] + CONTINUITY + PREFERENCE[0];

const _: () = assert!(COMPATIBILITY_MAX == 1000);

json_object! {
    /// The points of a pair, one by one.
    pub struct Score {
        /// Specialty.
        pub specialty: u32,
        /// Language.
        pub language: u32,
        /// Way of meeting.
        pub mode: u32,
        /// Cost, or insurer's network.
        pub cost: u32,
        /// Distance.
        pub distance: u32,
        /// Continuity.
        pub continuity: u32,
        /// Preference.
        pub preference: u32,
    }
}

impl Score {
    /// The sum, at most [`COMPATIBILITY_MAX`].
    pub fn total(&self) -> u32 {
        let Self { specialty, language, mode, cost, distance, continuity, preference } = self;
        specialty + language + mode + cost + distance + continuity + preference
    }
}

/// The points of a pair; none if it is not feasible.
pub fn score(demand: &Demand, supply: &Supply) -> Option<Score> {
    if !fits_in_time(demand, supply) || demand.excluded.contains(&supply.practitioner) {
        return None;
    }
    Some(Score {
        specialty: specialty(demand, supply)?,
        cost: cost(demand, supply)?,
        language: points(
            LANGUAGE,
            demand.languages.iter().any(|language| supply.languages.contains(language)),
        ),
        mode: points(MODE, demand.mode == supply.mode),
        distance: distance(demand, supply),
        continuity: points(CONTINUITY, demand.seen.contains(&supply.practitioner)),
        preference: preference(demand, supply),
    })
}

fn points(points: u32, earned: bool) -> u32 {
    if earned { points } else { 0 }
}

fn fits_in_time(demand: &Demand, supply: &Supply) -> bool {
    let long_enough = supply.end.saturating_sub(supply.start) >= i64::from(demand.minutes) * 60;
    long_enough && demand.periods.iter().any(|p| p.start <= supply.start && supply.end <= p.end)
}

fn specialty(demand: &Demand, supply: &Supply) -> Option<u32> {
    if supply.specialties.contains(&demand.specialty) {
        return Some(SPECIALTY_EXACT);
    }
    let covered = supply.specialties.iter().any(|s| s.covers(demand.specialty));
    covered.then_some(SPECIALTY_COVERING)
}

/// `150 * (1 - cost / budget)` rounded down, or all points within the insurer's network; none if it cannot be paid.
fn cost(demand: &Demand, supply: &Supply) -> Option<u32> {
    match &demand.pay {
        Pay::Insurance { insurance } => supply.in_network.contains(insurance).then_some(COST),
        Pay::Budget { budget } => {
            let cost = u128::from(supply.rate) * u128::from(demand.minutes);
            let left = u128::from(*budget).checked_sub(cost)?;
            let share = u128::from(COST) * left / u128::from(*budget).max(1);
            Some(u32::try_from(share).expect("at most 150"))
        }
    }
}

fn distance(demand: &Demand, supply: &Supply) -> u32 {
    if supply.mode != Mode::InPerson {
        return DISTANCE[0];
    }
    let bucket = demand.reach.iter().find(|r| r.org == supply.org).map(|r| r.bucket as usize);
    bucket.and_then(|b| DISTANCE.get(b)).copied().unwrap_or(0)
}

fn preference(demand: &Demand, supply: &Supply) -> u32 {
    let rank = demand.prefs.iter().position(|id| *id == supply.practitioner);
    rank.and_then(|r| PREFERENCE.get(r)).copied().unwrap_or(0)
}
