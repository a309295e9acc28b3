//! Looking at certificates that were issued.

use super::revoke::moment;
use super::{Ca, Caller};
use crate::refusal::{Code, Refusal};
use crate::rules::{affiliation, registrar, reserved};
use crate::store::Issued;

/// Most certificates in one answer: with more the caller must ask for fewer, as Fabric-CA's answer has no pages.
pub(super) const CERTIFICATES_MAX: usize = 10_000;

/// Which certificates; what is left out does not matter.
#[derive(Debug, Clone, Default)]
pub struct CertificateQuery {
    /// Whose.
    pub id: Option<String>,
    /// Its number.
    pub serial: Option<String>,
    /// Its issuer's key identifier.
    pub aki: Option<String>,
    /// Revoked at or after.
    pub revoked_start: Option<String>,
    /// Revoked at or before.
    pub revoked_end: Option<String>,
    /// Expires at or after.
    pub expired_start: Option<String>,
    /// Expires at or before.
    pub expired_end: Option<String>,
    /// Not those that were revoked.
    pub notrevoked: bool,
    /// Not those that have expired.
    pub notexpired: bool,
}

// === impl Ca ===

impl Ca {
    /// Certificates of identities that the caller may act on, PEM.
    pub fn certificates(
        &self,
        caller: &Caller,
        query: &CertificateQuery,
    ) -> Result<Vec<String>, Refusal> {
        let may = caller.identity.attribute(reserved::ROLES).is_some()
            || registrar::has(&caller.identity, reserved::REVOKER);
        if !may {
            let why = "Caller does not posses either hf.Registrar.Roles or hf.Revoker attribute";
            return Err(Refusal::authorization(Code::AuthorizationFailure, why));
        }
        let filter = Filter::new(query, self.now())?;
        let mut found = Vec::new();
        for issued in self.store.certificates() {
            let issued = issued?;
            if !filter.takes(&issued) {
                continue;
            }
            // Whose owner was removed belongs to the root.
            let place = self.store.identity(&issued.id)?.map(|owner| owner.affiliation);
            if affiliation::contains(&caller.identity.affiliation, &place.unwrap_or_default()) {
                if found.len() >= CERTIFICATES_MAX {
                    return Err(Refusal::new(400, Code::GettingCertificates, too_many()));
                }
                found.push(issued.pem);
            }
        }
        Ok(found)
    }
}

fn too_many() -> String {
    format!(
        "Invalid Request: more than {CERTIFICATES_MAX} certificates; narrow it down by id, serial, or times of expiration or revocation"
    )
}

struct Filter<'a> {
    query: &'a CertificateQuery,
    serial: Option<String>,
    aki: Option<String>,
    revoked: (Option<i64>, Option<i64>),
    expired: (Option<i64>, Option<i64>),
    now: i64,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    fn new(query: &'a CertificateQuery, now: i64) -> Result<Self, Refusal> {
        let refuse = |why: &str| {
            Err(Refusal::new(400, Code::GettingCertificates, format!("Invalid Request: {why}")))
        };
        let time = |text: &Option<String>| {
            moment(text).map_err(|refusal| Refusal { code: Code::GettingCertificates, ..refusal })
        };
        let filter = Self {
            query,
            serial: plain(&query.serial),
            aki: plain(&query.aki),
            revoked: (time(&query.revoked_start)?, time(&query.revoked_end)?),
            expired: (time(&query.expired_start)?, time(&query.expired_end)?),
            now,
        };
        if query.notexpired && filter.expired != (None, None) {
            return refuse("Can't specify expiration time filter and the 'notexpired' filter");
        }
        if query.notrevoked && filter.revoked != (None, None) {
            return refuse("Can't specify revocation time filter and the 'notrevoked' filter");
        }
        Ok(filter)
    }

    fn takes(&self, issued: &Issued) -> bool {
        let is = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|w| w == own);
        let revoked = issued.revoked.map(|revocation| revocation.at);
        is(&self.query.id, &issued.id)
            && is(&self.serial, &issued.serial)
            && is(&self.aki, &issued.aki)
            && !(self.query.notrevoked && revoked.is_some())
            && !(self.query.notexpired && issued.not_after < self.now)
            && inside(revoked, self.revoked)
            && inside(Some(issued.not_after), self.expired)
    }
}

fn inside(time: Option<i64>, (start, end): (Option<i64>, Option<i64>)) -> bool {
    match time {
        None => start.is_none() && end.is_none(),
        Some(time) => start.is_none_or(|start| time >= start) && end.is_none_or(|end| time <= end),
    }
}

fn plain(number: &Option<String>) -> Option<String> {
    let text = number.as_ref()?.to_ascii_lowercase().replace(':', "");
    Some(text.trim_start_matches('0').to_owned()).filter(|text| !text.is_empty())
}
