//! A network is ready when every node serves its channels: the orderers have a leader, the peers have joined.
//!
//! An orderer that lost its data folder, and whose own configuration names no first blocks because it came later, knows
//! nothing of its channels: it is handed the configuration that the other orderers have. It follows from then on, and does
//! not vote before it is removed from the consenters and added again.

use std::time::{Duration, Instant};

use prost::Message;

use crate::chain;
use crate::codes::Code;
use crate::configuring;
use crate::error::Outcome;
use crate::output::Output;
use crate::participation;
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry};

const POLL: Duration = Duration::from_millis(50);

/// Waits until every node answers for every channel that it serves.
pub async fn ready(session: &Session, patience: Duration, output: Output) -> Outcome<()> {
    let step = output.step("channels");
    let deadline = Instant::now() + patience;
    let file = session.file();
    for channel in &file.channels {
        for node in &file.nodes {
            let serves = channel.orderers.contains(&node.name)
                || (node.role == "peer" && channel.organisations.contains(&node.organisation));
            if serves {
                step.progress(&format!("{} on {}", channel.name, node.name));
                wait(session, node, channel, deadline).await?;
            }
        }
    }
    let names: Vec<&str> = file.channels.iter().map(|channel| channel.name.as_str()).collect();
    step.done(&names.join(", "));
    Ok(())
}

async fn wait(
    session: &Session,
    node: &NodeEntry,
    channel: &ChannelEntry,
    deadline: Instant,
) -> Outcome<()> {
    loop {
        let mut failure = match chain::tip(session, node, &channel.name).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        if node.role == "orderer" && failure.code() == Code::NoBlock.text() {
            failure = take_in(session, node, channel).await.err().unwrap_or(failure);
        }
        if Instant::now() >= deadline {
            return Err(failure);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Hands an orderer that is not on its channel the configuration in force.
async fn take_in(session: &Session, node: &NodeEntry, channel: &ChannelEntry) -> Outcome<()> {
    if participation::is_on(session, node, &channel.name)? {
        return Ok(());
    }
    let block = configuring::join_block(session, channel, node).await?;
    participation::join(session, node, &block.encode_to_vec())
}
