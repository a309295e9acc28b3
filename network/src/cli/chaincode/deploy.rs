//! `carecord chaincode deploy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::chaincodes::{self, Deployment, Package};
use crate::cli::target::Chain;
use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Args)]
pub(in crate::cli) struct Deploy {
    #[command(flatten)]
    chain: Chain,
    /// Chaincode.
    name: String,
    /// Its version; what is in force, or 1.0 the first time.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Who must endorse: the path of a channel policy or an expression; what is in force, or the channel's default.
    #[arg(long)]
    policy: Option<String>,
    /// Whether the first call must be an init call; what is in force, or no.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "YES")]
    init_required: Option<bool>,
    /// File with static collections, in the form of Fabric's tools; what is in force, or none.
    #[arg(long, value_name = "FILE")]
    collections: Option<PathBuf>,
    /// Package to install and run; what is built into the peers under this name if not given.
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// Seconds to wait.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Deploy ===

impl Deploy {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.chain.open()?;
        let channel = session.file().channel(self.chain.channel.as_deref())?;
        let package = self.package.as_deref().map(Package::read).transpose()?;
        if package.is_none() {
            chaincodes::refuse_unknown(&self.name)?;
        }
        if let Some(policy) = &self.policy {
            let member = channel.organisations.first().map_or("", String::as_str);
            let reader = session.file().admin(member)?;
            chaincodes::refuse_strangers(&session, channel, reader, policy).await?;
        }
        let wanted = Deployment {
            name: &self.name,
            version: self.version.as_deref(),
            policy: self.policy.as_deref(),
            init_required: self.init_required,
            collections: self.collections.as_deref().map(chaincodes::collections).transpose()?,
            package: package.as_ref(),
        };
        let step = output.step("chaincode");
        let patience = Duration::from_secs(self.timeout);
        let deployed = chaincodes::deploy(&session, channel, &wanted, patience).await?;
        step.done(&self.name);
        let value = json!({
            "schema": "carecord.chaincode-deployment/v1", "name": self.name,
            "channel": channel.name, "version": deployed.version, "sequence": deployed.sequence,
            "package_id": deployed.package_id, "changed": deployed.changed,
        });
        output.result(&value, || {
            let what = if deployed.changed { "in force on" } else { "unchanged on" };
            let (version, sequence) = (&deployed.version, deployed.sequence);
            format!("{} {version}, sequence {sequence}: {what} {}", self.name, channel.name)
        });
        Ok(())
    }
}
