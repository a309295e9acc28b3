//! P2: the solver against enumeration of every matching, and against a solver that others wrote.

use pathfinding::prelude::{Matrix, kuhn_munkres};
use rand::Rng;

use super::{
    NotProven, Solution, Weights, assign, first,
    instances::{batch, rng, weights},
    solve, verify,
};

/// Every matching of the rows from `row` on, one after the other: the best total and the first list of slots with it.
///
/// A list comes before another if the first request that they treat differently has the smaller slot, or has one at all.
struct Enumeration<'a> {
    weights: &'a Weights,
    taken: Vec<bool>,
    current: Vec<Option<u32>>,
    best: Option<(i128, Vec<Option<u32>>)>,
    leaves: u64,
}

impl Enumeration<'_> {
    fn run(weights: &Weights) -> (i128, Vec<Option<u32>>, u64) {
        let (taken, current) = (vec![false; weights.columns()], Vec::new());
        let mut all = Enumeration { weights, taken, current, best: None, leaves: 0 };
        all.from(0, 0);
        let (total, slots) = all.best.unwrap();
        (total, slots, all.leaves)
    }

    fn from(&mut self, row: usize, total: i128) {
        if row == self.weights.rows() {
            self.leaves += 1;
            // Lists are met in their order, so the first of equal ones stays.
            if self.best.as_ref().is_none_or(|(best, _)| total > *best) {
                self.best = Some((total, self.current.clone()));
            }
            return;
        }
        for column in 0..self.weights.columns() {
            let weight = self.weights.at(row, column);
            if self.taken[column] || weight == 0 {
                continue;
            }
            self.taken[column] = true;
            self.current.push(Some(u32::try_from(column).unwrap()));
            self.from(row + 1, total + weight);
            self.current.pop();
            self.taken[column] = false;
        }
        self.current.push(None);
        self.from(row + 1, total);
        self.current.pop();
    }
}

fn total(weights: &Weights, solution: &Solution) -> i128 {
    let matched = solution.slots.iter().enumerate();
    matched.filter_map(|(row, slot)| slot.map(|slot| weights.at(row, slot as usize))).sum()
}

fn settled(weights: &Weights) -> Solution {
    let mut solution = solve(weights);
    first::settle(weights, &mut solution);
    solution
}

#[test]
fn ten_thousand_instances_up_to_seven_by_seven_equal_enumeration_tie_break_included() {
    let mut rng = rng(1);
    let (mut leaves, mut ties, mut largest) = (0, 0, 0);
    for run in 0..10_000 {
        let (rows, columns) = (rng.random_range(1..=7), rng.random_range(1..=7));
        let weights = weights(&mut rng, rows, columns);
        let unsettled = solve(&weights);
        let solution = settled(&weights);
        let (best, slots, seen) = Enumeration::run(&weights);
        assert_eq!(solution.slots, slots, "run {run}: {weights:?}");
        assert_eq!(verify(&weights, &solution), Ok(best), "run {run}");
        leaves += seen;
        ties += u32::from(unsettled.slots != slots);
        largest += u32::from(rows == 7 && columns == 7);
    }
    println!(
        "10,000 instances, {largest} of 7 x 7, {leaves} matchings enumerated, {ties} decided by the tie-break"
    );
    assert!(largest > 100 && ties > 1000);
}

#[test]
fn ten_thousand_batches_equal_enumeration_of_their_weights() {
    let mut rng = rng(2);
    let mut matched = 0;
    for run in 0..10_000 {
        let (requests, slots) = (rng.random_range(1..=7), rng.random_range(1..=6));
        let batch = batch(&mut rng, requests, slots);
        let solution = assign(&batch);
        let (best, slots, _) = Enumeration::run(&Weights::of(&batch));
        assert_eq!(solution.slots, slots, "run {run}");
        assert_eq!(verify(&Weights::of(&batch), &solution), Ok(best));
        matched += slots.iter().flatten().count();
    }
    println!("10,000 batches, {matched} matches");
    assert!(matched > 10_000);
}

#[test]
fn larger_instances_have_the_total_of_a_solver_that_others_wrote() {
    let mut rng = rng(3);
    for run in 0..200 {
        let (rows, columns) = (rng.random_range(1..=40), rng.random_range(1..=40));
        let weights = weights(&mut rng, rows, columns);
        // It wants as many columns as rows at least, and may give a pair that weighs nothing.
        let side = rows.max(columns);
        let cell = |row, column| {
            if row < rows && column < columns { weights.at(row, column) } else { 0 }
        };
        let cells = (0..side * side).map(|n| cell(n / side, n % side)).collect();
        let (best, _) = kuhn_munkres(&Matrix::from_vec(side, side, cells).unwrap());
        assert_eq!(total(&weights, &settled(&weights)), best, "run {run}");
    }
}

#[test]
fn a_certificate_fails_with_any_other_matching_and_any_other_price() {
    let mut rng = rng(4);
    let (mut not_optimal, mut others) = (0, 0);
    for run in 0..2000 {
        let (rows, columns) = (rng.random_range(2..=6), rng.random_range(2..=6));
        let weights = weights(&mut rng, rows, columns);
        let solution = settled(&weights);
        let best = verify(&weights, &solution).unwrap();
        // Another matching under the same prices.
        let mut other = solution.clone();
        let (row, slot) = (rng.random_range(0..rows), rng.random_range(0..columns));
        other.slots[row] = if rng.random_bool(0.3) { None } else { Some(slot as u32) };
        if other.slots != solution.slots {
            others += 1;
            assert!(verify(&weights, &other).is_err(), "run {run}");
        }
        // A worse matching under prices of its own making: whatever they are, they prove nothing.
        let worse = other;
        let is_worse =
            worse.slots.iter().flatten().collect::<std::collections::BTreeSet<_>>().len()
                == worse.slots.iter().flatten().count()
                && total(&weights, &worse) < best;
        for _ in 0..20 {
            let prices = (0..columns).map(|_| rng.random_range(0..6)).collect();
            let candidate = Solution { prices, ..worse.clone() };
            if is_worse {
                not_optimal += 1;
                assert!(verify(&weights, &candidate).is_err(), "run {run}");
            }
        }
    }
    println!("{others} other matchings and {not_optimal} made-up certificates refused");
    assert!(not_optimal > 5000);
}

#[test]
fn each_condition_of_the_certificate_is_checked_by_itself() {
    // Two requests, two slots; request 0 should get slot 0, request 1 slot 1.
    let weights = Weights::from_cells(2, 2, vec![5, 4, 4, 0]);
    let proof = |slots: [Option<u32>; 2], prices: [i128; 2]| Solution {
        slots: slots.to_vec(),
        prices: prices.to_vec(),
    };
    let good = settled(&weights);
    assert_eq!(good.slots, [Some(1), Some(0)]);
    assert_eq!(verify(&weights, &good), Ok(8));
    for (bad, expected) in [
        (
            Solution { slots: vec![None], prices: vec![0, 0] },
            NotProven::Shape { rows: 1, columns: 2 },
        ),
        (proof([Some(2), None], [0, 0]), NotProven::NotAMatching(2)),
        (proof([Some(0), Some(0)], [0, 0]), NotProven::NotAMatching(0)),
        (proof([None, Some(1)], [0, 0]), NotProven::Infeasible(1)),
        (proof([Some(1), Some(0)], [-1, 0]), NotProven::Price(0)),
        (proof([Some(1), Some(0)], [i128::MAX, 0]), NotProven::Price(0)),
        (proof([Some(1), Some(0)], [5, 0]), NotProven::Overpaid(1)),
        // The greedy choice: slot 0 for request 0. With a price that keeps request 1 away, slackness of the free slot fails ...
        (proof([Some(0), None], [4, 3]), NotProven::Slack(1)),
        // ... without one, request 1 would gain.
        (proof([Some(0), None], [1, 0]), NotProven::NotOptimal { row: 1, column: 0 }),
        (proof([Some(1), None], [5, 0]), NotProven::Slack(0)),
        (proof([Some(1), Some(0)], [0, 0]), NotProven::NotOptimal { row: 0, column: 0 }),
    ] {
        assert_eq!(verify(&weights, &bad), Err(expected), "{bad:?}");
    }
    // Of equal totals the first list counts: any tie handed in otherwise is refused.
    let equal = Weights::from_cells(2, 2, vec![3, 3, 3, 3]);
    let first = proof([Some(0), Some(1)], [3, 3]);
    let second = proof([Some(1), Some(0)], [3, 3]);
    assert_eq!(verify(&equal, &first), Ok(6));
    assert_eq!(verify(&equal, &second), Err(NotProven::NotFirst(0)));
}
