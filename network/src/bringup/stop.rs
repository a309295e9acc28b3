//! `down`: every process of the network ends.

use std::time::Duration;

use crate::error::Outcome;
use crate::process::{End, Process};
use crate::state::{NetworkFile, NodeEntry};

/// How long a node may take to finish what is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops every node that runs; returns how many did. Peers stop first, so that orderers see them leave.
pub fn stop(file: &NetworkFile) -> Outcome<usize> {
    stop_nodes(&file.nodes.iter().collect::<Vec<_>>())
}

/// The same for some of the nodes.
pub fn stop_nodes(nodes: &[&NodeEntry]) -> Outcome<usize> {
    let mut running = Vec::new();
    for role in ["peer", "orderer", "ca"] {
        for node in nodes.iter().filter(|node| node.role == role) {
            if let Some(process) = Process::of_file(&node.pid_file) {
                process.end(End::Gracefully);
                running.push((node, process));
            }
        }
    }
    for (node, process) in &running {
        process.stop(&node.name, PATIENCE)?;
    }
    for node in nodes {
        Process::forget(&node.pid_file);
    }
    Ok(running.len())
}
