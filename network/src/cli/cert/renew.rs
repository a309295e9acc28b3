//! `carecord cert renew`.

use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, Step, table};
use crate::renewal::{self, Renewed};
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
        let mut tally = Tally::default();
        for node in nodes {
            let step = output.step(&node.name);
            let result = renewal::node(&session, node, self.days).await;
            tally.add(format!("--node {}", node.name), &node.name, result, step);
        }
        for user in users {
            let name = file.full_name(user);
            let step = output.step(&name);
            let result = renewal::user(&session, user, self.days).await;
            tally.add(format!("--user {name}"), &name, result, step);
        }
        tally.show(output);
        tally.verdict()
    }
}

/// What has come of each who was named: one who fails keeps nobody from new certificates.
#[derive(Default)]
struct Tally {
    renewed: Vec<(String, i64)>,
    failed: Vec<Refusal>,
}

/// Who was not renewed, how the command names them, and why.
struct Refusal {
    name: String,
    argument: String,
    failure: Failure,
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, argument: String, name: &str, result: Outcome<Renewed>, step: Step) {
        let name = name.to_owned();
        match result {
            Ok(until) => {
                step.done(until.from.said());
                self.renewed.push((name, until.unix_s));
            }
            Err(failure) => {
                step.end(false, "not renewed");
                self.failed.push(Refusal { name, argument, failure });
            }
        }
    }

    fn show(&self, output: Output) {
        let now = crate::bringup::now_unix_s();
        let renewed = self.renewed.iter();
        let rows: Vec<_> = renewed
            .clone()
            .map(|(name, until)| json!({"name": name, "not_after_unix_s": until}))
            .collect();
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|one| json!({"name": one.name, "code": one.failure.code(), "cause": one.failure.cause()}))
            .collect();
        let value = json!({"schema": "carecord.renewed/v1", "renewed": rows, "failed": failed});
        if self.renewed.is_empty() {
            return;
        }
        output.result(&value, || {
            let rows =
                renewed.map(|(name, until)| [name.clone(), super::shown(*until, until - now)]);
            table(["RENEWED", "UNTIL"], rows)
        });
    }

    /// The failure of the only one who was named, or a list of all.
    fn verdict(mut self) -> Outcome<()> {
        let all = self.failed.len() + self.renewed.len();
        if self.failed.len() == 1 && all == 1 {
            return Err(self.failed.remove(0).failure);
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        let mut cause = format!("{} of {all} are not renewed", self.failed.len());
        for one in &self.failed {
            let (code, why) = (one.failure.code(), one.failure.cause());
            cause.push_str(&format!("\n  {}: {code}: {why}", one.name));
        }
        let again: Vec<&str> = self.failed.iter().map(|one| one.argument.as_str()).collect();
        Err(Failure::new(Code::Renew, cause).hint(format!(
            "mend that, then go on with these: `carecord cert renew {}`",
            again.join(" ")
        )))
    }
}
