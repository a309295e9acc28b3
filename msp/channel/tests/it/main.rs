//! A channel's rules against the answers of Fabric 3.1.5 itself (golden vectors and ledgers).

mod configs;
mod genesis;
mod limits;
mod model;
mod model_trees;
mod policies;
mod updates;
mod vectors;
