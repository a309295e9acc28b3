//! A peer in this process, over a real ledger, real sockets and real certificates, with an orderer that does as told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod client;
mod deliver;
mod endorser;
mod gateway;
mod golden;
mod lifecycle;
mod mischief;
mod packages;
mod private_data;
mod puller;
mod revocation;
mod rows;
mod snapshot;
mod solo;
mod system;
mod world;
