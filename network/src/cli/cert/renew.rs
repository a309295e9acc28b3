//! `carecord cert renew`.

use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::renewal;
use crate::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct Renew {
    #[command(flatten)]
    folder: Folder,
    /// Every node, one after the other.
    #[arg(long, conflicts_with = "node")]
    all: bool,
    /// These nodes.
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// These people; their keys stay, so that their registrations hold.
    #[arg(long, value_name = "USER")]
    user: Vec<String>,
    /// Days that the new certificates hold, never longer than the CA's own; 365 if not named. A running CA decides by itself.
    #[arg(long)]
    days: Option<u32>,
}

// === impl Renew ===

impl Renew {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let file = session.file();
        let nodes: Vec<_> = match self.all {
            true => file.nodes.iter().collect(),
            false => self.node.iter().map(|name| file.node(name)).collect::<Outcome<_>>()?,
        };
        let users: Vec<_> = self.user.iter().map(|name| file.user(name)).collect::<Outcome<_>>()?;
        if nodes.is_empty() && users.is_empty() {
            return Err(Failure::new(Code::Argument, "nobody is named")
                .hint("--all renews every node, --node N one, --user U a person"));
        }
        let mut renewed = Vec::new();
        for node in nodes {
            let step = output.step(&node.name);
            let until = renewal::node(&session, node, self.days).await?;
            step.done(until.from.said());
            renewed.push((node.name.clone(), until.unix_s));
        }
        for user in users {
            let step = output.step(&user.name);
            let until = renewal::user(&session, user, self.days).await?;
            step.done(until.from.said());
            renewed.push((user.name.clone(), until.unix_s));
        }
        let now = crate::bringup::now_unix_s();
        let rows: Vec<_> = renewed
            .iter()
            .map(|(name, until)| json!({"name": name, "not_after_unix_s": until}))
            .collect();
        output.result(&json!({"schema": "carecord.renewed/v1", "renewed": rows}), || {
            let rows = renewed
                .iter()
                .map(|(name, until)| [name.clone(), super::shown(*until, until - now)]);
            table(["RENEWED", "UNTIL"], rows)
        });
        Ok(())
    }
}
