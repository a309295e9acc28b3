//! Contract `claims`: plans, claims and who pays what of them.

pub mod adjudication;
pub mod calendar;
pub mod outcome;
pub mod rounding;
pub mod terms;
