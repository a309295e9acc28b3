//! The membership service of one CA: identities, their certificates, and what registrars may do.
//!
//! Place in the flow: [`crate::server`] has parsed a request; a method here proves who sends it, asks the rules
//! ([`crate::rules`]), writes what changes ([`crate::store`]) and answers. Everything that changes something holds the
//! store's [`crate::store::Writer`] from reading to writing, so two requests never both take the last of anything.

mod affiliations;
mod caller;
mod certificates;
mod config;
mod enroll;
mod identities;
mod register;
mod revoke;
mod turns;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::issuing::Issuing;
use crate::refusal::Refusal;
use crate::rules::reserved;
use crate::secret::Secrets;
use crate::store::{Attribute, Change, Identity, Store};
use crate::{Error, Validity};

pub use affiliations::Tree;
pub use caller::{Caller, Login};
pub use certificates::CertificateQuery;
pub use config::{CaConfig, KeyFiles, Limits, PASSPHRASE_VARIABLE, RegistrarConfig};
pub use enroll::{EnrollRequest, Enrolled};
pub use identities::ModifyRequest;
pub use register::{RegisterRequest, Registered};
pub use revoke::{CrlRequest, RevokeRequest, Revoked, RevokedCertificate};

/// What tells the time, in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Seconds in a day.
pub(crate) const DAY_S: i64 = 86_400;

/// One CA.
pub struct Ca {
    name: String,
    roles: Vec<String>,
    limits: Limits,
    signing: Issuing,
    tls: Option<Issuing>,
    secrets: Secrets,
    store: Store,
    turns: turns::Turns,
    clock: Clock,
}

// === impl Ca ===

impl Ca {
    /// Opens keys and records, and makes the first registrar if the records are new.
    pub fn open(config: &CaConfig, clock: Clock) -> Result<Self, Error> {
        config.check()?;
        let passphrase = config.passphrase()?;
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        let signing = config.signing.load(passphrase)?;
        let tls = config.tls.as_ref().map(|files| files.load(passphrase)).transpose()?;
        let secrets = Secrets::new(config.secret_cost)?;
        // Hashes of secrets lie here: nobody else's to read.
        std::fs::create_dir_all(&config.data_dir)
            .and_then(|()| {
                std::fs::set_permissions(&config.data_dir, Permissions::from_mode(0o700))
            })
            .map_err(|source| Error::File { path: config.data_dir.clone(), source })?;
        let store = Store::open(&config.data_dir)?;
        store.forget_tokens(clock())?;
        let ca = Self {
            name: config.name.clone(),
            roles: config.roles.clone(),
            limits: config.limits.clone(),
            signing,
            tls,
            secrets,
            store,
            turns: turns::Turns::new(),
            clock,
        };
        ca.begin(config)?;
        Ok(ca)
    }

    /// What requests call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The certificate that signs identities and those above it.
    pub fn chain_pem(&self) -> &str {
        self.signing.chain_pem()
    }

    /// When the certificate that signs identities holds.
    pub fn validity(&self) -> Validity {
        self.signing.validity()
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Who signs certificates of the profile.
    fn issuer(&self, tls: bool) -> &Issuing {
        self.tls.as_ref().filter(|_| tls).unwrap_or(&self.signing)
    }

    /// Adds what the configuration wants to be there and is not; what is there stays as it is.
    fn begin(&self, config: &CaConfig) -> Result<(), Error> {
        let writer = self.store.writer();
        let mut change = Change::default();
        for affiliation in &config.affiliations {
            let mut path = String::new();
            for unit in crate::rules::affiliation::units(affiliation) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(unit);
                change.put_affiliation(&path);
            }
        }
        if let Some(registrar) = &config.registrar
            && self.store.identity(&registrar.id)?.is_none()
        {
            let secret = zeroize::Zeroizing::new(config::read(&registrar.secret_file)?);
            let secret = secret.trim_end_matches(['\r', '\n']);
            change.put_identity(&first_registrar(&registrar.id, self.secrets.hash(secret)?));
        }
        Ok(writer.apply(change)?)
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("name", &self.name).finish_non_exhaustive()
    }
}

/// May do everything that can be done at a CA.
fn first_registrar(id: &str, secret: String) -> Identity {
    let mut identity = Identity { secret, ..Identity::named(id, "client") };
    for list in [reserved::ROLES, reserved::DELEGATE_ROLES, reserved::REGISTRAR_ATTRIBUTES] {
        identity.attributes.push(Attribute::new(list, "*"));
    }
    for right in [
        reserved::REVOKER,
        reserved::GEN_CRL,
        reserved::INTERMEDIATE_CA,
        reserved::AFFILIATION_MANAGER,
    ] {
        identity.attributes.push(Attribute::new(right, "true"));
    }
    register::add_fixed(&mut identity);
    identity
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::internal(error)
    }
}
