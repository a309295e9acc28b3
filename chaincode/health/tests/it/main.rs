//! How the health contracts behave, function by function, against a ledger in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod adjudication;
mod appointments;
mod audit;
mod channel_lives;
mod channel_model;
mod channels;
mod claims;
mod consent;
mod conservation;
mod cover;
mod decision;
mod delegation;
mod disputes;
mod emergency;
mod identity;
mod leak;
mod matching;
mod matrix;
mod mirror;
mod money;
mod money_leak;
mod payments;
mod records;
mod research;
mod storage;
mod telemetry;
mod token;
mod town;
mod visits;
