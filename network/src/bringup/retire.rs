//! A node that has left the network: its process ends, and nobody starts it again.

use super::{scrape, stop};
use crate::error::Outcome;
use crate::state::NetworkDir;

/// Stops the node `name` and takes it out of `network.json` and `prometheus.yml`. Its keys, data and log stay in the folder,
/// for whoever wants to look at them. Does nothing to an orderer that a channel still names.
pub fn retire(dir: &NetworkDir, name: &str) -> Outcome<()> {
    let mut file = dir.read()?;
    let orders = |orderers: &[String]| orderers.iter().any(|other| other == name);
    if file.channels.iter().any(|channel| orders(&channel.orderers)) {
        return Ok(());
    }
    let (gone, stay) = file.nodes.into_iter().partition(|node| node.name == name);
    file.nodes = stay;
    let gone: Vec<crate::state::NodeEntry> = gone;
    stop::stop_nodes(&gone.iter().collect::<Vec<_>>())?;
    scrape::write(dir, &file)?;
    dir.write(&file)
}
