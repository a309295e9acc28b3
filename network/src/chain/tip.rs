//! Where a chain ends at a node, and waiting until all peers are there.

use std::time::Duration;

use carecord_proto::block as wire;
use carecord_proto::common::BlockchainInfo;
use prost::Message;
use serde::Serialize;

use super::fetch::{Range, stream};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::NodeEntry;

const SETTLE: Duration = Duration::from_secs(30);
const SETTLE_POLL: Duration = Duration::from_millis(10);

/// The end of a chain as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tip {
    /// How many blocks there are.
    pub height: u64,
    /// Hash of the newest block's header, hexadecimal.
    pub header_hash: String,
    /// Commit hash in the newest block, hexadecimal; only peers have one.
    pub commit_hash: Option<String>,
}

/// How many blocks `node` has of `channel`.
pub async fn height(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<u64> {
    Ok(tip(session, node, channel).await?.height)
}

/// The newest block of `channel` at `node`.
pub async fn tip(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<Tip> {
    let mut newest = None;
    let read = stream(session, node, channel, Range::Newest, |block| {
        newest = Some(block);
        Ok(())
    })
    .await;
    match read {
        // A peer that has just begun with a snapshot has no block yet, but knows where its chain ends.
        Err(failure) if failure.code() == Code::NoBlock.text() && node.role == "peer" => {
            return known_tip(session, node, channel).await.map_err(|_| failure);
        }
        read => read?,
    }
    let block = newest
        .ok_or_else(|| Failure::new(Code::Deliver, "the node sent no block").at(&node.name))?;
    let header = block.header.clone().unwrap_or_default();
    Ok(Tip {
        height: header.number + 1,
        header_hash: hex::encode(wire::header_hash(&header)),
        commit_hash: wire::commit_hash(&block).map(hex::encode),
    })
}

/// The end of the chain as the peer's `qscc` tells it; its block's commit hash is not part of that.
async fn known_tip(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<Tip> {
    let admin = session.file().admin(&node.organisation)?;
    let gateway = session.gateway(admin, Some(&node.name))?;
    let contract = gateway.network(channel).contract("qscc");
    let answer = contract.evaluate("GetChainInfo", [channel.to_owned()]).await;
    let answer = answer.map_err(|error| crate::session::from_sdk(&error))?;
    let info = BlockchainInfo::decode(&answer[..])
        .map_err(|error| Failure::new(Code::Deliver, error).at(&node.name))?;
    let header_hash = hex::encode(&info.current_block_hash);
    Ok(Tip { height: info.height, header_hash, commit_hash: None })
}

/// Waits until every peer of `channel` has what the foremost of its nodes had at the beginning.
///
/// Endorsers that are a block behind refuse what builds on that block, so whoever goes on with the next step of a job
/// waits for them first.
pub async fn settle(session: &Session, channel: &str) -> Outcome<()> {
    let members = &session.file().channel(Some(channel))?.organisations;
    let peers: Vec<&NodeEntry> = session
        .file()
        .nodes_of("peer")
        .filter(|node| members.contains(&node.organisation))
        .collect();
    let heights = peers.iter().map(|node| height(session, node, channel));
    let target =
        futures::future::try_join_all(heights).await?.into_iter().max().unwrap_or_default();
    for node in peers {
        let deadline = tokio::time::Instant::now() + SETTLE;
        while height(session, node, channel).await? < target {
            if tokio::time::Instant::now() >= deadline {
                let cause = format!("the peer does not reach height {target} of channel {channel}");
                return Err(Failure::new(Code::Deadline, cause).at(&node.name));
            }
            tokio::time::sleep(SETTLE_POLL).await;
        }
    }
    Ok(())
}
