//! Which request gets which slot: a pure function of a frozen batch, exact and provable.
//!
//! Place in the flow: [`crate::appointments`] freezes a [`Batch`]; [`solve()`] (on the ledger, or off it for large ones)
//! answers a [`Solution`] with its prices; [`verify`] proves that no other choice has a larger total [`weigh`]t, and that among
//! equal ones it is the first. Whoever holds the batch can repeat it. Whole numbers only; order of input does not matter.
//!
//! 1. *Feasible* ([`score`]): the slot lies in one of the request's periods and is long enough, the practitioner has or
//!    covers the specialty, the insurer is in their network or the cost within the budget, and neither excludes the other.
//! 2. *Weight* ([`weigh`]): compatibility 0..=1000, wait 0..=400, bumps 0..=300, less the practitioner's load
//!    0..=200, within a class; classes ([`class`]) are lexicographic: no number of lower ones outweighs one higher.
//! 3. *Optimal* ([`certificate`]): prices `v` of slots with `u[i] + v[j] >= w[i][j]` everywhere and equality on matched pairs,
//!    zero for what stays unmatched. They bound every matching from above by the total of this one.
//! 4. *First* ([`first`]): of all optimal ones the smallest sorted list of (request, slot).

pub mod certificate;
pub mod class;
pub mod first;
pub mod input;
pub mod report;
pub mod score;
pub mod solve;
pub mod weigh;

pub use certificate::{NotProven, Solution, verify};
pub use input::{Batch, Demand, Pay, Period, Reach, Supply};
pub use report::{Fairness, fairness};
pub use score::{Score, score};
pub use solve::solve;
pub use weigh::Weights;

/// Most requests, and most slots, of one batch.
pub const SIDE_MAX: usize = 2000;
/// Most requests, and most slots, of a batch that is solved on the ledger; larger ones are solved elsewhere and proven.
pub const SOLVE_MAX: usize = 300;

const _: () = assert!(SOLVE_MAX <= SIDE_MAX);

/// Solves a batch: weights, optimum, and the first of the optimal matchings.
pub fn assign(batch: &Batch) -> Solution {
    let weights = Weights::of(batch);
    let mut solution = solve(&weights);
    first::settle(&weights, &mut solution);
    solution
}
