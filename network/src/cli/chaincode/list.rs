//! `carecord chaincode list`.

use carecord_proto::lifecycle::query_chaincode_definitions_result::ChaincodeDefinition;
use clap::Args;
use serde_json::json;

use crate::chaincodes;
use crate::cli::target::Chain;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    chain: Chain,
    /// The packages on each peer instead.
    #[arg(long)]
    installed: bool,
}

// === impl List ===

impl List {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.chain.open()?;
        match self.installed {
            true => self.installed(&session, output).await,
            false => self.committed(&session, output).await,
        }
    }

    async fn committed(&self, session: &Session, output: Output) -> Outcome<()> {
        let (peer, channel) = (self.chain.node(session)?, self.chain.channel(session)?);
        let admin = session.file().admin(&peer.organisation)?;
        let all = chaincodes::committed_all(session, peer, admin, channel).await?;
        let mut rows = Vec::new();
        for found in all.chaincode_definitions {
            let one = chaincodes::committed(session, peer, admin, channel, &found.name).await?;
            let approvals = one.map(|one| one.approvals).unwrap_or_default();
            let approved: Vec<String> = approvals
                .into_iter()
                .filter_map(|(msp_id, approved)| approved.then_some(msp_id))
                .collect();
            rows.push((found, approved));
        }
        let entries: Vec<_> = rows
            .iter()
            .map(|(found, approved)| {
                json!({
                    "name": found.name, "version": found.version, "sequence": found.sequence,
                    "policy": chaincodes::policy_text(&found.validation_parameter),
                    "collections": collections(found),
                    "endorsement_plugin": found.endorsement_plugin,
                    "validation_plugin": found.validation_plugin,
                    "init_required": found.init_required, "approved_by": approved,
                })
            })
            .collect();
        let value = json!({
            "schema": "carecord.chaincodes/v1", "channel": channel, "chaincodes": entries,
        });
        output.result(&value, || {
            let rows = rows.iter().map(|(found, approved)| {
                let (version, sequence) = (found.version.clone(), found.sequence.to_string());
                let policy = chaincodes::policy_text(&found.validation_parameter);
                let collections = match &collections(found)[..] {
                    [] => "-".to_owned(),
                    names => names.join(", "),
                };
                let name = found.name.clone();
                [name, version, sequence, policy, collections, approved.join(", ")]
            });
            let heading = ["NAME", "VERSION", "SEQUENCE", "POLICY", "COLLECTIONS", "APPROVED BY"];
            table(heading, rows)
        });
        Ok(())
    }

    async fn installed(&self, session: &Session, output: Output) -> Outcome<()> {
        let asked = |name: &str| self.chain.node.as_ref().is_none_or(|only| only == name);
        let mut rows = Vec::new();
        for peer in session.file().nodes_of("peer").filter(|peer| asked(&peer.name)) {
            let admin = session.file().admin(&peer.organisation)?;
            for package in chaincodes::installed(session, peer, admin).await? {
                rows.push((peer.name.clone(), package));
            }
        }
        let entries: Vec<_> = rows
            .iter()
            .map(|(peer, package)| {
                json!({
                    "peer": peer, "package_id": package.package_id, "label": package.label,
                    "runs": package.runs,
                })
            })
            .collect();
        let value = json!({"schema": "carecord.chaincode-packages/v1", "packages": entries});
        output.result(&value, || {
            let rows = rows.iter().map(|(peer, package)| {
                [peer.clone(), package.package_id.clone(), package.runs.join(", ")]
            });
            table(["PEER", "PACKAGE", "RUNS"], rows)
        });
        Ok(())
    }
}

fn collections(found: &ChaincodeDefinition) -> Vec<String> {
    found.collections.as_ref().map(chaincodes::collection_names).unwrap_or_default()
}
