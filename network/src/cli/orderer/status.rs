//! `carecord orderer list|status|transfer-leader`.

use std::time::{Duration, Instant};

use carecord_orderer::{ConsenterView, Consenters};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::channel::Reader;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::participation;
use crate::session::Session;
use crate::state::NodeEntry;

const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    reader: Reader,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Transfer {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Orderer that is to lead.
    #[arg(long = "to", value_name = "NAME")]
    to: String,
}

// === impl List ===

impl List {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let raft = current.bundle.orderer().and_then(|orderer| orderer.raft());
        let consenters = raft.map(|raft| raft.consenters).unwrap_or_default();
        let rows: Vec<[String; 2]> = consenters
            .iter()
            .map(|consenter| {
                let address = format!("{}:{}", consenter.host, consenter.port);
                [name_of(&session, &address), address]
            })
            .collect();
        let entry =
            |[name, address]: &[String; 2]| json!({"node": name, "cluster_address": address});
        let list: Vec<Value> = rows.iter().map(entry).collect();
        let value = json!({
            "schema": "carecord.consenters/v1", "channel": current.channel,
            "sequence": current.bundle.sequence(), "consenters": list,
        });
        output.result(&value, || table(["ORDERER", "CLUSTER ADDRESS"], rows));
        Ok(())
    }
}

fn name_of(session: &Session, cluster_address: &str) -> String {
    let known = |node: &&NodeEntry| node.cluster_address.as_deref() == Some(cluster_address);
    session.file().nodes.iter().find(known).map_or_else(|| "-".to_owned(), |node| node.name.clone())
}

// === impl Status ===

impl Status {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let channel = &session.file().channel(self.channel.as_deref())?.name;
        let mut rows = Vec::new();
        for node in session.file().nodes_of("orderer") {
            let leads = participation::consenters(&session, node, channel)
                .ok()
                .and_then(|told| leading(&told).map(|one| name_of(&session, &address(one))))
                .unwrap_or_else(|| "-".to_owned());
            rows.push(match participation::standing(&session, node, channel) {
                Ok(is) => [node.name.clone(), is.relation, is.status, is.height.to_string(), leads],
                Err(failure) => {
                    let dash = || "-".to_owned();
                    [node.name.clone(), dash(), failure.cause().to_owned(), dash(), leads]
                }
            });
        }
        let entry = |[node, relation, status, height, leader]: &[String; 5]| json!({"node": node, "relation": relation, "status": status, "height": height.parse::<u64>().ok(), "leader": (leader != "-").then_some(leader)});
        let list: Vec<Value> = rows.iter().map(entry).collect();
        let value = json!({"schema": "carecord.orderers/v1", "channel": channel, "orderers": list});
        output
            .result(&value, || table(["ORDERER", "RELATION", "STATUS", "HEIGHT", "LEADER"], rows));
        Ok(())
    }
}

// === impl Transfer ===

impl Transfer {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let file = session.file();
        let channel = file.channel(self.channel.as_deref())?;
        let to = file.node(&self.to)?;
        let own = to.cluster_address.clone().unwrap_or_default();
        let told = participation::consenters(&session, to, &channel.name)?;
        let wanted = told.consenters.iter().find(|one| address(one) == own).ok_or_else(|| {
            Failure::new(Code::ConfigMember, "the orderer is no consenter of the channel")
                .at(&to.name)
                .hint("`carecord orderer list` names the consenters")
        })?;
        let leader = leading(&told).ok_or_else(|| {
            Failure::new(Code::Participation, "the channel has no leader at the moment")
                .at(&channel.name)
                .hint("`carecord orderer status` shows which orderers run; most of the consenters must")
        })?;
        if leader.raft_id != wanted.raft_id {
            let leads = file.node(&name_of(&session, &address(leader)))?;
            participation::transfer_leader(&session, leads, &channel.name, wanted.raft_id)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while participation::consenters(&session, to, &channel.name)?.leader != Some(wanted.raft_id)
        {
            if Instant::now() >= deadline {
                return Err(Failure::new(Code::Deadline, "leadership has not moved").at(&to.name));
            }
            tokio::time::sleep(POLL).await;
        }
        let value = json!({
            "schema": "carecord.leader/v1", "channel": channel.name, "leader": to.name,
        });
        output.result(&value, || format!("{} leads channel {}", to.name, channel.name));
        Ok(())
    }
}

/// The consenter that leads, as `told` by an orderer.
fn leading(told: &Consenters) -> Option<&ConsenterView> {
    told.consenters.iter().find(|one| told.leader == Some(one.raft_id))
}

fn address(consenter: &ConsenterView) -> String {
    format!("{}:{}", consenter.host, consenter.port)
}
