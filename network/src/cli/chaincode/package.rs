//! `carecord chaincode package` and `install`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::chaincodes::{self, Content, Package};
use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;
use crate::state::replace_file;

#[derive(Debug, Args)]
pub(in crate::cli) struct Make {
    /// Chaincode that is built into Carecord's peers, for example `health`.
    #[arg(required_unless_present = "service", conflicts_with = "service")]
    name: Option<String>,
    /// Address of a chaincode service instead (kept by peers, not run by this version).
    #[arg(long, value_name = "HOST:PORT")]
    service: Option<String>,
    /// Label, the first part of the package's id.
    #[arg(long)]
    label: String,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Install {
    #[command(flatten)]
    folder: Folder,
    /// The package, from `carecord chaincode package` or from Fabric's own tools.
    package: PathBuf,
    /// Organisation whose peers get it; all that have peers if not named.
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
}

// === impl Make ===

impl Make {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let content = match (self.service, self.name) {
            (Some(address), _) => Content::Service(address),
            (None, name) => Content::BuiltIn(name.unwrap_or_default()),
        };
        let package = Package::new(&self.label, &content)?;
        replace_file(&self.to, &package.bytes)?;
        let id = package.id(&self.label);
        let value = json!({
            "schema": "carecord.chaincode-package/v1",
            "package_id": id,
            "file": self.to,
        });
        output.result(&value, || id.clone());
        Ok(())
    }
}

// === impl Install ===

impl Install {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let file = session.file();
        if let Some(name) = &self.organisation {
            file.peer_of(name)?;
        }
        let package = Package::read(&self.package)?;
        let asked = |name: &str| self.organisation.as_ref().is_none_or(|only| only == name);
        let mut rows = Vec::new();
        for peer in file.nodes_of("peer").filter(|peer| asked(&peer.organisation)) {
            let admin = file.admin(&peer.organisation)?;
            let id = chaincodes::install(&session, peer, admin, &package).await?;
            rows.push((peer.name.clone(), id));
        }
        let installed: Vec<_> =
            rows.iter().map(|(peer, id)| json!({"peer": peer, "package_id": id})).collect();
        let value = json!({"schema": "carecord.chaincode-installed/v1", "installed": installed});
        output.result(&value, || {
            let rows = rows.iter().map(|(peer, id)| [peer.clone(), id.clone()]);
            table(["PEER", "PACKAGE"], rows)
        });
        Ok(())
    }
}
