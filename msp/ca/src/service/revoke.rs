//! Taking certificates back, and the list that tells everybody.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Ca, Caller};
use crate::issuing::Edition;
use crate::refusal::{Code, Refusal};
use crate::rules::{registrar, reserved};
use crate::store::{Change, Issued, Revocation};

/// Reasons of RFC 5280 by the names that clients write.
const REASONS: [(&str, u8); 10] = [
    ("unspecified", 0),
    ("keycompromise", 1),
    ("cacompromise", 2),
    ("affiliationchanged", 3),
    ("superseded", 4),
    ("cessationofoperation", 5),
    ("certificatehold", 6),
    ("removefromcrl", 8),
    ("privilegewithdrawn", 9),
    ("aacompromise", 10),
];
const HOUR_S: i64 = 3_600;

/// Body of a revocation: of an identity with all its certificates, or of one certificate.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RevokeRequest {
    /// Whose certificates.
    #[serde(default)]
    pub id: Option<String>,
    /// Number of one certificate.
    #[serde(default)]
    pub serial: Option<String>,
    /// Its issuer's key identifier.
    #[serde(default)]
    pub aki: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether the answer shall hold the new list.
    #[serde(default)]
    pub gencrl: Option<bool>,
}

/// Body of a request for a list. Go reads field names without regard to case, and a client relies on it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CrlRequest {
    /// Only what was revoked after this.
    #[serde(default, alias = "revokedAfter", alias = "RevokedAfter")]
    pub revokedafter: Option<String>,
    /// Only what was revoked before this.
    #[serde(default, alias = "revokedBefore", alias = "RevokedBefore")]
    pub revokedbefore: Option<String>,
    /// Only what expires after this.
    #[serde(default, alias = "expireAfter", alias = "ExpireAfter")]
    pub expireafter: Option<String>,
    /// Only what expires before this.
    #[serde(default, alias = "expireBefore", alias = "ExpireBefore")]
    pub expirebefore: Option<String>,
    /// `tls` for the list of the CA that signs TLS certificates; ours, not Fabric-CA's.
    #[serde(default)]
    pub profile: Option<String>,
}

/// What was revoked.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// The certificates.
    pub certificates: Vec<RevokedCertificate>,
    /// The new list, PEM, if it was asked for.
    pub crl_pem: Option<String>,
}

/// The name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCertificate {
    /// Its number.
    #[serde(rename = "Serial")]
    pub serial: String,
    /// Its issuer's key identifier.
    #[serde(rename = "AKI")]
    pub aki: String,
}

// === impl Ca ===

impl Ca {
    /// Revokes one certificate, or somebody with all of theirs.
    pub fn revoke(&self, caller: &Caller, request: &RevokeRequest) -> Result<Revoked, Refusal> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (id, serial, aki) = (given(&request.id), plain(&request.serial), plain(&request.aki));
        let certificates = match (id, serial, aki) {
            (id, Some(serial), Some(aki)) => {
                self.revoke_certificate(caller, id.as_deref(), &aki, &serial, request)?
            }
            (Some(id), ..) => self.revoke_identity(caller, &id, request)?,
            _ => {
                let why = "Either Name or Serial and AKI are required for a revoke request";
                return Err(Refusal::new(400, Code::MissingRevokeArguments, why));
            }
        };
        let wanted = request.gencrl == Some(true) && !certificates.is_empty();
        let crl_pem = wanted.then(|| self.make_list(&CrlRequest::default())).transpose()?;
        Ok(Revoked { certificates, crl_pem })
    }

    /// A revocation list, PEM.
    pub fn gencrl(&self, caller: &Caller, request: &CrlRequest) -> Result<String, Refusal> {
        if !registrar::has(&caller.identity, reserved::GEN_CRL) {
            let why = format!(
                "The identity '{}' does not have authority to generate a CRL",
                caller.identity.id
            );
            return Err(Refusal::authorization(Code::NoGenCrlAuthority, why));
        }
        self.make_list(request)
    }

    /// A revocation list for the operator of this very machine.
    pub fn list_for_operator(&self, tls: bool) -> Result<String, Refusal> {
        let profile = tls.then(|| "tls".to_owned());
        self.make_list(&CrlRequest { profile, ..CrlRequest::default() })
    }

    fn revoke_certificate(
        &self,
        caller: &Caller,
        id: Option<&str>,
        aki: &str,
        serial: &str,
        request: &RevokeRequest,
    ) -> Result<Vec<RevokedCertificate>, Refusal> {
        let writer = self.store.writer();
        let found = self.store.certificate(aki, serial)?;
        let issued = found.ok_or_else(|| {
            let why = format!("Certificate with serial {serial} and AKI {aki} was not found");
            Refusal::new(404, Code::RevokeCertificateNotFound, why)
        })?;
        check_may_revoke(caller, &issued.id)?;
        if issued.revoked.is_some() {
            let why = format!("Certificate with serial {serial} and AKI {aki} was already revoked");
            return Err(Refusal::new(404, Code::AlreadyRevoked, why));
        }
        if id.is_some_and(|id| id != issued.id) {
            let why = format!("Certificate with serial {serial} and AKI {aki} is another's");
            return Err(Refusal::new(400, Code::CertificateWrongOwner, why));
        }
        let owner = self.store.identity(&issued.id)?.ok_or_else(|| {
            let why = format!("Identity {} was not found", issued.id);
            Refusal::new(404, Code::RevokeIdentityNotFound, why)
        })?;
        let own = caller.aki == issued.aki && caller.serial == issued.serial;
        if !own {
            registrar::check_manages(&caller.identity, &owner)?;
        }
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        let revoked = self.take_back(vec![issued], request, &mut change);
        writer.apply(change)?;
        Ok(revoked)
    }

    fn revoke_identity(
        &self,
        caller: &Caller,
        id: &str,
        request: &RevokeRequest,
    ) -> Result<Vec<RevokedCertificate>, Refusal> {
        check_may_revoke(caller, id)?;
        let writer = self.store.writer();
        let mut identity = self.store.identity(id)?.ok_or_else(|| {
            let why = format!("Identity {id} was not found");
            Refusal::new(404, Code::RevokeIdentityNotFound, why)
        })?;
        if caller.identity.id != identity.id {
            registrar::check_manages(&caller.identity, &identity)?;
        }
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        identity.revoked = true;
        change.put_identity(&identity);
        let revoked = self.take_back(self.store.certificates_of(id)?, request, &mut change);
        writer.apply(change)?;
        Ok(revoked)
    }

    /// Puts the revocation of those of `certificates` that still hold into `change`.
    pub(super) fn take_back(
        &self,
        certificates: Vec<Issued>,
        request: &RevokeRequest,
        change: &mut Change,
    ) -> Vec<RevokedCertificate> {
        let reason = request.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
        let reason = REASONS.iter().find(|(name, _)| *name == reason).map_or(0, |(_, code)| *code);
        let revocation = Revocation { at: self.now(), reason };
        let mut revoked = Vec::new();
        for mut issued in certificates.into_iter().filter(|issued| issued.revoked.is_none()) {
            issued.revoked = Some(revocation);
            change.revoke(&issued, revocation.at);
            revoked.push(RevokedCertificate { serial: issued.serial, aki: issued.aki });
        }
        revoked
    }

    fn make_list(&self, request: &CrlRequest) -> Result<String, Refusal> {
        let [after, before] = [&request.revokedafter, &request.revokedbefore].map(moment);
        let (after, before) = (after?, before?);
        let [expire_after, expire_before] =
            [&request.expireafter, &request.expirebefore].map(moment);
        let (expire_after, expire_before) = (expire_after?, expire_before?);
        if before.zip(after).is_some_and(|(before, after)| after > before) {
            let why = "Invalid 'revokedafter' value. It must not be a timestamp greater than 'revokedbefore'";
            return Err(Refusal::new(400, Code::InvalidRevokedAfter, why));
        }
        if expire_before.zip(expire_after).is_some_and(|(before, after)| after > before) {
            let why = "Invalid 'expireafter' value. It must not be a timestamp greater than 'expirebefore'";
            return Err(Refusal::new(400, Code::InvalidExpiredAfter, why));
        }
        let issuer = self.issuer(request.profile.as_deref() == Some("tls"));
        let aki = issuer.key_id();
        let mut listed = Vec::new();
        for issued in self.store.certificates() {
            let issued = issued?;
            let Some(revocation) = issued.revoked.filter(|_| issued.aki == aki) else { continue };
            let inside = after.is_none_or(|after| revocation.at > after)
                && before.is_none_or(|before| revocation.at < before)
                && expire_after.is_none_or(|after| issued.not_after > after)
                && expire_before.is_none_or(|before| issued.not_after < before);
            if inside {
                listed.push(issued);
            }
        }
        let number = self.store.writer().next_crl_number()?;
        let now = self.now();
        let next_at = now + i64::from(self.limits.crl_hours) * HOUR_S;
        Ok(issuer.revocation_list(&listed, Edition { number, made_at: now, next_at })?)
    }
}

/// Everybody may revoke what is their own.
fn check_may_revoke(caller: &Caller, owner: &str) -> Result<(), Refusal> {
    if caller.identity.id == owner || registrar::has(&caller.identity, reserved::REVOKER) {
        return Ok(());
    }
    let why = "Caller does not have authority to revoke";
    Err(Refusal::authorization(Code::NotRevoker, why))
}

/// A number as the records hold it: lower case, without colons and leading zeros.
fn plain(number: &Option<String>) -> Option<String> {
    let text = number.as_ref()?.to_ascii_lowercase().replace(':', "");
    Some(text.trim_start_matches('0').to_owned()).filter(|text| !text.is_empty())
}

/// Seconds of an RFC 3339 time; Go writes the year 1 where it means none.
pub(super) fn moment(text: &Option<String>) -> Result<Option<i64>, Refusal> {
    let Some(text) = text.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        let why = "Invalid request body: a time is not in the form of RFC 3339";
        Refusal::new(400, Code::BadBody, why)
    })?;
    Ok((time.year() > 1).then(|| time.unix_timestamp()))
}
