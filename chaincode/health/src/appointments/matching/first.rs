//! Of all matchings of largest weight, the one whose sorted list of (request, slot) comes first.
//!
//! Optimal matchings use tight pairs only and differ by cycles along them, where a hub stands for "nobody": a request
//! that gains nothing may be left out, a slot that costs nothing may stay free. Request by request, the smallest slot is
//! taken from which such a cycle leads back to the request, and both are settled. Requests and slots are numbered in the order of their
//! ids. Rows of bits keep the work below `rows * rows * columns / 64` steps, however many ties there are.

use crate::appointments::matching::{
    certificate::{Solution, verify_optimal},
    weigh::Weights,
};

/// The pairs whose price is exact, as one row of bits over the requests for each slot.
#[derive(Clone, Debug)]
pub struct Tight {
    rows: usize,
    words: usize,
    by_slot: Vec<u64>,
    needs: Vec<bool>,
}

// === impl Tight ===

impl Tight {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let words = rows.div_ceil(64);
        Self { rows, words, by_slot: vec![0; words * columns], needs: vec![false; rows] }
    }

    pub(super) fn add(&mut self, row: usize, column: usize) {
        self.by_slot[column * self.words + row / 64] |= 1 << (row % 64);
    }

    /// Whether a request gains something and so cannot be left out.
    pub(super) fn set_needs(&mut self, row: usize, needs: bool) {
        self.needs[row] = needs;
    }

    fn has(&self, row: usize, column: usize) -> bool {
        self.by_slot[column * self.words + row / 64] >> (row % 64) & 1 == 1
    }

    fn requests(&self, column: usize) -> &[u64] {
        &self.by_slot[column * self.words..(column + 1) * self.words]
    }
}

/// Replaces an optimal matching by the first of the optimal ones.
///
/// # Panics
/// If the solution is not optimal: the solver's always is.
pub fn settle(weights: &Weights, solution: &mut Solution) {
    let tight = verify_optimal(weights, solution).expect("the solver proves what it answers");
    let mut exchange = Exchange::new(&tight, solution);
    for row in 0..weights.rows() {
        exchange.settle_row(row);
    }
    solution.slots = exchange.slots;
}

/// The first request that an earlier matching of equal weight would treat otherwise.
pub(super) fn improvement(tight: &Tight, solution: &Solution) -> Option<usize> {
    let mut exchange = Exchange::new(tight, solution);
    (0..tight.rows).find(|&row| exchange.settle_row(row))
}

/// A place on a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Request(usize),
    Slot(usize),
    Hub,
}

struct Exchange<'a> {
    tight: &'a Tight,
    prices: &'a [i128],
    slots: Vec<Option<u32>>,
    owners: Vec<Option<usize>>,
    /// Requests that are not settled, as bits.
    open: Vec<u64>,
    slot_open: Vec<bool>,
}

/// From which places a request can be reached, and the next place on the way.
struct Ways {
    /// Requests not yet seen, as bits.
    unseen: Vec<u64>,
    request_next: Vec<Node>,
    slot_next: Vec<Option<Node>>,
    hub_next: Option<Node>,
    queue: Vec<Node>,
}

// === impl Exchange ===

impl<'a> Exchange<'a> {
    fn new(tight: &'a Tight, solution: &'a Solution) -> Self {
        let columns = solution.prices.len();
        let mut owners = vec![None; columns];
        for (row, slot) in solution.slots.iter().enumerate() {
            if let Some(slot) = slot {
                owners[*slot as usize] = Some(row);
            }
        }
        let mut open = vec![0_u64; tight.words];
        for row in 0..tight.rows {
            open[row / 64] |= 1 << (row % 64);
        }
        let slots = solution.slots.clone();
        Self {
            tight,
            prices: &solution.prices,
            slots,
            owners,
            open,
            slot_open: vec![true; columns],
        }
    }

    /// Gives a request the smallest slot that it can have; answers whether that is another one than before.
    fn settle_row(&mut self, row: usize) -> bool {
        let own = self.slots[row].map(|slot| slot as usize);
        let before = own.unwrap_or(self.slot_open.len());
        let candidates: Vec<usize> =
            (0..before).filter(|&slot| self.slot_open[slot] && self.tight.has(row, slot)).collect();
        let mut changed = false;
        if !candidates.is_empty() {
            let ways = self.ways_to(row);
            if let Some(&slot) = candidates.iter().find(|&&slot| ways.slot_next[slot].is_some()) {
                self.turn(row, slot, &ways);
                changed = true;
            }
        }
        self.open[row / 64] &= !(1 << (row % 64));
        if let Some(slot) = self.slots[row] {
            self.slot_open[slot as usize] = false;
        }
        changed
    }

    /// Every place from which `row` can be reached along exchanges.
    fn ways_to(&self, row: usize) -> Ways {
        let mut ways = Ways {
            unseen: self.open.clone(),
            request_next: vec![Node::Hub; self.slots.len()],
            slot_next: vec![None; self.owners.len()],
            hub_next: None,
            queue: vec![Node::Request(row)],
        };
        ways.unseen[row / 64] &= !(1 << (row % 64));
        while let Some(node) = ways.queue.pop() {
            match node {
                Node::Request(request) => self.before_request(request, &mut ways),
                Node::Slot(slot) => self.before_slot(slot, &mut ways),
                Node::Hub => self.before_hub(&mut ways),
            }
        }
        ways
    }

    /// A request is reached from the slot that it gives up, or, without one, from the hub.
    fn before_request(&self, request: usize, ways: &mut Ways) {
        match self.slots[request] {
            Some(slot) => ways.see_slot(slot as usize, Node::Request(request)),
            None => ways.see_hub(Node::Request(request)),
        }
    }

    /// A slot is reached from requests that could take it, or, if it may stay free, from the hub.
    fn before_slot(&self, slot: usize, ways: &mut Ways) {
        for word in 0..self.tight.words {
            let mut new = self.tight.requests(slot)[word] & ways.unseen[word];
            ways.unseen[word] &= !new;
            while new != 0 {
                let request = word * 64 + new.trailing_zeros() as usize;
                new &= new - 1;
                ways.request_next[request] = Node::Slot(slot);
                ways.queue.push(Node::Request(request));
            }
        }
        if self.owners[slot].is_some() && self.prices[slot] == 0 {
            ways.see_hub(Node::Slot(slot));
        }
    }

    /// The hub is reached from requests that may be left out, and from free slots.
    fn before_hub(&self, ways: &mut Ways) {
        for (request, slot) in self.slots.iter().enumerate() {
            let unseen = ways.unseen[request / 64] >> (request % 64) & 1 == 1;
            if slot.is_some() && unseen && !self.tight.needs[request] {
                ways.unseen[request / 64] &= !(1 << (request % 64));
                ways.request_next[request] = Node::Hub;
                ways.queue.push(Node::Request(request));
            }
        }
        for (slot, owner) in self.owners.iter().enumerate() {
            if owner.is_none() && self.slot_open[slot] {
                ways.see_slot(slot, Node::Hub);
            }
        }
    }

    /// Gives `row` the slot and turns everything on the way back to it.
    fn turn(&mut self, row: usize, slot: usize, ways: &Ways) {
        let mut pairs = vec![(row, slot)];
        let mut left = Vec::new();
        let mut node = Node::Slot(slot);
        while node != Node::Request(row) {
            let next = match node {
                Node::Slot(slot) => ways.slot_next[slot].expect("a place on the way"),
                Node::Request(request) => ways.request_next[request],
                Node::Hub => ways.hub_next.expect("a place on the way"),
            };
            match (node, next) {
                (Node::Slot(slot), Node::Request(request)) => left.push((request, slot)),
                (Node::Request(request), Node::Slot(slot)) => pairs.push((request, slot)),
                _ => {}
            }
            node = next;
        }
        for (request, slot) in left {
            self.slots[request] = None;
            self.owners[slot] = None;
        }
        for (request, slot) in pairs {
            self.slots[request] = Some(u32::try_from(slot).expect("at most 2,000"));
            self.owners[slot] = Some(request);
        }
    }
}

// === impl Ways ===

impl Ways {
    fn see_slot(&mut self, slot: usize, next: Node) {
        if self.slot_next[slot].is_none() {
            self.slot_next[slot] = Some(next);
            self.queue.push(Node::Slot(slot));
        }
    }

    fn see_hub(&mut self, next: Node) {
        if self.hub_next.is_none() {
            self.hub_next = Some(next);
            self.queue.push(Node::Hub);
        }
    }
}
