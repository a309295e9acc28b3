//! `carecord identity revoke`.

use std::path::PathBuf;

use carecord_ca::client::CertificateName;
use clap::Args;
use serde_json::json;

use super::at_ca::AtCa;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::said;
use crate::output::Output;
use crate::state::replace_file;

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    at: AtCa,
    /// Enrolment id: all its certificates, and it never enrols again.
    id: Option<String>,
    /// Number of one certificate, hexadecimal.
    #[arg(long, requires = "aki", conflicts_with = "id")]
    serial: Option<String>,
    /// Key identifier of its issuer, hexadecimal.
    #[arg(long, requires = "serial")]
    aki: Option<String>,
    /// Why, in a word of RFC 5280.
    #[arg(long, default_value = "unspecified")]
    reason: String,
    /// File for the new revocation list.
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
}

// === impl Revoke ===

impl Revoke {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let (client, registrar) = (self.at.client()?, self.at.registrar()?);
        let wanted = self.crl.is_some();
        let done = match (&self.id, &self.serial, &self.aki) {
            (Some(id), ..) => client.revoke_identity(&registrar, id, &self.reason, wanted),
            (None, Some(serial), Some(aki)) => {
                let name = CertificateName { serial: serial.clone(), aki: aki.clone() };
                client.revoke_certificate(&registrar, &name, &self.reason, wanted)
            }
            _ => {
                return Err(Failure::new(Code::Argument, "nobody is named")
                    .hint("name an enrolment id, or a certificate with --serial and --aki"));
            }
        };
        let done = done.map_err(said)?;
        if let (Some(path), Some(list)) = (&self.crl, done.crl_pem().map_err(said)?) {
            replace_file(path, list.as_bytes())?;
        }
        let certificates = done.certificates.unwrap_or_default();
        let value = json!({
            "schema": "carecord.revocation/v1", "certificates": certificates, "crl_file": self.crl,
        });
        output.result(&value, || {
            let count = certificates.len();
            let list = match &self.crl {
                Some(path) => format!("; the new list is in {}", path.display()),
                None => String::new(),
            };
            format!("{count} certificates are revoked{list}\na channel refuses them once its configuration has the list")
        });
        Ok(())
    }
}
