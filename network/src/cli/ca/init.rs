//! `carecord ca init`: a CA of its own, or one that another CA vouches for.

use std::path::{Path, PathBuf};

use carecord_ca::client::{Client, EnrollOptions};
use carecord_ca::sealed_key::seal;
use carecord_ca::service::{CaConfig, KeyFiles, Limits, RegistrarConfig};
use carecord_ca::{Cost, Organisation, Validity, make_secret};
use clap::Args;
use serde_json::json;

use crate::bringup::{now_unix_s, secret_file};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::said;
use crate::node::ca::failure;
use crate::node::config::{NodeConfig, TlsConfig};
use crate::output::Output;
use crate::state::{read_credential, read_text, replace_file};

const CA_DAYS: u32 = 3_650;
const TLS_DAYS: u32 = 365;
const REGISTRAR: &str = "admin";

#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// Folder to make; it must be new or empty.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// What requests call the CA by.
    #[arg(long)]
    name: String,
    /// The organisation's domain, for its certificates.
    #[arg(long)]
    domain: String,
    /// Two letters.
    #[arg(long)]
    country: Option<String>,
    /// Where it will answer.
    #[arg(long, default_value = "127.0.0.1:7054", value_name = "HOST:PORT")]
    address: String,
    /// Further host names and addresses that its TLS certificate answers for.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Values of carecord.role that it may give.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// File with the passphrase under which its keys are encrypted.
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Address of the CA that signs this one's certificate; without, it signs itself.
    #[arg(long, value_name = "HOST:PORT", requires = "parent_id")]
    parent: Option<String>,
    /// Name in the parent's TLS certificate; the host of its address if not named.
    #[arg(long, value_name = "NAME")]
    parent_tls_name: Option<String>,
    /// Certificate of the CA that vouches for the parent's TLS.
    #[arg(long, value_name = "FILE", requires = "parent")]
    parent_tls_ca: Option<PathBuf>,
    /// Name of the parent among the CAs of its server.
    #[arg(long, value_name = "NAME")]
    parent_ca: Option<String>,
    /// Enrolment id at the parent; it needs hf.IntermediateCA, and becomes the common name.
    #[arg(long, value_name = "ID", requires = "parent_secret_file")]
    parent_id: Option<String>,
    /// File with the secret of that id.
    #[arg(long, value_name = "FILE")]
    parent_secret_file: Option<PathBuf>,
}

/// A CA's certificate, those above it, and its key.
struct Signing {
    certificate: String,
    above: String,
    key: zeroize::Zeroizing<String>,
}

// === impl Init ===

impl Init {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let home =
            std::path::absolute(&self.home).map_err(|error| Failure::file(&self.home, &error))?;
        refuse_used(&home)?;
        let passphrase = self.passphrase()?;
        let validity = Validity::days_from(now_unix_s(), CA_DAYS);
        let organisation = Organisation::create(&self.domain, self.country.as_deref(), validity)
            .map_err(failure)?;
        let signing = self.signing(&organisation)?;
        let config = self.config(&home, !signing.above.is_empty());
        config.cas.iter().try_for_each(|ca| ca.check().map_err(failure))?;
        self.write(&home, &organisation, &signing, &passphrase)?;
        replace_file(&home.join("ca.toml"), config.to_toml().as_bytes())?;
        let value = json!({
            "schema": "carecord.ca-init/v1", "home": home, "config": home.join("ca.toml"),
            "registrar": REGISTRAR, "secret_file": home.join("registrar.secret"),
        });
        output.result(&value, || {
            format!(
                "{} holds the CA {}; start it with `carecord ca serve --config {}`\nits registrar is {REGISTRAR}, the secret is in {}",
                home.display(), self.name, home.join("ca.toml").display(),
                home.join("registrar.secret").display()
            )
        });
        Ok(())
    }

    fn passphrase(&self) -> Outcome<zeroize::Zeroizing<String>> {
        let text = zeroize::Zeroizing::new(read_text(&self.passphrase_file)?);
        let text = zeroize::Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        if text.is_empty() {
            return Err(Failure::new(Code::CaPassphrase, "the passphrase is empty")
                .at(self.passphrase_file.display()));
        }
        Ok(text)
    }

    fn signing(&self, organisation: &Organisation) -> Outcome<Signing> {
        let Some(parent) = &self.parent else {
            let ca = organisation.ca();
            return Ok(Signing {
                certificate: ca.certificate_pem().to_owned(),
                above: String::new(),
                key: ca.key_pem().to_owned().into(),
            });
        };
        let missing = |what: &str| Failure::new(Code::Argument, format!("--parent needs {what}"));
        let id = self.parent_id.as_deref().ok_or_else(|| missing("--parent-id"))?;
        let secret =
            self.parent_secret_file.as_ref().ok_or_else(|| missing("--parent-secret-file"))?;
        let roots = self.parent_tls_ca.as_ref().ok_or_else(|| missing("--parent-tls-ca"))?;
        let host = parent.rsplit_once(':').map_or(parent.as_str(), |(host, _)| host);
        let server_name = self.parent_tls_name.as_deref().unwrap_or(host);
        let roots = [read_credential(roots)?];
        let client =
            Client::new(parent, server_name, &roots, self.parent_ca.as_deref()).map_err(said)?;
        let options = EnrollOptions { profile: Some("ca".to_owned()), ..EnrollOptions::default() };
        let enrolled = client.enroll(id, read_text(secret)?.trim_end(), &options).map_err(said)?;
        Ok(Signing {
            certificate: enrolled.credential.certificate_pem,
            above: enrolled.chain_pem,
            key: enrolled.credential.key_pem,
        })
    }

    fn config(&self, home: &Path, has_parent: bool) -> NodeConfig {
        let ca = CaConfig {
            name: self.name.clone(),
            data_dir: home.join("data"),
            signing: KeyFiles {
                certificate: home.join("ca-cert.pem"),
                key: home.join("ca-key.pem"),
                chain: has_parent.then(|| home.join("ca-chain.pem")),
            },
            tls: Some(KeyFiles {
                certificate: home.join("tlsca-cert.pem"),
                key: home.join("tlsca-key.pem"),
                chain: None,
            }),
            // The passphrase does not lie beside what it opens unless the operator puts it there.
            passphrase_file: std::path::absolute(&self.passphrase_file).ok(),
            roles: self.roles.clone(),
            affiliations: Vec::new(),
            registrar: Some(RegistrarConfig {
                id: REGISTRAR.to_owned(),
                secret_file: home.join("registrar.secret"),
            }),
            limits: Limits::default(),
            secret_cost: Cost::default(),
        };
        let mut config = NodeConfig::of_ca(&self.name, "", &self.address, ca);
        config.data_dir = home.join("data");
        config.tls = TlsConfig {
            certificate: home.join("tls-cert.pem"),
            key: home.join("tls-key.pem"),
            roots: Vec::new(),
            require_client_certificate: false,
        };
        config
    }

    fn write(
        &self,
        home: &Path,
        organisation: &Organisation,
        signing: &Signing,
        passphrase: &str,
    ) -> Outcome<()> {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let mut hosts = vec![host.to_owned(), "localhost".to_owned()];
        hosts.extend(self.hosts.iter().cloned());
        let validity = Validity::days_from(now_unix_s(), TLS_DAYS);
        let name = format!("ca.{}", self.domain);
        let tls = organisation.tls(&name, &hosts, validity).map_err(failure)?;
        let tls_ca = organisation.tls_ca();
        let seal = |key: &str| seal(key, passphrase).map_err(failure);
        secret_file(&home.join("ca-key.pem"), &seal(&signing.key)?)?;
        secret_file(&home.join("tlsca-key.pem"), &seal(tls_ca.key_pem())?)?;
        // The listener's key opens nothing but the listener, and must be there when nobody is.
        secret_file(&home.join("tls-key.pem"), &tls.key_pem)?;
        secret_file(&home.join("registrar.secret"), &make_secret().map_err(failure)?)?;
        for (file, text) in [
            ("ca-cert.pem", signing.certificate.as_str()),
            ("tlsca-cert.pem", tls_ca.certificate_pem()),
            ("tls-cert.pem", &tls.certificate_pem),
        ] {
            replace_file(&home.join(file), text.as_bytes())?;
        }
        if !signing.above.is_empty() {
            replace_file(&home.join("ca-chain.pem"), signing.above.as_bytes())?;
        }
        Ok(())
    }
}

fn refuse_used(home: &Path) -> Outcome<()> {
    let mut entries = match std::fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file(home, &error)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Failure::new(Code::OldFolder, "the folder is not empty")
        .at(home.display())
        .hint("a new CA needs a folder of its own"))
}
