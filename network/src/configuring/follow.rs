//! Whether a change has arrived: the block it stands in, and who has it.

use std::time::{Duration, Instant};

use carecord_proto::block;
use carecord_proto::common::{Block, Envelope};

use super::{Changed, Current};
use crate::chain::{Range, stream_as};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

const POLL: Duration = Duration::from_millis(50);

/// Waits until the update in `envelope` is in force on `nodes`; asks the channel's orderers which block it stands in.
pub async fn settle(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
    envelope: &Envelope,
    before: &Current,
    nodes: &[&NodeEntry],
    patience: Duration,
) -> Outcome<Changed> {
    let deadline = Instant::now() + patience;
    let found = find(session, channel, user, envelope, before, deadline).await?;
    everywhere(session, channel, nodes, found, deadline).await?;
    Ok(found)
}

/// Waits until all `nodes` have the configuration that is in force.
pub async fn everywhere(
    session: &Session,
    channel: &ChannelEntry,
    nodes: &[&NodeEntry],
    changed: Changed,
    deadline: Instant,
) -> Outcome<()> {
    for node in nodes {
        settled(session, node, &channel.name, changed.block, deadline).await?;
    }
    Ok(())
}

/// Waits until `node` has block `number`.
pub async fn settled(
    session: &Session,
    node: &NodeEntry,
    channel: &str,
    number: u64,
    deadline: Instant,
) -> Outcome<()> {
    loop {
        let reason = match crate::chain::height(session, node, channel).await {
            Ok(height) if height > number => return Ok(()),
            Ok(height) => format!("it is at height {height}"),
            Err(failure) => failure.to_string(),
        };
        if Instant::now() >= deadline {
            let cause = format!(
                "the configuration is committed in block {number}, which this node does not have: {reason}"
            );
            return Err(Failure::new(Code::ConfigSlow, cause).at(&node.name));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The block of the update, among the configuration blocks after `before`. Who has just left the channel may not read it
/// any more; then the administrator of the orderer's own organisation is asked for, if the keys are here.
pub async fn find(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
    envelope: &Envelope,
    before: &Current,
    deadline: Instant,
) -> Outcome<Changed> {
    loop {
        for name in &channel.orderers {
            let Ok(node) = session.file().node(name) else { continue };
            let own = session.file().admin(&node.organisation).ok();
            for reader in [Some(user), own].into_iter().flatten() {
                let seen = look(session, node, reader, channel, envelope, before).await;
                if let Ok(Some(found)) = seen {
                    return Ok(found);
                }
            }
        }
        if Instant::now() >= deadline {
            let cause = "no orderer shows the update in a block";
            return Err(
                Failure::new(Code::ConfigSlow, cause).at(format!("channel {}", channel.name))
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Goes back from the newest configuration block of `node`; several updates may have come at once.
async fn look(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    channel: &ChannelEntry,
    envelope: &Envelope,
    before: &Current,
) -> Outcome<Option<Changed>> {
    let newest = one(session, node, user, channel, Range::Newest).await?;
    let mut number = last_config(&newest)?;
    while number > before.number {
        let block = one(session, node, user, channel, Range::Between(number, number)).await?;
        let config = block::config_envelope(&block).ok().flatten().unwrap_or_default();
        if config.last_update.as_ref() == Some(envelope) {
            let sequence = config.config.unwrap_or_default().sequence;
            return Ok(Some(Changed { block: number, sequence }));
        }
        let previous = Range::Between(number - 1, number - 1);
        number = last_config(&one(session, node, user, channel, previous).await?)?.min(number - 1);
    }
    Ok(None)
}

async fn one(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    channel: &ChannelEntry,
    range: Range,
) -> Outcome<Block> {
    let mut found = None;
    let each = |block| {
        found = Some(block);
        Ok(())
    };
    stream_as(session, node, user, &channel.name, range, each).await?;
    found.ok_or_else(|| Failure::new(Code::Deliver, "the node sent no block").at(&node.name))
}

fn last_config(block: &Block) -> Outcome<u64> {
    block::last_config(block).map_err(|error| Failure::new(Code::Deliver, error))
}
