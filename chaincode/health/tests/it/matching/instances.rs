//! Random batches and weights, from a seed.

use carecord_health::{
    appointments::words::{Language, Mode, Specialty},
    ids::{Id, MspId},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{Batch, Demand, Pay, Period, Reach, Supply, Weights};

pub(crate) const HOUR: u64 = 3600;

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn id(rng: &mut ChaCha8Rng) -> Id {
    Id::new(format!("{:032x}", rng.random::<u128>())).unwrap()
}

pub(crate) fn msp(number: usize) -> MspId {
    MspId::new(format!("Hospital{number}MSP")).unwrap()
}

/// Weights from few values, so that ties abound, with a share of pairs that are not feasible.
pub(crate) fn weights(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Weights {
    let (most, feasible) =
        *[(3, 0.9), (5, 0.6), (40, 0.5), (1, 0.4), (1_000_000, 0.7)].choose(rng).unwrap();
    let cells = (0..rows * columns)
        .map(|_| if rng.random_bool(feasible) { rng.random_range(1..=most) } else { 0 });
    Weights::from_cells(rows, columns, cells.collect())
}

fn language(text: &str) -> Language {
    Language::new(text).unwrap()
}

/// A request as patients make them; `waited` up to a hundred days.
pub(crate) fn demand(rng: &mut ChaCha8Rng, practitioners: &[Id]) -> Demand {
    let languages = ["de", "en", "tr", "ar"].map(language);
    let some = |rng: &mut ChaCha8Rng, chance: f64| -> Vec<Id> {
        practitioners.iter().filter(|_| rng.random_bool(chance)).cloned().collect()
    };
    let start = rng.random_range(0..5_i64) * 3600;
    let pay = if rng.random_bool(0.5) {
        Pay::Insurance { insurance: msp(rng.random_range(90..92)) }
    } else {
        Pay::Budget { budget: rng.random_range(100..2000) }
    };
    Demand {
        id: id(rng),
        specialty: *[Specialty::Internal, Specialty::Cardiology].choose(rng).unwrap(),
        urgency: rng.random_range(1..=4),
        waited: rng.random_range(0..100 * 24 * HOUR) >> rng.random_range(0..12),
        bumps: rng.random_range(0..3),
        periods: vec![Period { start, end: start + 6 * 3600 }],
        languages: languages.choose_multiple(rng, 2).cloned().collect(),
        mode: *Mode::ALL.choose(rng).unwrap(),
        minutes: 20,
        pay,
        prefs: some(rng, 0.3),
        reach: vec![Reach { org: msp(rng.random_range(0..3)), bucket: rng.random_range(0..4) }],
        seen: some(rng, 0.2),
        excluded: some(rng, 0.05),
    }
}

/// A slot of one of the practitioners.
pub(crate) fn supply(rng: &mut ChaCha8Rng, practitioners: &[Id]) -> Supply {
    let start = rng.random_range(0..9_i64) * 3600;
    let specialty = *[Specialty::Internal, Specialty::Cardiology].choose(rng).unwrap();
    Supply {
        id: id(rng),
        practitioner: practitioners.choose(rng).unwrap().clone(),
        org: msp(rng.random_range(0..3)),
        start,
        end: start + 1800,
        mode: *Mode::ALL.choose(rng).unwrap(),
        specialties: vec![specialty],
        languages: vec![language(["de", "en"].choose(rng).unwrap())],
        in_network: vec![msp(rng.random_range(90..92))],
        rate: rng.random_range(1..60),
        load: rng.random_range(0..=200),
    }
}

/// A batch of so many requests and slots of a handful of practitioners.
pub(crate) fn batch(rng: &mut ChaCha8Rng, requests: usize, slots: usize) -> Batch {
    let practitioners: Vec<Id> = (0..(slots / 3).max(2)).map(|_| id(rng)).collect();
    let demands = (0..requests).map(|_| demand(rng, &practitioners)).collect();
    let supplies = (0..slots).map(|_| supply(rng, &practitioners)).collect();
    Batch::new(demands, supplies)
}

/// The practitioners and sides of a batch as they were before sorting, in another order.
pub(crate) fn shuffled(rng: &mut ChaCha8Rng, batch: &Batch) -> Batch {
    use rand::seq::SliceRandom;
    let (mut demands, mut supplies) = (batch.demands().to_vec(), batch.supplies().to_vec());
    demands.shuffle(rng);
    supplies.shuffle(rng);
    Batch::new(demands, supplies)
}
