//! The vault as its clients see it: a real service over real stores, real certificates, and the health chaincode's own
//! state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod attacks;
mod contents;
mod copies;
mod world;
