//! P1, P3 and P5: what is given fits, order does not matter, and asking more urgently or waiting longer never loses.

use rand::Rng;

use super::{
    Batch, Demand, Pay, Solution, Weights, assign,
    instances::{batch, rng, shuffled},
    score, verify,
};

/// Feasibility as the design says it, written a second time.
fn fits(demand: &Demand, supply: &super::Supply) -> bool {
    let in_time = demand.periods.iter().any(|p| supply.start >= p.start && supply.end <= p.end);
    let long_enough = supply.end - supply.start >= 60 * i64::from(demand.minutes);
    let specialty = supply
        .specialties
        .iter()
        .any(|s| *s == demand.specialty || *s == demand.specialty.family());
    let paid = match &demand.pay {
        Pay::Insurance { insurance } => supply.in_network.contains(insurance),
        Pay::Budget { budget } => supply.rate * u64::from(demand.minutes) <= *budget,
    };
    in_time && long_enough && specialty && paid && !demand.excluded.contains(&supply.practitioner)
}

fn pairs(batch: &Batch, solution: &Solution) -> Vec<(String, String)> {
    let matched = batch.demands().iter().zip(&solution.slots);
    matched
        .filter_map(|(demand, slot)| {
            let supply = &batch.supplies()[slot.as_ref().copied()? as usize];
            Some((demand.id.to_string(), supply.id.to_string()))
        })
        .collect()
}

#[test]
fn p1_only_feasible_pairs_are_given_and_no_slot_twice() {
    let mut rng = rng(11);
    let (mut given, mut possible) = (0, 0);
    for _ in 0..300 {
        let batch = batch(&mut rng, 20, 20);
        for demand in batch.demands() {
            for supply in batch.supplies() {
                assert_eq!(score(demand, supply).is_some(), fits(demand, supply));
                possible += u32::from(fits(demand, supply));
            }
        }
        let solution = assign(&batch);
        let mut taken = std::collections::BTreeSet::new();
        for (demand, slot) in batch.demands().iter().zip(&solution.slots) {
            let Some(slot) = slot else { continue };
            assert!(fits(demand, &batch.supplies()[*slot as usize]));
            assert!(taken.insert(*slot));
            given += 1;
        }
    }
    println!("{given} pairs given of {possible} feasible ones");
    assert!(given > 1000);
}

#[test]
fn p3_the_order_of_input_does_not_matter() {
    let mut rng = rng(13);
    for _ in 0..200 {
        let batch = batch(&mut rng, 25, 20);
        let expected = pairs(&batch, &assign(&batch));
        let again = shuffled(&mut rng, &batch);
        assert_eq!(pairs(&again, &assign(&again)), expected);
        assert!(!expected.is_empty());
    }
}

#[test]
fn p5_more_urgency_longer_waiting_and_more_bumps_never_lose_a_match() {
    let mut rng = rng(15);
    let mut raised = 0;
    for run in 0..1500 {
        let batch = batch(&mut rng, 12, 6);
        let before = assign(&batch);
        for (row, slot) in before.slots.iter().enumerate() {
            if slot.is_none() {
                continue;
            }
            let mut demands = batch.demands().to_vec();
            match rng.random_range(0..3) {
                0 => demands[row].urgency = rng.random_range(1..=demands[row].urgency),
                1 => demands[row].waited += rng.random_range(0..90 * 24 * 3600),
                _ => demands[row].bumps += rng.random_range(0..6),
            }
            let after = Batch::new(demands, batch.supplies().to_vec());
            let solution = assign(&after);
            assert!(solution.slots[row].is_some(), "run {run}, request {row}");
            raised += 1;
        }
    }
    println!("{raised} matched requests raised, none lost its match");
    assert!(raised > 3000);
}

#[test]
fn an_urgent_request_comes_before_any_number_of_points() {
    let mut rng = rng(16);
    let mut decided = 0;
    for _ in 0..500 {
        // One slot and many requests: the class decides, then the points.
        let batch = batch(&mut rng, 12, 1);
        let weights = Weights::of(&batch);
        let solution = assign(&batch);
        let part: Vec<bool> = (0..12).map(|row| weights.at(row, 0) > 0).collect();
        let classes = super::class::classes(batch.demands(), &part);
        let best = (0..12).filter(|&row| part[row]).map(|row| classes[row]).max();
        let chosen = solution.slots.iter().position(Option::is_some);
        assert_eq!(chosen.map(|row| classes[row]), best);
        verify(&weights, &solution).unwrap();
        decided += u32::from(best.is_some());
    }
    assert!(decided > 100, "{decided}");
}
