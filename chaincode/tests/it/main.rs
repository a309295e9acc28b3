//! How a chaincode made of contracts behaves towards a peer.

mod bench;
mod caller;
mod dispatch;
