//! `carecord channel join`.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::configuring::{self, genesis, settled};
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct Join {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Peer that joins.
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
        configuring::join_peer(&session, node, admin, &genesis(channel)?).await?;
        // How far the chain is, is asked as a member: at the orderers.
        let current = configuring::current(&session, channel, admin).await?;
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        settled(&session, node, &channel.name, current.number, deadline).await?;
        let mut updated = session.dir().read()?;
        for entry in updated.channels.iter_mut().filter(|entry| entry.name == channel.name) {
            if !entry.organisations.contains(&node.organisation) {
                entry.organisations.push(node.organisation.clone());
            }
        }
        session.dir().write(&updated)?;
        let height = crate::chain::height(&session, node, &channel.name).await?;
        let value = json!({
            "schema": "carecord.channel-join/v1", "channel": channel.name, "node": node.name, "height": height,
        });
        output.result(&value, || {
            format!("{} is on channel {} at height {height}", node.name, channel.name)
        });
        Ok(())
    }
}
