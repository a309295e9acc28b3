//! `carecord chaincode approve`, `readiness` and `commit`: the steps that organisations take each for itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::chaincodes::{self, Approval, Definition};
use crate::cli::target::Chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::session::Session;
use crate::state::ChannelEntry;

const PATIENCE: Duration = Duration::from_secs(30);
/// If approvals are missing: they may be on their way to the peer that was asked.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// The definition that a command is about; every organisation must give the same.
#[derive(Debug, Args)]
struct Defined {
    #[command(flatten)]
    chain: Chain,
    /// Chaincode.
    name: String,
    /// Its version.
    #[arg(long, default_value = "1.0", value_name = "VERSION")]
    version: String,
    /// Number of the definition; the one after that in force if not given.
    #[arg(long)]
    sequence: Option<i64>,
    /// Who must endorse: the path of a channel policy or an expression; the channel's default if not given.
    #[arg(long, default_value = "", hide_default_value = true)]
    policy: String,
    /// The first call must be an init call.
    #[arg(long)]
    init_required: bool,
    /// File with static collections, in the form of Fabric's tools.
    #[arg(long, value_name = "FILE")]
    collections: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    #[command(flatten)]
    defined: Defined,
    /// Organisation that agrees; all of the channel if not named.
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Package to run; what is built into the peers under this name if not given.
    #[arg(long, value_name = "ID")]
    package_id: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Readiness {
    #[command(flatten)]
    defined: Defined,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Commit {
    #[command(flatten)]
    defined: Defined,
}

// === impl Defined ===

impl Defined {
    async fn definition(&self, session: &Session, output: Output) -> Outcome<Definition> {
        let (peer, channel) = (self.chain.node(session)?, self.chain.channel(session)?);
        let admin = session.file().admin(&peer.organisation)?;
        let found = chaincodes::committed(session, peer, admin, channel, &self.name).await?;
        let before =
            found.as_ref().map(|found| chaincodes::policy_text(&found.validation_parameter));
        if let Some(before) = before.filter(|before| self.drops(before)) {
            output.note(&format!(
                "note: {} is in force with the policy {before}; without --policy this definition has the channel's default, {}",
                self.name,
                carecord_channel::ENDORSEMENT
            ));
        }
        let next = || found.as_ref().map_or(1, |found| found.sequence + 1);
        let sequence = self.sequence.unwrap_or_else(next);
        let collections = self.collections.as_deref().map(chaincodes::collections).transpose()?;
        Ok(Definition {
            name: self.name.clone(),
            version: self.version.clone(),
            sequence,
            policy: chaincodes::policy(&self.policy)?,
            init_required: self.init_required,
            collections: collections.unwrap_or_default(),
        })
    }

    /// Whether this definition would quietly put the default in the place of another policy.
    fn drops(&self, before: &str) -> bool {
        self.policy.is_empty() && before != carecord_channel::ENDORSEMENT
    }

    fn channel<'a>(&self, session: &'a Session) -> Outcome<&'a ChannelEntry> {
        session.file().channel(self.chain.channel.as_deref())
    }

    async fn missing(
        &self,
        session: &Session,
        definition: &Definition,
    ) -> Outcome<Vec<(String, bool)>> {
        let (peer, channel) = (self.chain.node(session)?, self.chain.channel(session)?);
        let admin = session.file().admin(&peer.organisation)?;
        let approvals = chaincodes::readiness(session, peer, admin, channel, definition).await?;
        Ok(approvals.into_iter().collect())
    }
}

// === impl Approve ===

impl Approve {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.defined.chain.open()?;
        let channel = self.defined.channel(&session)?;
        let definition = self.defined.definition(&session, output).await?;
        let asked = |name: &&String| self.organisation.as_ref().is_none_or(|only| only == *name);
        let organisations: Vec<&String> = channel.organisations.iter().filter(asked).collect();
        if organisations.is_empty() {
            let name = self.organisation.unwrap_or_default();
            let cause = format!("{name:?} is not on channel {}", channel.name);
            return Err(Failure::new(Code::Unknown, cause)
                .hint(format!("there is {}", channel.organisations.join(", "))));
        }
        let reader = session.file().admin(organisations[0])?;
        chaincodes::refuse_strangers(&session, channel, reader, &self.defined.policy).await?;
        for organisation in &organisations {
            let package_id = self.package_id.as_deref();
            let approval = Approval { definition: &definition, organisation, package_id };
            let deadline = Instant::now() + PATIENCE;
            chaincodes::approve(&session, channel, &approval, deadline).await?;
        }
        let value = json!({
            "schema": "carecord.chaincode-approval/v1", "name": definition.name,
            "version": definition.version, "sequence": definition.sequence,
            "approved_by": organisations,
        });
        output.result(&value, || {
            let names: Vec<&str> = organisations.iter().map(|name| name.as_str()).collect();
            let Definition { name, version, sequence, .. } = &definition;
            format!("{name} {version}, sequence {sequence}: approved by {}", names.join(", "))
        });
        Ok(())
    }
}

// === impl Readiness ===

impl Readiness {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.defined.chain.open()?;
        let definition = self.defined.definition(&session, output).await?;
        let approvals = self.defined.missing(&session, &definition).await?;
        let map: serde_json::Map<_, _> =
            approvals.iter().map(|(msp_id, ready)| (msp_id.clone(), json!(ready))).collect();
        let value = json!({
            "schema": "carecord.chaincode-readiness/v1", "name": definition.name,
            "sequence": definition.sequence, "approvals": map,
        });
        output.result(&value, || {
            let word = |ready: bool| if ready { "yes" } else { "no" }.to_owned();
            let rows = approvals.iter().map(|(msp_id, ready)| [msp_id.clone(), word(*ready)]);
            table(["ORGANISATION", "APPROVED"], rows)
        });
        Ok(())
    }
}

// === impl Commit ===

impl Commit {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.defined.chain.open()?;
        let channel = self.defined.channel(&session)?;
        let definition = self.defined.definition(&session, output).await?;
        let approvals = self.defined.missing(&session, &definition).await?;
        let all = approvals.iter().all(|(_, approved)| *approved);
        let deadline = Instant::now() + if all { PATIENCE } else { SHORT_PATIENCE };
        let members = approvers(&session, channel, &approvals)?;
        let committed =
            chaincodes::commit(&session, channel, &definition, &members, deadline).await;
        committed.map_err(|failure| {
            let missing: Vec<_> = approvals
                .iter()
                .filter_map(|(msp_id, approved)| (!approved).then_some(msp_id.as_str()))
                .collect();
            if missing.is_empty() {
                return failure;
            }
            let cause = format!(
                "{} did not approve this definition: {}",
                missing.join(", "),
                failure.cause()
            );
            Failure::new(Code::ChaincodeNotReady, cause)
                .at(format!("chaincode {}", definition.name))
                .hint("each of them runs `carecord chaincode approve` with the same arguments")
        })?;
        let value = json!({
            "schema": "carecord.chaincode-commit/v1", "name": definition.name,
            "version": definition.version, "sequence": definition.sequence,
        });
        output.result(&value, || {
            let Definition { name, version, sequence, .. } = &definition;
            format!("{name} {version}, sequence {sequence}: in force on {}", channel.name)
        });
        Ok(())
    }
}

/// The members that have approved and so endorse; all if nobody has, whose peers then say why they refuse.
fn approvers(
    session: &Session,
    channel: &ChannelEntry,
    approvals: &[(String, bool)],
) -> Outcome<Vec<String>> {
    let mut members = Vec::new();
    for member in &channel.organisations {
        let msp_id = &session.file().organisation(member)?.msp_id;
        if approvals.iter().any(|(other, approved)| *approved && other == msp_id) {
            members.push(member.clone());
        }
    }
    Ok(if members.is_empty() { channel.organisations.clone() } else { members })
}
