//! What a configuration may look like before anybody asks what it means.

pub mod limits;
pub mod names;
