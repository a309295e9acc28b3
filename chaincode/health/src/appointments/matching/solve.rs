//! The solver: shortest augmenting paths with prices, one request after the other.
//!
//! `u[i] + v[j] >= w[i][j]` holds throughout, with equality on matched pairs; a request that stays unmatched has `u = 0`, a
//! free slot `v = 0`. Each new request looks for the cheapest way, along pairs that are or become tight, to a free slot or
//! to a request that can do without. At most `rows * rows * columns` steps; whole numbers only.

use crate::appointments::matching::{certificate::Solution, weigh::Weights};

/// Beyond every distance that occurs.
const FAR: i128 = i128::MAX;

/// A matching of largest total weight, and the prices that prove it.
///
/// Which one of several is decided by [`super::first::settle`].
pub fn solve(weights: &Weights) -> Solution {
    let mut solver = Solver::new(weights);
    for row in 0..weights.rows() {
        solver.insert(row);
    }
    Solution { slots: solver.slots, prices: solver.prices }
}

struct Solver<'a> {
    weights: &'a Weights,
    /// What each request gains, `u`.
    gains: Vec<i128>,
    /// What each slot costs, `v`.
    prices: Vec<i128>,
    /// The slot of each request.
    slots: Vec<Option<u32>>,
    /// The request of each slot.
    owners: Vec<Option<usize>>,
}

/// The tree of tight pairs that grows from one request.
struct Tree {
    /// How far each slot is.
    distance: Vec<i128>,
    /// From which request it is reached.
    via: Vec<usize>,
    /// Whether it belongs to the tree.
    inside: Vec<bool>,
    /// The requests of the tree and how far they are.
    rows: Vec<(usize, i128)>,
}

/// Where a search ends.
enum End {
    /// At a free slot.
    Slot(usize),
    /// At a request that can do without.
    Request(usize),
}

// === impl Solver ===

impl<'a> Solver<'a> {
    fn new(weights: &'a Weights) -> Self {
        Self {
            weights,
            gains: vec![0; weights.rows()],
            prices: vec![0; weights.columns()],
            slots: vec![None; weights.rows()],
            owners: vec![None; weights.columns()],
        }
    }

    fn insert(&mut self, row: usize) {
        let offers = self.weights.row(row).iter().zip(&self.prices);
        let best = offers.filter(|(w, _)| **w > 0).map(|(w, price)| w - price).max();
        self.gains[row] = best.unwrap_or(0).max(0);
        let (tree, end, distance) = self.search(row);
        self.reprice(&tree, distance);
        self.augment(row, &tree, end);
    }

    fn search(&self, row: usize) -> (Tree, End, i128) {
        let columns = self.weights.columns();
        let mut tree = Tree {
            distance: vec![FAR; columns],
            via: vec![row; columns],
            inside: vec![false; columns],
            rows: Vec::new(),
        };
        let (mut current, mut at) = (row, 0);
        let mut without = (self.gains[row], row);
        loop {
            tree.rows.push((current, at));
            without = without.min((at + self.gains[current], current));
            self.reach(&mut tree, current, at);
            match tree.nearest() {
                Some((column, distance)) if distance < without.0 => {
                    let Some(owner) = self.owners[column] else {
                        return (tree, End::Slot(column), distance);
                    };
                    tree.inside[column] = true;
                    (current, at) = (owner, distance);
                }
                _ => return (tree, End::Request(without.1), without.0),
            }
        }
    }

    /// Sees which slots are nearer by way of a request.
    fn reach(&self, tree: &mut Tree, row: usize, at: i128) {
        let gain = at + self.gains[row];
        for (column, &weight) in self.weights.row(row).iter().enumerate() {
            if weight == 0 || tree.inside[column] {
                continue;
            }
            let distance = gain + self.prices[column] - weight;
            if distance < tree.distance[column] {
                tree.distance[column] = distance;
                tree.via[column] = row;
            }
        }
    }

    fn reprice(&mut self, tree: &Tree, distance: i128) {
        for (row, at) in &tree.rows {
            self.gains[*row] -= distance - at;
        }
        for (column, price) in self.prices.iter_mut().enumerate() {
            if tree.inside[column] {
                *price += distance - tree.distance[column];
            }
        }
    }

    fn augment(&mut self, root: usize, tree: &Tree, end: End) {
        let mut column = match end {
            End::Slot(column) => column,
            End::Request(row) if row == root => return,
            End::Request(row) => {
                let column = self.slots[row].take().expect("requests of the tree are matched");
                column as usize
            }
        };
        loop {
            let row = tree.via[column];
            let before = self.slots[row].replace(u32::try_from(column).expect("at most 2,000"));
            self.owners[column] = Some(row);
            match before {
                Some(left) => column = left as usize,
                None => return,
            }
        }
    }
}

impl Tree {
    /// The nearest slot that is not in the tree yet, the first of several.
    fn nearest(&self) -> Option<(usize, i128)> {
        let mut nearest = None;
        let mut least = FAR;
        for (column, &distance) in self.distance.iter().enumerate() {
            if distance < least && !self.inside[column] {
                least = distance;
                nearest = Some((column, distance));
            }
        }
        nearest
    }
}
