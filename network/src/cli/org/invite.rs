//! `carecord org invite`, `suspend` and `leave`: updates that others are to sign.

use std::path::PathBuf;

use clap::Args;

use crate::cli::channel::{Reader, proposed};
use crate::cli::configtx::json;
use crate::codes::Code;
use crate::configuring::{self, Proposal, organisation};
use crate::error::{Failure, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(in crate::cli) struct Invite {
    #[command(flatten)]
    reader: Reader,
    /// The newcomer's definition, which `org new` has written (or `configtxgen -printOrg`).
    definition: PathBuf,
    /// Name of the organisation in the channel; the definition's file name if not given.
    #[arg(long)]
    name: Option<String>,
    /// Where the update goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Dismiss {
    #[command(flatten)]
    reader: Reader,
    /// Name of the organisation in the channel.
    name: String,
    /// Where the update goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Leave {
    #[command(flatten)]
    reader: Reader,
    /// Where the update goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

// === impl Invite ===

impl Invite {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let path = &self.definition;
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        let definition = organisation::from_json(&json(path, &bytes)?)
            .map_err(|failure| failure.at(path.display()))?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = self.name.or(stem).unwrap_or_default();
        let msp_id = organisation::msp_id(&definition);
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let update =
            configuring::edited(&current, |root| organisation::admit(root, &name, definition))?;
        let title = format!("{name} ({msp_id}) joins");
        let proposal =
            Proposal { channel: current.channel.clone(), title, update, signatures: Vec::new() };
        proposed(&current, &proposal, &self.out, output)
    }
}

// === impl Dismiss ===

impl Dismiss {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        dismiss(&self.reader, &self.name, "is suspended", &self.out, output).await
    }
}

// === impl Leave ===

impl Leave {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.reader.open()?;
        let user = self.reader.user(&session)?;
        let name = user.organisation.clone();
        if !user.admin {
            let cause = format!("{} is no administrator of {name}", user.name);
            return Err(Failure::new(Code::ConfigSignatures, cause).hint("name one with --as"));
        }
        dismiss(&self.reader, &name, "leaves", &self.out, output).await
    }
}

async fn dismiss(
    reader: &Reader,
    name: &str,
    what: &str,
    out: &std::path::Path,
    output: Output,
) -> Outcome<()> {
    let session = reader.open()?;
    let current = reader.current(&session).await?;
    let update = configuring::edited(&current, |root| organisation::dismiss(root, name))?;
    let (channel, title) = (current.channel.clone(), format!("{name} {what}"));
    proposed(&current, &Proposal { channel, title, update, signatures: Vec::new() }, out, output)
}
