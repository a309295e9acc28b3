//! The one binary: brings a network up, runs its nodes, and is the client at the command line.
//!
//! ```text
//! topology.toml ─▶ topology ─▶ bringup ─▶ DIR/{network.json, organizations, channels, nodes, logs}
//!                                 └─▶ one process per node: `carecord node run` ─▶ node
//! DIR ─▶ session ─▶ cli/*, demo, bench, acceptance
//! ```
//!
//! Place in the flow: the last room; it imports from all others and nobody imports from it.

pub mod acceptance;
pub mod backup;
pub mod bench;
pub mod bringup;
pub mod certificates;
pub mod chain;
pub mod chaincodes;
pub mod cli;
pub mod codes;
pub mod configtx;
pub mod configuring;
pub mod demo;
pub mod error;
pub mod membership;
pub mod node;
pub mod output;
mod pairs;
pub mod participation;
pub mod people;
pub mod process;
pub mod receipts;
pub mod renewal;
pub mod scan;
pub mod session;
pub mod snapshots;
pub mod state;
pub mod topology;
pub mod wallet;
