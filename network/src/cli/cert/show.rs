//! `carecord cert show`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::shown;
use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// File with one or more certificates, PEM.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

// === impl Show ===

impl Show {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let text = std::fs::read(&self.file).map_err(|error| Failure::file(&self.file, &error))?;
        let found = Certificate::of_pem(&text);
        if found.is_empty() {
            return Err(Failure::new(Code::Certificate, "there is no certificate in this file")
                .at(self.file.display())
                .hint("a certificate in PEM begins with -----BEGIN CERTIFICATE-----"));
        }
        let now = now_unix_s();
        let result = json!({"schema": "carecord.certificate/v1", "certificates": found});
        output.result(&result, || {
            let rows = found.iter().flat_map(|certificate| {
                let not_before = certificate.not_before_unix_s;
                let starts = time::OffsetDateTime::from_unix_timestamp(not_before);
                let starts = starts.map_or_else(|_| not_before.to_string(), |t| t.to_string());
                [
                    ["subject", &certificate.subject],
                    ["issuer", &certificate.issuer],
                    ["serial", &certificate.serial],
                    ["from", &starts],
                    ["until", &shown(certificate.not_after_unix_s, certificate.lasts_s(now))],
                    ["CA", if certificate.is_ca { "yes" } else { "no" }],
                    ["roles (OU)", &certificate.units.join(", ")],
                    ["hosts", &certificate.hosts.join(", ")],
                    ["SHA-256", &certificate.fingerprint],
                ]
                .map(|row| row.map(str::to_owned))
            });
            table(["CERTIFICATE", ""], rows.collect::<Vec<_>>())
        });
        Ok(())
    }
}
