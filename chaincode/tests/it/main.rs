//! How a chaincode made of contracts behaves towards a peer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod bench;
mod caller;
mod dispatch;
