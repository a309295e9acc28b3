//! The wire against real Fabric: ledgers and vectors made by Fabric 3.1.5, and properties that hold for any bytes.

mod golden;
mod layers;
mod rwset_vectors;
