//! `carecord channel list` and `show`.

use carecord_channel::Bundle;
use clap::Args;
use serde_json::json;

use super::config::Reader;
use crate::chain;
use crate::cli::target::Folder;
use crate::configuring;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    reader: Reader,
}

// === impl List ===

impl List {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let mut rows = Vec::new();
        for channel in &session.file().channels {
            for node in configuring::nodes_of(&session, channel) {
                let height = chain::height(&session, node, &channel.name).await;
                rows.push((
                    channel.name.clone(),
                    node.name.clone(),
                    node.role.clone(),
                    height.ok(),
                ));
            }
        }
        let entry = |(channel, node, role, height): &(String, String, String, Option<u64>)| json!({"channel": channel, "node": node, "role": role, "height": height});
        let nodes: Vec<_> = rows.iter().map(entry).collect();
        output.result(&json!({"schema": "carecord.channels/v1", "nodes": nodes}), || {
            let rows = rows.into_iter().map(|(channel, node, role, height)| {
                [
                    channel,
                    node,
                    role,
                    height.map_or_else(|| "-".to_owned(), |height| height.to_string()),
                ]
            });
            table(["CHANNEL", "NODE", "ROLE", "HEIGHT"], rows)
        });
        Ok(())
    }
}

// === impl Show ===

impl Show {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let bundle = &current.bundle;
        let value = json!({
            "schema": "carecord.channel/v1", "channel": current.channel, "block": current.number,
            "sequence": bundle.sequence(), "members": members(bundle), "orderers": orderers(bundle),
            "consenters": consenters(bundle),
        });
        output.result(&value, || {
            let row = |what: &str, said: Vec<String>| [what.to_owned(), said.join(", ")];
            let number = |number: u64| vec![number.to_string()];
            let mut rows = vec![
                row("configuration", number(bundle.sequence())),
                row("in block", number(current.number)),
                row("members", members(bundle)),
                row("orderers", orderers(bundle)),
                row("consenters", consenters(bundle)),
            ];
            if let Some(orderer) = bundle.orderer() {
                rows.push(row(
                    "block at most",
                    vec![
                        format!("{} transactions", orderer.batch_size.max_message_count),
                        format!("{} bytes", orderer.batch_size.absolute_max_bytes),
                        format!("{} ms", orderer.batch_timeout.as_millis()),
                    ],
                ));
            }
            table(["channel", &current.channel], rows)
        });
        Ok(())
    }
}

fn members(bundle: &Bundle) -> Vec<String> {
    let organisations = bundle.application().map(|application| &application.organizations);
    organisations
        .into_iter()
        .flatten()
        .map(|(name, org)| format!("{name} ({})", org.msp_id))
        .collect()
}

fn orderers(bundle: &Bundle) -> Vec<String> {
    let organisations = bundle.orderer().map(|orderer| &orderer.organizations);
    organisations
        .into_iter()
        .flatten()
        .map(|(name, org)| format!("{name} ({}) at {}", org.msp_id, org.endpoints.join(" ")))
        .collect()
}

fn consenters(bundle: &Bundle) -> Vec<String> {
    let raft = bundle.orderer().and_then(|orderer| orderer.raft());
    let consenters = raft.map(|raft| raft.consenters).unwrap_or_default();
    consenters.iter().map(|consenter| format!("{}:{}", consenter.host, consenter.port)).collect()
}
