//! `status`: which nodes run, how far their chains are, and whether they agree.

use std::collections::BTreeMap;

use serde::Serialize;

use super::health;
use crate::chain::{self, Tip};
use crate::process::Process;
use crate::session::Session;
use crate::state::{NetworkFile, NodeEntry};

/// State of a network, schema `carecord.status/v1`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Always `carecord.status/v1`.
    pub schema: &'static str,
    /// Name of the network.
    pub name: String,
    /// Whether every node runs and is healthy, and all chains agree.
    pub healthy: bool,
    /// One entry for each node.
    pub nodes: Vec<NodeStatus>,
}

/// State of one node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// `orderer` or `peer`.
    pub role: String,
    /// Name of its organisation.
    pub organisation: String,
    /// Where clients reach it.
    pub address: String,
    /// Its process, if it runs.
    pub pid: Option<i32>,
    /// Whether its operations service says that it is healthy.
    pub healthy: bool,
    /// Memory it is charged for (PSS), in bytes.
    pub memory_bytes: Option<u64>,
    /// Tip of each channel that it serves.
    pub channels: BTreeMap<String, Tip>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Looks at every node.
pub async fn status(session: &Session) -> Status {
    let file = session.file();
    let mut nodes = Vec::with_capacity(file.nodes.len());
    for node in &file.nodes {
        nodes.push(node_status(session, file, node).await);
    }
    mark_differences(&mut nodes);
    Status {
        schema: "carecord.status/v1",
        name: file.name.clone(),
        healthy: nodes.iter().all(|node| node.problem.is_none()),
        nodes,
    }
}

async fn node_status(session: &Session, file: &NetworkFile, node: &NodeEntry) -> NodeStatus {
    let process = Process::of_file(&node.pid_file);
    let mut status = NodeStatus {
        name: node.name.clone(),
        role: node.role.clone(),
        organisation: node.organisation.clone(),
        address: node.address.clone(),
        pid: process.map(Process::pid),
        healthy: false,
        memory_bytes: process.and_then(Process::pss_bytes),
        channels: BTreeMap::new(),
        problem: None,
    };
    if process.is_none() {
        status.problem = Some("does not run".to_owned());
        return status;
    }
    match health::healthy(node) {
        Ok(()) => status.healthy = true,
        Err(reason) => status.problem = Some(reason),
    }
    for channel in &file.channels {
        let serves = channel.orderers.contains(&node.name)
            || (node.role == "peer" && channel.organisations.contains(&node.organisation));
        if !serves {
            continue;
        }
        match chain::tip(session, node, &channel.name).await {
            Ok(tip) => {
                status.channels.insert(channel.name.clone(), tip);
            }
            Err(failure) => status.problem = Some(failure.cause().to_owned()),
        }
    }
    status
}

/// Peers at the same height must have the same block and the same commit hash.
fn mark_differences(nodes: &mut [NodeStatus]) {
    let mut first: BTreeMap<(String, u64), Tip> = BTreeMap::new();
    for node in nodes {
        for (channel, tip) in &node.channels {
            let known = first.entry((channel.clone(), tip.height)).or_insert_with(|| tip.clone());
            let commit_differs = matches!(
                (&known.commit_hash, &tip.commit_hash),
                (Some(known), Some(own)) if known != own
            );
            if known.header_hash != tip.header_hash || commit_differs {
                node.problem = Some(format!(
                    "channel {channel} at height {} differs from another node's",
                    tip.height
                ));
            }
            if known.commit_hash.is_none() {
                known.commit_hash.clone_from(&tip.commit_hash);
            }
        }
    }
}
