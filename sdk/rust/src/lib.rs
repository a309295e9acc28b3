//! SDK
pub mod seal;
pub mod wrap;
