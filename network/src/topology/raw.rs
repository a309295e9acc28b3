//! The topology file as it is written, every value with its place.

use serde::Deserialize;
use toml::Spanned;

use super::place::Place;
use super::problem::Problem;
use crate::codes::Code;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topology {
    pub(super) name: Spanned<String>,
    pub(super) operations_tls: Option<bool>,
    #[serde(default)]
    pub(super) ca: bool,
    #[serde(default)]
    pub(super) organisations: Vec<Spanned<Organisation>>,
    #[serde(default)]
    pub(super) nodes: Vec<Spanned<Node>>,
    #[serde(default)]
    pub(super) channels: Vec<Spanned<Channel>>,
    #[serde(default)]
    pub(super) users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organisation {
    pub(super) name: Spanned<String>,
    pub(super) msp_id: Spanned<String>,
    pub(super) domain: Spanned<String>,
    pub(super) role: Spanned<String>,
    pub(super) country: Option<Spanned<String>>,
    pub(super) roles: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) name: Spanned<String>,
    pub(super) organisation: Spanned<String>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) cluster_port: Option<Spanned<i64>>,
    pub(super) operations_port: Option<Spanned<i64>>,
    pub(super) admin_port: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Channel {
    pub(super) name: Spanned<String>,
    pub(super) organisations: Vec<Spanned<String>>,
    pub(super) orderers: Vec<Spanned<String>>,
    pub(super) batch: Option<Batch>,
    pub(super) raft: Option<Raft>,
    #[serde(default)]
    pub(super) chaincodes: Vec<Chaincode>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) max_messages: Option<Spanned<i64>>,
    pub(super) max_bytes: Option<Spanned<i64>>,
    pub(super) preferred_bytes: Option<Spanned<i64>>,
    pub(super) timeout_ms: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Raft {
    pub(super) tick_ms: Option<Spanned<i64>>,
    pub(super) election_ticks: Option<Spanned<i64>>,
    pub(super) heartbeat_ticks: Option<Spanned<i64>>,
    pub(super) max_inflight_blocks: Option<Spanned<i64>>,
    pub(super) snapshot_interval_bytes: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chaincode {
    pub(super) name: Spanned<String>,
    pub(super) version: Option<Spanned<String>>,
    pub(super) endorsement: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) name: Spanned<String>,
    pub(super) organisation: Spanned<String>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
}

/// Reads TOML into these types; the error names the line.
pub(super) fn parse(text: &str) -> Result<Topology, Problem> {
    toml::from_str(text).map_err(|error| Problem {
        code: Code::TopologySyntax,
        place: Place::of(text, &error.span().unwrap_or(0..0)),
        message: error.message().to_lowercase().replace('\n', "; "),
        hint: None,
    })
}
