//! `carecord org list` and `show`.

use carecord_channel::Bundle;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::channel::Reader;
use crate::codes::Code;
use crate::configtx;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::state::NetworkFile;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    reader: Reader,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    reader: Reader,
    /// Name of the organisation in the channel.
    name: String,
}

/// One organisation in a section.
struct Row {
    section: &'static str,
    name: String,
    msp_id: String,
    addresses: Vec<String>,
}

// === impl List ===

impl List {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let rows = rows(&current.bundle);
        let strangers = strangers(session.file(), &rows);
        let entry = |row: &Row| json!({"section": row.section, "name": row.name, "msp_id": row.msp_id, "addresses": row.addresses});
        let organisations: Vec<Value> = rows.iter().map(entry).collect();
        let value = json!({
            "schema": "carecord.organisations/v1", "channel": current.channel,
            "organisations": organisations, "strangers": strangers,
        });
        output.result(&value, || {
            let lines = rows
                .iter()
                .map(|row| {
                    [
                        row.name.clone(),
                        row.msp_id.clone(),
                        row.section.to_lowercase(),
                        row.addresses.join(", "),
                    ]
                })
                .chain(strangers.iter().map(|(name, msp_id)| {
                    [name.clone(), msp_id.clone(), "not on the channel".to_owned(), "-".to_owned()]
                }));
            table(["ORGANISATION", "MSP", "SECTION", "ADDRESSES"], lines)
        });
        Ok(())
    }
}

// === impl Show ===

impl Show {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.reader.open()?;
        let current = self.reader.current(&session).await?;
        let json = configtx::to_json("common.Config", current.bundle.config())?;
        let of = |section: &str| {
            json["channel_group"]["groups"][section]["groups"].get(&self.name).cloned()
        };
        let found = of("Application").or_else(|| of("Orderer")).ok_or_else(|| {
            let cause = format!("channel {} has no organisation {:?}", current.channel, self.name);
            Failure::new(Code::Unknown, cause).hint("`carecord org list` shows them")
        })?;
        output.result(&found, || configtx::text(&found));
        Ok(())
    }
}

fn rows(bundle: &Bundle) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, org) in bundle.application().into_iter().flat_map(|section| &section.organizations) {
        let addresses =
            org.anchor_peers.iter().map(|peer| format!("{}:{}", peer.host, peer.port)).collect();
        let (name, msp_id) = (name.clone(), org.msp_id.clone());
        rows.push(Row { section: "Application", name, msp_id, addresses });
    }
    for (name, org) in bundle.orderer().into_iter().flat_map(|section| &section.organizations) {
        let (name, msp_id, addresses) = (name.clone(), org.msp_id.clone(), org.endpoints.clone());
        rows.push(Row { section: "Orderer", name, msp_id, addresses });
    }
    rows
}

/// Organisations of this folder that the channel does not know.
fn strangers(file: &NetworkFile, rows: &[Row]) -> Vec<(String, String)> {
    let known = |msp_id: &String| rows.iter().any(|row| row.msp_id == *msp_id);
    let strangers = file.organisations.iter().filter(|organisation| !known(&organisation.msp_id));
    strangers.map(|organisation| (organisation.name.clone(), organisation.msp_id.clone())).collect()
}
