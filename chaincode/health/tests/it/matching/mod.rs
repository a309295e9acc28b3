//! The matching as a pure function, against enumeration, a solver that others wrote, and its own promises.

mod fairness;
mod instances;
mod properties;
mod solver;
mod starvation;

/// The words of the contract, as tests name them.
pub(crate) use carecord_health::appointments::matching::*;
