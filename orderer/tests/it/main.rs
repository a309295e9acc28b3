//! Real orderers on loopback, with real TLS and real files: what clients, peers and each other get from them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod broadcast;
mod certificates;
mod cluster;
mod configs;
mod consenters;
mod deliver;
mod harness;
mod joining;
mod membership;
mod participation;
mod rows;
mod updating;
