//! A network is ready when every node serves its channels: the orderers have a leader, the peers have joined.

use std::time::{Duration, Instant};

use crate::chain;
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::state::NodeEntry;

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
                wait(session, node, &channel.name, deadline).await?;
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
    channel: &str,
    deadline: Instant,
) -> Outcome<()> {
    loop {
        match chain::tip(session, node, channel).await {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
