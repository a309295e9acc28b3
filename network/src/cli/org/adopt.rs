//! `carecord org adopt`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::configuring;
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct Adopt {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Administrator of the organisation that agrees.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "ADMIN")]
    user: String,
    /// Seconds that it may take.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Adopt ===

impl Adopt {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let channel = session.file().channel(self.channel.as_deref())?;
        let admin = session.file().user(&self.user)?;
        let patience = Duration::from_secs(self.timeout);
        let adopted = configuring::adopt(&session, channel, admin, patience).await?;
        let value = json!({
            "schema": "carecord.adopted/v1", "channel": channel.name,
            "organisation": admin.organisation, "chaincodes": adopted,
        });
        output.result(&value, || {
            format!(
                "{} agrees to {} on channel {}",
                admin.organisation,
                adopted.join(", "),
                channel.name
            )
        });
        Ok(())
    }
}
