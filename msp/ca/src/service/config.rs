//! What one CA is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::attributes::ROLES;
use crate::issuing::Issuing;
use crate::secret::Cost;
use crate::{Error, sealed_key};

/// Variable that holds the passphrase of encrypted keys if no file is named.
pub const PASSPHRASE_VARIABLE: &str = "CARECORD_CA_PASSPHRASE";

/// One CA of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaConfig {
    /// What requests call it by (`caname`).
    pub name: String,
    /// Where it keeps its records.
    pub data_dir: PathBuf,
    /// Its certificate and key for identities.
    pub signing: KeyFiles,
    /// Another for the profile `tls`; that of identities serves if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<KeyFiles>,
    /// File with the passphrase of encrypted keys; without one, the variable `CARECORD_CA_PASSPHRASE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Values of `carecord.role` that its registrars may give.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Affiliations that there are from the start.
    #[serde(default)]
    pub affiliations: Vec<String>,
    /// First registrar, made when the records are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrar: Option<RegistrarConfig>,
    /// How long things hold, and what is allowed.
    #[serde(default)]
    pub limits: Limits,
    /// What a secret's hash costs.
    #[serde(default)]
    pub secret_cost: Cost,
}

/// A CA's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its private key, encrypted or not.
    pub key: PathBuf,
    /// The certificates above it, up to the root; none for a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<PathBuf>,
}

/// The first registrar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrarConfig {
    /// Enrolment id.
    pub id: String,
    /// File with the secret.
    pub secret_file: PathBuf,
}

/// How long things hold, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most enrolments with one secret; -1 for any number, 0 for none at all.
    pub max_enrollments: i64,
    /// Wrong secrets until an identity is locked; 0 for no limit.
    pub password_attempts: u32,
    /// Days that a certificate holds.
    pub certificate_days: u32,
    /// Days that a CA's certificate holds that is enrolled here.
    pub ca_days: u32,
    /// Hours until a revocation list wants a successor.
    pub crl_hours: u32,
    /// Whether identities may be removed.
    pub allow_remove_identities: bool,
    /// Whether affiliations may be removed.
    pub allow_remove_affiliations: bool,
    /// Whether an expired certificate may still re-enrol.
    pub reenroll_ignores_expiry: bool,
    /// Whether a token may buy one change only.
    pub refuse_replay: bool,
    /// Whether tokens of clients before 1.4 are taken, which do not cover method and address.
    pub old_tokens: bool,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_enrollments: -1,
            password_attempts: 10,
            certificate_days: 365,
            ca_days: 1_825,
            crl_hours: 24,
            allow_remove_identities: false,
            allow_remove_affiliations: false,
            reenroll_ignores_expiry: false,
            refuse_replay: true,
            old_tokens: false,
        }
    }
}

// === impl CaConfig ===

impl CaConfig {
    /// Fails on what the files' form cannot rule out.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Config { ca: self.name.clone(), reason });
        if let Err(reason) = crate::rules::names::check_id(&self.name) {
            return refuse(format!("its name: {reason}"));
        }
        if let Some(role) = self.roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
            return refuse(format!("roles: {role:?} is none of {}", ROLES.join(", ")));
        }
        for affiliation in &self.affiliations {
            if let Err(reason) = crate::rules::names::check_affiliation(affiliation) {
                return refuse(format!("affiliations: {reason}"));
            }
        }
        if self.limits.max_enrollments < -1 {
            return refuse("limits.max_enrollments is less than -1".to_owned());
        }
        Ok(())
    }

    /// The passphrase of encrypted keys, if one was given.
    pub fn passphrase(&self) -> Result<Option<Zeroizing<String>>, Error> {
        match &self.passphrase_file {
            Some(path) => {
                let text = Zeroizing::new(read(path)?);
                Ok(Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
            None => Ok(std::env::var(PASSPHRASE_VARIABLE).ok().map(Zeroizing::new)),
        }
    }
}

// === impl KeyFiles ===

impl KeyFiles {
    /// Reads certificate, chain and key.
    pub fn load(&self, passphrase: Option<&str>) -> Result<Issuing, Error> {
        let certificate = read(&self.certificate)?;
        let above = self.chain.as_deref().map(read).transpose()?.unwrap_or_default();
        let named = |error: Error| match error {
            Error::Authority { reason, .. } => {
                Error::Authority { name: self.key.display().to_string(), reason }
            }
            other => other,
        };
        let stored = Zeroizing::new(read(&self.key)?);
        let key = sealed_key::open(&stored, passphrase).map_err(named)?;
        Issuing::new(&certificate, &above, &key).map_err(named)
    }
}

pub(super) fn read(path: &std::path::Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
