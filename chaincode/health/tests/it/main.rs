//! How the health contracts behave, function by function, against a ledger in memory.

mod access;
mod audit;
mod consent;
mod decision;
mod identity;
mod leak;
mod matrix;
mod records;
mod town;
