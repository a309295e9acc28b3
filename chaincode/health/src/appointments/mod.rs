//! Contract `appointments`.

pub mod matching;
pub mod words;
