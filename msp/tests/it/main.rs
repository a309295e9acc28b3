//! What the MSP promises, checked against Fabric's own verdicts and against hostile input.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is")]

mod golden;
mod hostile;
mod keystore;
mod ledger;
mod made;
mod rows;
