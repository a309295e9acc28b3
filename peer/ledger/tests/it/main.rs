//! The ledger against real Fabric ledgers, hostile input and crashes.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod flips;
mod golden;
mod network;
mod support;
