//! `carecord audit`.

use carecord_health::audit::Entry;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::target::Caller;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::from_sdk;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Every access to the caller's records, permitted or denied.
    List {
        #[command(flatten)]
        caller: Caller,
    },
}

// === impl Audit ===

impl Audit {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let Self::List { caller } = self;
        caller.placed(list(&caller, output).await)
    }
}

async fn list(caller: &Caller, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let entries = person.my_audit().await.map_err(|error| from_sdk(&error))?;
    output.result(&json!({"schema": "carecord.audit/v1", "entries": entries}), || {
        let row = |entry: &Entry| {
            [
                moment(entry.at),
                word(&entry.act),
                entry.object.to_string(),
                entry.actor.to_string(),
                entry.org.to_string(),
                entry.purpose.map(|purpose| purpose.as_str().to_owned()).unwrap_or_default(),
                entry.decision.as_str().to_owned(),
            ]
        };
        let heading = ["WHEN", "ACT", "OBJECT", "WHO", "ORGANISATION", "PURPOSE", "DECISION"];
        table(heading, entries.iter().map(row))
    });
    Ok(())
}

/// A time as people read it.
pub(super) fn moment(unix_s: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_s)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_s.to_string())
}

/// The word that stands for a value in JSON.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
