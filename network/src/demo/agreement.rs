//! The last step: every peer holds the same chain.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::chain::{self, Tip};
use crate::error::Outcome;
use crate::session::Session;

use super::report::NodeTip;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Waits until all peers are at the same height; then whether hashes are equal too.
pub(super) async fn agree(session: &Session, channel: &str) -> Outcome<(Vec<NodeTip>, bool)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tips = tips(session, channel).await?;
        let peers = || tips.iter().filter(|node| node.role == "peer");
        let heights: BTreeSet<u64> = peers().map(|node| node.tip.height).collect();
        if heights.len() == 1 || Instant::now() >= deadline {
            let chains: BTreeSet<(&str, Option<&str>)> = peers()
                .map(|node| (node.tip.header_hash.as_str(), node.tip.commit_hash.as_deref()))
                .collect();
            let agree = heights.len() == 1 && chains.len() == 1;
            return Ok((tips, agree));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn tips(session: &Session, channel: &str) -> Outcome<Vec<NodeTip>> {
    let entry = session.file().channel(Some(channel))?;
    let mut tips = Vec::new();
    for node in &session.file().nodes {
        let serves = entry.orderers.contains(&node.name)
            || (node.role == "peer" && entry.organisations.contains(&node.organisation));
        if serves {
            let tip: Tip = chain::tip(session, node, channel).await?;
            tips.push(NodeTip { node: node.name.clone(), role: node.role.clone(), tip });
        }
    }
    Ok(tips)
}
