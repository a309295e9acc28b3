//! Who sends a request: by name and secret, or by certificate and signature.

use x509_parser::prelude::{FromDer, X509Certificate};

use super::Ca;
use crate::refusal::{Code, Refusal};
use crate::rules::attempts;
use crate::store::{Change, Identity};
use crate::token::{self, Request};

/// Name and secret, as a Basic authorization header holds them.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Enrolment id.
    pub id: String,
    /// The secret.
    pub secret: zeroize::Zeroizing<String>,
}

/// Somebody who has proved who they are by a token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Their record.
    pub identity: Identity,
    /// Their certificate's number.
    pub serial: String,
    /// Their certificate's issuer's key identifier.
    pub aki: String,
    token: [u8; 32],
    /// When the token's certificate ends.
    until: i64,
}

// === impl Ca ===

impl Ca {
    /// The identity whose secret this is. A name that nobody has takes the same path and the same work as a wrong
    /// secret, so that neither text nor time tells them apart.
    pub fn login(&self, login: &Login) -> Result<Identity, Refusal> {
        if self.limits.max_enrollments == 0 {
            return Err(Refusal::authentication(Code::EnrollDisabled, "Enroll is disabled"));
        }
        // One try for a name at a time: tries sent at once are all counted before the next secret is looked at.
        let _turn = self.turns.of(&login.id);
        let found = self.store.identity(&login.id)?;
        self.check_attempts(&login.id, found.as_ref())?;
        let kept = found.as_ref().map(|identity| identity.secret.as_str());
        let good = self.secrets.verify(&login.secret, kept);
        match found {
            Some(identity) if good => Ok(identity),
            found => Err(self.count_failure(&login.id, found.is_some())?),
        }
    }

    /// Whether a secret for `id` is looked at now: behind the limit one try each time the lock has run out.
    fn check_attempts(&self, id: &str, found: Option<&Identity>) -> Result<(), Refusal> {
        let (attempts, tried_at) = match found {
            Some(identity) => (identity.failed_attempts, identity.tried_at),
            None => self.store.decoy_attempts(id)?,
        };
        let limit = self.limits.password_attempts;
        let wait = attempts::wait_s(attempts, limit, self.now().saturating_sub(tried_at));
        if wait == 0 {
            return Ok(());
        }
        let why = format!(
            "Incorrect password entered {attempts} times, max incorrect password limit of {limit} reached; one more try in {wait} s"
        );
        Err(Refusal::new(401, Code::PasswordAttempts, why))
    }

    fn count_failure(&self, id: &str, known: bool) -> Result<Refusal, Refusal> {
        let writer = self.store.writer();
        // Read again: another request may have changed the record meanwhile.
        match self.store.identity(id)?.filter(|_| known) {
            Some(mut identity) => {
                identity.failed_attempts = identity.failed_attempts.saturating_add(1);
                identity.tried_at = self.now();
                let mut change = Change::default();
                change.put_identity(&identity);
                writer.apply(change)?;
                Ok(Refusal::authentication(Code::InvalidPassword, format!("'{id}': wrong secret")))
            }
            None => {
                writer.count_decoy(id, self.now())?;
                Ok(Refusal::authentication(Code::InvalidUser, format!("'{id}' is nobody")))
            }
        }
    }

    /// The identity whose certificate signed `token`. `reenrolling` lets an expired one pass if the CA allows it.
    pub fn authenticate(
        &self,
        token: &str,
        request: Request<'_>,
        reenrolling: bool,
    ) -> Result<Caller, Refusal> {
        let verified = token::verify(token, request, self.limits.old_tokens).map_err(|why| {
            let why = format!("Invalid token in authorization header: {why}");
            Refusal::authentication(Code::InvalidToken, why)
        })?;
        let (aki, serial) = names_of(&verified.certificate).ok_or_else(|| {
            Refusal::authentication(Code::UntrustedCertificate, "no issuer's key")
        })?;
        if aki != self.signing.key_id() {
            let why = format!("Untrusted certificate: its issuer has the key {aki}");
            return Err(Refusal::authentication(Code::UntrustedCertificate, why));
        }
        let issued = self.store.certificate(&aki, &serial)?.ok_or_else(|| {
            let why = format!("Certificate not found with AKI '{aki}' and serial '{serial}'");
            Refusal::authentication(Code::CertificateNotFound, why)
        })?;
        // The very certificate that was issued, not one that only bears its number.
        let is_ours = pem::parse(&issued.pem)
            .is_ok_and(|block| block.contents() == verified.certificate.as_slice());
        if !is_ours {
            let why = format!("Untrusted certificate: it only bears the number {serial}");
            return Err(Refusal::authentication(Code::UntrustedCertificate, why));
        }
        let now = self.now();
        let late = reenrolling && self.limits.reenroll_ignores_expiry;
        if now < issued.not_before || (now > issued.not_after && !late) {
            let why = "The certificate in the authorization header is an expired certificate";
            return Err(Refusal::authentication(Code::CertificateExpired, why));
        }
        if issued.revoked.is_some() {
            let why = "The certificate in the authorization header is a revoked certificate";
            return Err(Refusal::authentication(Code::CertificateRevoked, why));
        }
        let identity = self.store.identity(&issued.id)?.filter(|identity| !identity.revoked);
        let identity = identity.ok_or_else(|| {
            Refusal::authentication(
                Code::GettingUser,
                format!("'{}' is revoked or removed", issued.id),
            )
        })?;
        let until = if self.limits.reenroll_ignores_expiry { i64::MAX } else { issued.not_after };
        Ok(Caller { identity, serial, aki, token: verified.hash, until })
    }

    /// Puts into `change` that the caller's token has bought it; a token buys one change.
    ///
    /// Fabric-CA's tokens hold no time and no nonce. Reads may repeat them, since clients that sign the same request
    /// twice may make the same signature (RFC 6979).
    pub(super) fn spend(&self, caller: &Caller, change: &mut Change) -> Result<(), Refusal> {
        if !self.limits.refuse_replay {
            return Ok(());
        }
        if self.store.is_used(&caller.token)? {
            let why = format!("'{}' sent a token that has served before", caller.identity.id);
            return Err(Refusal::authentication(Code::InvalidToken, why));
        }
        change.use_token(&caller.token, caller.until);
        Ok(())
    }

    /// Makes the token of a refused request useless, so that nobody sends it again when it would be allowed.
    pub fn burn(&self, caller: &Caller) -> Result<(), Refusal> {
        if !self.limits.refuse_replay {
            return Ok(());
        }
        let writer = self.store.writer();
        let mut change = Change::default();
        change.use_token(&caller.token, caller.until);
        Ok(writer.apply(change)?)
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Issuer's key identifier and number of a certificate, as the records name them.
fn names_of(der: &[u8]) -> Option<(String, String)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let aki = certificate.extensions().iter().find_map(|extension| {
        match extension.parsed_extension() {
            x509_parser::prelude::ParsedExtension::AuthorityKeyIdentifier(id) => {
                id.key_identifier.as_ref().map(|id| hex::encode(id.0))
            }
            _ => None,
        }
    })?;
    let serial = hex::encode(certificate.raw_serial());
    let plain = |text: String| text.trim_start_matches('0').to_owned();
    Some((plain(aki), plain(serial)))
}
