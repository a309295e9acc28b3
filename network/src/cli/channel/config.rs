//! `carecord channel config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use prost::Message;
use serde_json::json;

use super::{Approve, Submit};
use crate::cli::configtx::{config, write};
use crate::cli::target::Folder;
use crate::configtx;
use crate::configuring::{self, Current, Proposal, compute_update};
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::state::UserEntry;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Config {
    /// The configuration in force, as JSON to be edited.
    Get(Get),
    /// What an edited configuration would change.
    Diff(Diff),
    /// Make the update that leads to an edited configuration.
    Propose(Propose),
    /// Sign an update that somebody else has made.
    Sign(Approve),
    /// Submit an update with the signatures that were collected.
    Submit(Submit),
}

/// Which channel, read by whom.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reader {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Person who reads; an administrator of the first member if not named.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "USER")]
    user: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Get {
    #[command(flatten)]
    reader: Reader,
    /// Where it goes.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// The whole block that holds it, as a message, for Fabric's tools.
    #[arg(long)]
    block: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    #[command(flatten)]
    reader: Reader,
    /// The edited configuration: a common.Config, as JSON or message.
    edited: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Propose {
    #[command(flatten)]
    reader: Reader,
    /// The edited configuration: a common.Config, as JSON or message.
    edited: PathBuf,
    /// Where the update goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What it is for, in a few words for those who are to sign.
    #[arg(long, default_value = "")]
    title: String,
}

// === impl Config ===

impl Config {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Get(command) => command.run().await,
            Self::Diff(command) => command.run(output).await,
            Self::Propose(command) => command.run(output).await,
            Self::Sign(command) => command.run(output).await,
            Self::Submit(command) => command.run(output).await,
        }
    }
}

// === impl Reader ===

impl Reader {
    pub(in crate::cli) fn open(&self) -> Outcome<Session> {
        Session::open(&self.folder.dir)
    }

    pub(in crate::cli) fn user<'a>(&self, session: &'a Session) -> Outcome<&'a UserEntry> {
        let file = session.file();
        match &self.user {
            Some(name) => file.user(name),
            None => {
                let channel = file.channel(self.channel.as_deref())?;
                file.admin(channel.organisations.first().map_or("", String::as_str))
            }
        }
    }

    pub(in crate::cli) async fn current(&self, session: &Session) -> Outcome<Current> {
        let channel = session.file().channel(self.channel.as_deref())?;
        configuring::current(session, channel, self.user(session)?).await
    }
}

// === impl Get ===

impl Get {
    async fn run(self) -> Outcome<()> {
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        if self.block {
            return write(&self.out, &current.block.encode_to_vec());
        }
        let json = configtx::to_json("common.Config", current.bundle.config())?;
        write(&self.out, configtx::text(&json).as_bytes())
    }
}

// === impl Diff ===

impl Diff {
    async fn run(self, output: Output) -> Outcome<()> {
        let edited = config(&self.edited)?;
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let changes = configuring::changes(current.bundle.config(), &edited)?;
        let value = json!({
            "schema": "carecord.config-diff/v1", "channel": current.channel,
            "sequence": current.bundle.sequence(), "changes": changes,
        });
        output.result(&value, || match changes.is_empty() {
            true => format!("no difference to configuration {}", current.bundle.sequence()),
            false => changes.join("\n"),
        });
        Ok(())
    }
}

// === impl Propose ===

impl Propose {
    async fn run(self, output: Output) -> Outcome<()> {
        let edited = config(&self.edited)?;
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let update = compute_update(&current.channel, current.bundle.config(), &edited)?;
        let (channel, title) = (current.channel.clone(), self.title);
        let proposal = Proposal { channel, title, update, signatures: Vec::new() };
        proposed(&current, &proposal, &self.out, output)
    }
}

/// Writes an update's file and says what it would change.
pub(in crate::cli) fn proposed(
    current: &Current,
    proposal: &Proposal,
    out: &std::path::Path,
    output: Output,
) -> Outcome<()> {
    let after = configuring::applied(current, &proposal.update)?;
    let changes = configuring::changes(current.bundle.config(), &after)?;
    proposal.write(out)?;
    let value = json!({
        "schema": "carecord.config-proposal/v1", "channel": proposal.channel, "title": proposal.title,
        "changes": changes, "file": out,
    });
    output.result(&value, || format!("{}\nupdate in {}", changes.join("\n"), out.display()));
    Ok(())
}
