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
use crate::error::{Failure, Outcome};
use crate::output::{Output, Step};
use crate::participation;
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry};

const POLL: Duration = Duration::from_millis(50);

/// A channel that some node does not serve.
#[derive(Debug)]
pub struct Unserved {
    /// Its name.
    pub channel: String,
    /// Which node, and why.
    pub failure: Failure,
}

/// Waits until every node answers for every channel that it serves; a channel that cannot be served is returned, and
/// does not stand in the way of the others.
///
/// # Errors
/// If no channel at all is served.
pub async fn ready(
    session: &Session,
    patience: Duration,
    output: Output,
) -> Outcome<Vec<Unserved>> {
    let step = output.step("channels");
    let deadline = Instant::now() + patience;
    let (mut names, mut unserved) = (Vec::new(), Vec::new());
    for channel in &session.file().channels {
        match served(session, channel, deadline, &step).await {
            Ok(()) => names.push(channel.name.as_str()),
            Err(failure) => unserved.push(Unserved { channel: channel.name.clone(), failure }),
        }
    }
    if names.is_empty() && !unserved.is_empty() {
        return Err(unserved.remove(0).failure);
    }
    step.end(unserved.is_empty(), &names.join(", "));
    Ok(unserved)
}

async fn served(
    session: &Session,
    channel: &ChannelEntry,
    deadline: Instant,
    step: &Step,
) -> Outcome<()> {
    for node in configuring::nodes_of(session, channel) {
        step.progress(&format!("{} on {}", channel.name, node.name));
        wait(session, node, channel, deadline).await?;
    }
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
