//! `carecord network status`.

use clap::Args;

use crate::bringup::{self, NodeStatus};
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::session::Session;

const HASH_SHOWN: usize = 12;
/// In the place of a channel, for a peer whose organisation is not yet, or no longer, on any.
const NO_MEMBER: &str = "no member of any";

#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    folder: Folder,
}

// === impl Status ===

impl Status {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let status = bringup::status(&session).await;
        output.result(&status, || {
            let heading =
                ["NODE", "ROLE", "PID", "HEALTH", "MEMORY", "CHANNEL", "HEIGHT", "COMMIT HASH"];
            table(heading, status.nodes.iter().flat_map(rows))
        });
        let problems: Vec<String> = status
            .nodes
            .iter()
            .filter_map(|node| Some(format!("{}: {}", node.name, node.problem.as_ref()?)))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let hint = if status.nodes.iter().all(|node| node.pid.is_some()) {
            "mend what the lines say, then `carecord network down` and `carecord network up`"
        } else {
            "`carecord network up` starts nodes that are down"
        };
        Err(Failure::new(Code::Unhealthy, problems.join("\n  ")).hint(hint))
    }
}

/// One row for each channel of a node, at least one.
fn rows(node: &NodeStatus) -> Vec<[String; 8]> {
    let dash = || "-".to_owned();
    let start = || {
        let memory = node.memory_bytes.map_or_else(dash, |bytes| format!("{} MB", bytes >> 20));
        let health = if node.healthy { "ok" } else { "down" };
        (node.pid.map_or_else(dash, |pid| pid.to_string()), health.to_owned(), memory)
    };
    let row = |channel: String, height: String, hash: String| {
        let (pid, health, memory) = start();
        [node.name.clone(), node.role.clone(), pid, health, memory, channel, height, hash]
    };
    if node.channels.is_empty() {
        let is_stranger = node.role == "peer" && node.problem.is_none();
        let channel = if is_stranger { NO_MEMBER.to_owned() } else { dash() };
        return vec![row(channel, dash(), dash())];
    }
    let of_channel = |(channel, tip): (&String, &crate::chain::Tip)| {
        let hash = tip
            .commit_hash
            .as_ref()
            .map_or_else(dash, |hash| hash.chars().take(HASH_SHOWN).collect());
        row(channel.clone(), tip.height.to_string(), hash)
    };
    node.channels.iter().map(of_channel).collect()
}
