//! One thing that is wrong in a topology file.

use super::place::Place;
use crate::codes::Code;

/// What is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of mistake.
    pub code: Code,
    /// Where in the file.
    pub place: Place,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do, if it is not plain.
    pub hint: Option<String>,
}
