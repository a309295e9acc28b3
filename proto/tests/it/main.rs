//! The wire against real Fabric: ledgers and vectors made by Fabric 3.1.5, and properties that hold for any bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod golden;
mod layers;
mod rwset_vectors;
