//! Weights: one number per pair that a larger total of is better.

use crate::appointments::matching::{
    class::{CLASSES, classes, target},
    input::{Batch, Demand},
    score::{COMPATIBILITY_MAX, score},
};

/// Most points for waiting.
pub const WAIT_MAX: u32 = 400;
/// Points for each time that others let a request down.
pub const BUMP: u32 = 60;
/// Most points for that.
pub const BUMPS_MAX: u32 = 300;
/// Most points taken off for a practitioner's load.
pub const LOAD_MAX: u32 = 200;
/// The largest weight within a class: one point, so that a match is worth more than none, and all the others.
pub const BASE_MAX: i128 = 1 + (COMPATIBILITY_MAX + WAIT_MAX + BUMPS_MAX) as i128;

/// What each class adds, lowest first, for a batch whose smaller side has `smaller` members.
///
/// `K[c] = (smaller + 1) * (K[c - 1] + BASE_MAX)`: one match of a class outweighs any number of lower ones. Eight classes of a
/// batch of 2,000 stay below 2^99, so totals fit an `i128`.
pub fn class_weights(smaller: usize) -> Vec<i128> {
    let mut weights = vec![0_i128];
    while weights.len() < CLASSES as usize {
        let below = weights[weights.len() - 1] + BASE_MAX;
        weights.push((smaller as i128 + 1) * below);
    }
    weights
}

/// The points of a request whichever slot it gets: waiting and bumps.
pub fn claim_points(demand: &Demand) -> u32 {
    let waited = u128::from(demand.waited);
    let wait = u128::from(WAIT_MAX) * waited / u128::from(target(demand.urgency));
    let wait = u32::try_from(wait.min(u128::from(WAIT_MAX))).expect("at most 400");
    wait + demand.bumps.saturating_mul(BUMP).min(BUMPS_MAX)
}

/// The weights of a batch, row by row; 0 where a pair is not feasible, above 0 everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    rows: usize,
    columns: usize,
    cells: Vec<i128>,
}

// === impl Weights ===

impl Weights {
    /// Weighs every pair of a batch.
    pub fn of(batch: &Batch) -> Self {
        let (demands, supplies) = (batch.demands(), batch.supplies());
        let mut cells = Vec::with_capacity(demands.len() * supplies.len());
        for demand in demands {
            let points = claim_points(demand);
            cells.extend(supplies.iter().map(|supply| match score(demand, supply) {
                None => 0,
                Some(score) => {
                    let gained = i128::from(1 + score.total() + points);
                    gained - i128::from(supply.load.min(LOAD_MAX))
                }
            }));
        }
        let mut weights = Self { rows: demands.len(), columns: supplies.len(), cells };
        weights.lift(demands);
        weights
    }

    /// Weights as they are given, row by row: for tests and other uses of the solver.
    ///
    /// # Panics
    /// If the number of cells is not `rows * columns`, or a cell is negative.
    pub fn from_cells(rows: usize, columns: usize, cells: Vec<i128>) -> Self {
        assert!(cells.len() == rows * columns && cells.iter().all(|&cell| cell >= 0));
        Self { rows, columns, cells }
    }

    /// Adds the weight of its class to each feasible pair.
    fn lift(&mut self, demands: &[Demand]) {
        let takes_part: Vec<bool> =
            (0..self.rows).map(|row| self.row(row).iter().any(|&cell| cell > 0)).collect();
        let added = class_weights(self.rows.min(self.columns));
        for (row, class) in classes(demands, &takes_part).into_iter().enumerate() {
            let start = row * self.columns;
            for cell in &mut self.cells[start..start + self.columns] {
                if *cell > 0 {
                    *cell += added[class as usize];
                }
            }
        }
    }

    /// Number of requests.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of slots.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The weights of one request.
    pub fn row(&self, row: usize) -> &[i128] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    /// The weight of a pair; 0 if it is not feasible.
    pub fn at(&self, row: usize, column: usize) -> i128 {
        self.cells[row * self.columns + column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_match_of_a_class_outweighs_all_lower_ones_together() {
        for smaller in [1, 2, 300, super::super::SIDE_MAX] {
            let weights = class_weights(smaller);
            assert_eq!(weights.len(), CLASSES as usize);
            for class in 1..weights.len() {
                let all_lower = (weights[class - 1] + BASE_MAX) * smaller as i128;
                assert!(weights[class] > all_lower, "{smaller} {class}");
            }
            let total = (weights[weights.len() - 1] + BASE_MAX).checked_mul(smaller as i128);
            assert!(total.is_some_and(|total| total < 1 << 100), "{smaller}");
        }
    }

    #[test]
    fn waiting_earns_points_up_to_the_target_and_bumps_up_to_five() {
        let mut demand = crate::appointments::matching::report::tests::demand(1, 2, 0);
        for (waited, bumps, expected) in [
            (0, 0, 0),
            (12 * 3600, 0, 200),
            (24 * 3600, 0, 400),
            (u64::MAX, 0, 400),
            (0, 1, 60),
            (0, 5, 300),
            (0, u32::MAX, 300),
        ] {
            (demand.waited, demand.bumps) = (waited, bumps);
            assert_eq!(claim_points(&demand), expected, "{waited} {bumps}");
        }
    }
}
