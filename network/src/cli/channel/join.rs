//! `carecord channel join` and `leave`.

use std::time::{Duration, Instant};

use clap::Args;
use prost::Message;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, consenters, genesis, settled};
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::participation;
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry};

/// What an orderer with a vote calls itself.
const CONSENTER: &str = "consenter";

#[derive(Debug, Args)]
pub(in crate::cli) struct Join {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Peer or orderer that joins.
    #[arg(long)]
    node: String,
    /// Seconds that it may take to catch up with the chain.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Join ===

impl Join {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let file = session.file();
        let channel = file.channel(self.channel.as_deref())?;
        let node = file.node(&self.node)?;
        let admin = file.admin(&node.organisation)?;
        if node.role == "orderer" {
            return self.orderer(&session, channel, node, output).await;
        }
        // How far the chain is, is asked as a member: at the orderers, and before the peer is made to follow a channel
        // that its organisation may not read.
        let current =
            configuring::current(&session, channel, admin).await.map_err(
                |failure| match !channel.organisations.contains(&node.organisation) {
                    true => failure.hint(format!(
                        "{} has not joined the channel yet: it must be a member (`carecord org invite`), else the orderers show it nothing",
                        node.organisation
                    )),
                    false => failure,
                },
            )?;
        configuring::join_peer(&session, node, admin, &genesis(channel)?).await?;
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        settled(&session, node, &channel.name, current.number, deadline).await?;
        session.dir().edit_channel(&channel.name, |entry| {
            if !entry.organisations.contains(&node.organisation) {
                entry.organisations.push(node.organisation.clone());
            }
        })?;
        let height = crate::chain::height(&session, node, &channel.name).await?;
        let value = json!({
            "schema": "carecord.channel-join/v1", "channel": channel.name, "node": node.name, "height": height,
        });
        output.result(&value, || {
            format!("{} is on channel {} at height {height}", node.name, channel.name)
        });
        Ok(())
    }

    /// An orderer joins by the configuration in force, as the other orderers have it.
    async fn orderer(
        &self,
        session: &Session,
        channel: &ChannelEntry,
        node: &NodeEntry,
        output: Output,
    ) -> Outcome<()> {
        let block = configuring::join_block(session, channel, node).await?;
        participation::join(session, node, &block.encode_to_vec())?;
        // One that left comes back; one that only follows is none of the orderers.
        if consenters::names(&block, node) && !channel.orderers.contains(&node.name) {
            let back = |entry: &mut ChannelEntry| entry.orderers.push(node.name.clone());
            session.dir().edit_channel(&channel.name, back)?;
        }
        let standing = participation::standing(session, node, &channel.name)?;
        let value = json!({
            "schema": "carecord.channel-join/v1", "channel": channel.name, "node": node.name,
            "height": standing.height, "relation": standing.relation, "status": standing.status,
        });
        output.result(&value, || {
            format!(
                "{} is on channel {}: {}, {}",
                node.name, channel.name, standing.relation, standing.status
            )
        });
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Leave {
    #[command(flatten)]
    folder: Folder,
    /// Channel.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: String,
    /// Orderer that leaves; its data of the channel are removed.
    #[arg(long)]
    node: String,
    /// Remove the data of a consenter, too, and its vote with them.
    #[arg(long)]
    force: bool,
}

// === impl Leave ===

impl Leave {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let node = session.file().node(&self.node)?;
        if node.role != "orderer" {
            let cause = "a peer leaves no channel while it runs";
            return Err(Failure::new(Code::Argument, cause).at(&node.name).hint(
                "suspend its organisation, or stop the peer and remove its folder ledgers/CHANNEL",
            ));
        }
        if !self.force && self.is_consenter(&session, node).await? {
            let cause = "the orderer is a consenter: without its data it has no vote, and a channel that has lost most votes is lost";
            let (name, channel) = (&node.name, &self.channel);
            return Err(Failure::new(Code::ConfigDangerous, cause).at(name).hint(format!(
                "`carecord orderer remove {name} -C {channel}` takes it from the consenters first; --force removes its data all the same"
            )));
        }
        participation::remove(&session, node, &self.channel)?;
        let gone = |entry: &mut ChannelEntry| entry.orderers.retain(|name| *name != node.name);
        session.dir().edit_channel(&self.channel, gone)?;
        let value = json!({
            "schema": "carecord.channel-leave/v1", "channel": self.channel, "node": node.name,
        });
        output.result(&value, || format!("{} has left channel {}", node.name, self.channel));
        Ok(())
    }

    /// By its own word, or by the configuration: one that has lost its data does not know it.
    async fn is_consenter(&self, session: &Session, node: &NodeEntry) -> Outcome<bool> {
        if participation::standing(session, node, &self.channel)?.relation == CONSENTER {
            return Ok(true);
        }
        let file = session.file();
        let Ok(channel) = file.channel(Some(&self.channel)) else { return Ok(false) };
        let current = configuring::current(session, channel, file.admin(&node.organisation)?).await;
        Ok(current.is_ok_and(|current| consenters::names(&current.block, node)))
    }
}
