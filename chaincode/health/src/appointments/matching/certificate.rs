//! The certificate: prices that prove a matching best, checked in one pass over all pairs.
//!
//! For any matching the total weight is at most the sum of all `u` and `v` if `u[i] + v[j] >= w[i][j]` for every pair and
//! nothing is negative. A matching that reaches that sum is therefore best: its pairs are tight, and whoever it leaves out
//! has `u` or `v` zero. Only `v` is written down; `u` follows from it.

use crate::appointments::matching::{
    first::{self, Tight},
    weigh::Weights,
};

/// A matching and the prices of the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The slot of each request, as its place in the batch.
    pub slots: Vec<Option<u32>>,
    /// The price of each slot.
    pub prices: Vec<i128>,
}

/// Why a solution proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The lists have other lengths than the batch.
    #[error("solution is for {rows} requests and {columns} slots")]
    Shape {
        /// Requests that it speaks of.
        rows: usize,
        /// Slots that it speaks of.
        columns: usize,
    },
    /// A slot is out of range or promised twice.
    #[error("slot {0} is promised twice or does not exist")]
    NotAMatching(u32),
    /// A pair is not feasible.
    #[error("request {0} cannot be given its slot")]
    Infeasible(usize),
    /// A price is below zero or beyond every weight.
    #[error("price of slot {0} is out of range")]
    Price(usize),
    /// A slot that nobody got has a price.
    #[error("slot {0} has a price and no request")]
    Slack(usize),
    /// A matched request pays more than its pair weighs.
    #[error("request {0} pays more than its slot is worth to it")]
    Overpaid(usize),
    /// A pair is worth more than it costs.
    #[error("request {row} would gain by slot {column}")]
    NotOptimal {
        /// The request.
        row: usize,
        /// The slot.
        column: usize,
    },
    /// Another matching of the same total comes first.
    #[error("another matching of equal weight comes first, from request {0} on")]
    NotFirst(usize),
}

/// Larger than any weight of a batch, and far from overflow when added to one.
const PRICE_LIMIT: i128 = 1 << 120;

/// Checks that a solution is feasible, of largest total weight, and the first of its kind; answers the total.
pub fn verify(weights: &Weights, solution: &Solution) -> Result<i128, NotProven> {
    let tight = verify_optimal(weights, solution)?;
    if let Some(row) = first::improvement(&tight, solution) {
        return Err(NotProven::NotFirst(row));
    }
    let matched = solution.slots.iter().enumerate();
    Ok(matched.filter_map(|(row, s)| s.map(|s| weights.at(row, s as usize))).sum())
}

/// Checks that a solution is feasible and of largest total weight; answers its tight pairs.
pub fn verify_optimal(weights: &Weights, solution: &Solution) -> Result<Tight, NotProven> {
    verify_matching(weights, solution)?;
    let gains = gains(weights, solution)?;
    let mut tight = Tight::new(weights.rows(), weights.columns());
    for (row, &gain) in gains.iter().enumerate() {
        tight.set_needs(row, gain > 0);
        for (column, &weight) in weights.row(row).iter().enumerate() {
            let slack = gain + solution.prices[column] - weight;
            if weight > 0 && slack < 0 {
                return Err(NotProven::NotOptimal { row, column });
            }
            if weight > 0 && slack == 0 {
                tight.add(row, column);
            }
        }
    }
    Ok(tight)
}

/// Each slot exists and serves one request, and the pair is feasible.
fn verify_matching(weights: &Weights, solution: &Solution) -> Result<(), NotProven> {
    let (rows, columns) = (solution.slots.len(), solution.prices.len());
    if (rows, columns) != (weights.rows(), weights.columns()) {
        return Err(NotProven::Shape { rows, columns });
    }
    let mut taken = vec![false; columns];
    for (row, slot) in solution.slots.iter().enumerate() {
        let Some(slot) = *slot else { continue };
        match taken.get_mut(slot as usize) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(NotProven::NotAMatching(slot)),
        }
        if weights.at(row, slot as usize) == 0 {
            return Err(NotProven::Infeasible(row));
        }
    }
    for (column, &price) in solution.prices.iter().enumerate() {
        if !(0..PRICE_LIMIT).contains(&price) {
            return Err(NotProven::Price(column));
        }
        if price > 0 && !taken[column] {
            return Err(NotProven::Slack(column));
        }
    }
    Ok(())
}

/// What each request gains, `u`: the weight of its pair less the price, or nothing.
fn gains(weights: &Weights, solution: &Solution) -> Result<Vec<i128>, NotProven> {
    let gain = |(row, slot): (usize, &Option<u32>)| match slot {
        None => Ok(0),
        Some(slot) => {
            let column = *slot as usize;
            let gain = weights.at(row, column) - solution.prices[column];
            if gain < 0 { Err(NotProven::Overpaid(row)) } else { Ok(gain) }
        }
    };
    solution.slots.iter().enumerate().map(gain).collect()
}
