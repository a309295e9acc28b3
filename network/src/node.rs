//! One node of the network, as a process: `carecord node run orderer|peer|ca --config FILE`.
//!
//! Place in the flow: bring-up writes the configuration and spawns the process; this module reads it, starts the
//! orderer or peer, and ends it gracefully on SIGTERM or Ctrl-C.

pub mod ca;
pub mod config;
mod expiry;
mod files;
mod listener;
mod operations;
mod orderer;
mod peer;
mod reload;
mod run;
mod vault;

pub use run::{Kind, run};
