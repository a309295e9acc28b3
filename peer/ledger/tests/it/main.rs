//! The ledger against real Fabric ledgers, hostile input and crashes.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod causes;
mod channel;
mod crash;
mod flips;
mod fuzz;
mod golden;
mod killers;
mod members;
mod network;
mod pipeline;
mod private;
mod rows;
mod snapshot;
mod support;
mod table;
mod tools;
