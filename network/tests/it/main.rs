//! The network room from outside: topology files, what `init` writes, the command line, a network that runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod administrators;
mod ca;
mod chaincode;
mod command_line;
mod dangers;
mod generated;
mod health;
mod leaving;
mod operations;
mod orderers;
mod peer_cli;
mod running;
mod support;
mod topology;
