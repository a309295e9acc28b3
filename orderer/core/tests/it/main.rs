//! How the channel core behaves: clusters in memory under faults, hostile messages, admission.
#![allow(clippy::unwrap_used)]

mod admission;
mod campaign;
mod catching_up;
mod disk;
mod hostile;
mod membership;
mod ordering;
mod transfer;
mod world;
