//! Signing and submitting updates: `channel config sign|submit`, `org approve|submit`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::configuring::{self, Current, Proposal};
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::state::UserEntry;

/// Sign an update that somebody else has made.
#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    #[command(flatten)]
    folder: Folder,
    /// Administrator who signs.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "ADMIN")]
    user: String,
    /// The update.
    update: PathBuf,
    /// Where the signature goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Submit an update with the signatures that were collected.
#[derive(Debug, Args)]
pub(in crate::cli) struct Submit {
    #[command(flatten)]
    folder: Folder,
    /// Administrator who submits, and signs too.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "ADMIN")]
    user: String,
    /// The update.
    update: PathBuf,
    /// Signatures of others.
    signatures: Vec<PathBuf>,
    /// Submit although somebody would be locked out.
    #[arg(long)]
    force: bool,
    /// Seconds until every node of the channel that runs must have it.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Approve ===

impl Approve {
    pub(in crate::cli) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let user = session.file().user(&self.user)?;
        let proposal = Proposal::read(&self.update)?;
        // What is signed is shown, from the update itself and not from what its file says about it.
        let current = current(&session, &proposal, user).await?;
        let changes = effect(&current, &proposal)?;
        let signature = configuring::sign(session.signer(user)?.as_ref(), &proposal.update)?;
        let name = session.file().full_name(user);
        proposal.write_signature(&self.out, &signature, &name, &user.msp_id)?;
        let value = json!({
            "schema": "carecord.config-approval/v1", "channel": proposal.channel, "by": name,
            "msp_id": user.msp_id, "changes": changes, "file": self.out,
        });
        output.result(&value, || {
            format!(
                "{}\n{name} ({}) has signed; signature in {}",
                changes.join("\n"),
                user.msp_id,
                self.out.display()
            )
        });
        Ok(())
    }
}

// === impl Submit ===

impl Submit {
    pub(in crate::cli) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let user = session.file().user(&self.user)?;
        let mut proposal = Proposal::read(&self.update)?;
        for path in &self.signatures {
            proposal.add_signatures(path)?;
        }
        let channel = session.file().channel(Some(&proposal.channel))?;
        let current = current(&session, &proposal, user).await?;
        let signer = session.signer(user)?;
        let mut signatures = proposal.signatures.clone();
        signatures.push(configuring::sign(signer.as_ref(), &proposal.update)?);
        let update = proposal.update.clone();
        let envelope =
            configuring::envelope(&proposal.channel, signer.as_ref(), update, signatures)?;
        let own = configuring::signer_of(user);
        configuring::refuse_dangers(&current, &envelope, &own, self.force)?;
        let changes = effect(&current, &proposal).unwrap_or_default();
        configuring::submit(&session, channel, user, &current, &envelope).await?;
        let stays = remaining(&current, &proposal);
        let nodes: Vec<_> = configuring::nodes_of(&session, channel)
            .into_iter()
            .filter(|node| node.role != "peer" || stays.contains(&node.organisation))
            .filter(|node| crate::process::Process::of_file(&node.pid_file).is_some())
            .collect();
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        let done =
            configuring::find(&session, channel, user, &envelope, &current, deadline).await?;
        forget_others(&session, &channel.name, &stays)?;
        configuring::everywhere(&session, channel, &nodes, done, deadline).await?;
        let value = json!({
            "schema": "carecord.config-change/v1", "channel": channel.name, "block": done.block,
            "sequence": done.sequence, "changes": changes, "nodes": nodes.len(),
        });
        output.result(&value, || {
            format!(
                "{}\nin force: block {}, configuration {} of channel {}, on {} nodes",
                changes.join("\n"),
                done.block,
                done.sequence,
                channel.name,
                nodes.len()
            )
        });
        Ok(())
    }
}

async fn current(session: &Session, proposal: &Proposal, user: &UserEntry) -> Outcome<Current> {
    let channel = session.file().channel(Some(&proposal.channel))?;
    configuring::current(session, channel, user).await
}

/// What the update would change if all agreed.
fn effect(current: &Current, proposal: &Proposal) -> Outcome<Vec<String>> {
    let config = current.bundle.config();
    let after = configuring::applied(current, &proposal.update)?;
    configuring::changes(config, &after)
}

/// The members that there are after the update.
fn remaining(current: &Current, proposal: &Proposal) -> Vec<String> {
    let after = configuring::applied(current, &proposal.update).unwrap_or_default();
    let root = after.channel_group.unwrap_or_default();
    let members = root.groups.get("Application").map(|section| section.groups.keys());
    members.into_iter().flatten().cloned().collect()
}

/// Who has left the channel is not looked for on it any more.
fn forget_others(session: &Session, channel: &str, members: &[String]) -> Outcome<()> {
    let mut file = session.dir().read()?;
    for entry in file.channels.iter_mut().filter(|entry| entry.name == channel) {
        entry.organisations.retain(|name| members.contains(name));
    }
    session.dir().write(&file)
}
