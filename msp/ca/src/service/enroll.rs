//! Enrolment: a certificate for who knows a secret, and a new one for who has a certificate.

use serde::Deserialize;

use super::{Ca, Caller, DAY_S, Login};
use crate::Validity;
use crate::csr::Csr;
use crate::issuing::{Content, Issuing, Purpose};
use crate::refusal::{Code, Refusal};
use crate::rules::{enrolment, registrar, reserved, roles};
use crate::store::{Change, Identity, Issued};

/// How far a certificate's start lies before the moment of issue, so that clocks may differ.
const BACKDATE_S: i64 = 300;
const CLIENT: &str = "client";

/// Body of an enrolment; Fabric-CA's further fields are what this service decides itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EnrollRequest {
    /// PKCS#10, PEM.
    #[serde(default)]
    pub certificate_request: String,
    /// `tls`, `ca`, or nothing.
    #[serde(default)]
    pub profile: Option<String>,
    /// Host names and addresses for a TLS certificate, besides those in the request.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// Attributes for the certificate; the usual ones if nothing is said.
    #[serde(default)]
    pub attr_reqs: Option<Vec<enrolment::AttributeRequest>>,
}

/// A certificate that was issued and recorded.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its issuer's certificate and those above it, PEM.
    pub chain_pem: String,
}

/// What an enrolment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Signing,
    Tls,
    Authority,
}

// === impl Profile ===

impl Profile {
    fn of(request: &EnrollRequest, csr: &Csr) -> Result<Self, Refusal> {
        match request.profile.as_deref() {
            Some("ca") => Ok(Self::Authority),
            _ if csr.is_ca => Ok(Self::Authority),
            None | Some("") => Ok(Self::Signing),
            Some("tls") => Ok(Self::Tls),
            Some(other) => {
                let why = format!("Invalid profile: '{other}'; there are tls and ca");
                Err(Refusal::new(400, Code::BadRequest, why))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Signing => "",
            Self::Tls => "tls",
            Self::Authority => "ca",
        }
    }
}

// === impl Ca ===

impl Ca {
    /// A certificate for who knows the secret; each serves only so many times.
    pub fn enroll(&self, login: &Login, request: &EnrollRequest) -> Result<Enrolled, Refusal> {
        let known = self.login(login)?;
        check_uses(&known, self.limits.max_enrollments)?;
        let csr = Csr::read(&request.certificate_request)?;
        let writer = self.store.writer();
        // Read again: what another request has used up or revoked meanwhile counts.
        let identity = self.store.identity(&known.id)?.filter(|now| now.secret == known.secret);
        let mut identity = identity.ok_or_else(|| {
            Refusal::authentication(Code::InvalidUser, format!("'{}' has changed", known.id))
        })?;
        check_uses(&identity, self.limits.max_enrollments)?;
        let mut change = Change::default();
        let enrolled = self.certify(&identity, request, &csr, &mut change)?;
        identity.enrollments += 1;
        identity.failed_attempts = 0;
        change.put_identity(&identity);
        writer.apply(change)?;
        Ok(enrolled)
    }

    /// A new certificate for who has one.
    pub fn reenroll(&self, caller: &Caller, request: &EnrollRequest) -> Result<Enrolled, Refusal> {
        let csr = Csr::read(&request.certificate_request)?;
        let writer = self.store.writer();
        let id = &caller.identity.id;
        let identity = self.store.identity(id)?.filter(|identity| !identity.revoked);
        let identity = identity.ok_or_else(|| {
            Refusal::authentication(Code::GettingUser, format!("'{id}' is revoked or removed"))
        })?;
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        let enrolled = self.certify(&identity, request, &csr, &mut change)?;
        writer.apply(change)?;
        Ok(enrolled)
    }

    /// Signs what the record says, and puts the certificate into `change`: it may leave when that is written.
    fn certify(
        &self,
        identity: &Identity,
        request: &EnrollRequest,
        csr: &Csr,
        change: &mut Change,
    ) -> Result<Enrolled, Refusal> {
        if csr.common_name != identity.id {
            let why = "The CSR subject common name must equal the enrollment ID";
            return Err(Refusal::new(403, Code::CommonName, why));
        }
        let profile = Profile::of(request, csr)?;
        // Records of an earlier version may hold what is refused today.
        roles::check_units(identity)?;
        roles::check_role(&identity.attributes, &self.roles)?;
        if profile == Profile::Authority && !registrar::has(identity, reserved::INTERMEDIATE_CA) {
            let why = format!("'{}' may not enroll a CA", identity.id);
            return Err(Refusal::authorization(Code::MissingAttribute, why));
        }
        let issuer = self.issuer(profile == Profile::Tls);
        let now = self.now();
        let signed = issuer.sign(&self.content(identity, request, csr, profile, now)?)?;
        let issued = Issued {
            serial: signed.serial,
            aki: issuer.key_id(),
            id: identity.id.clone(),
            profile: profile.name().to_owned(),
            pem: signed.pem.clone(),
            not_before: signed.validity.not_before,
            not_after: signed.validity.not_after,
            revoked: None,
        };
        change.issue(&issued, &signed.der, now);
        Ok(Enrolled { certificate_pem: signed.pem, chain_pem: chain(issuer) })
    }

    fn content(
        &self,
        identity: &Identity,
        request: &EnrollRequest,
        csr: &Csr,
        profile: Profile,
        now: i64,
    ) -> Result<Content, Refusal> {
        let patient = roles::is_patient(&identity.attributes);
        // A person's certificate proves a client; only nodes may stand for a server and its names.
        let server = !patient && !identity.kind.eq_ignore_ascii_case(CLIENT);
        let (purpose, days) = match profile {
            Profile::Signing => (Purpose::Signing, self.limits.certificate_days),
            Profile::Tls => (Purpose::Tls { server }, self.limits.certificate_days),
            Profile::Authority => (Purpose::Authority, self.limits.ca_days),
        };
        let mut hosts = Vec::new();
        if profile == Profile::Tls && server {
            hosts.extend(csr.hosts.iter().chain(request.hosts.iter().flatten()).cloned());
            hosts.sort();
            hosts.dedup();
            check_hosts(&hosts)?;
        }
        let attributes = match (profile, &request.attr_reqs) {
            (Profile::Signing, asked) => Some(asked.as_deref()),
            (_, Some(asked)) => Some(Some(asked.as_slice())),
            (_, None) => None,
        };
        let attributes = attributes
            .map(|asked| enrolment::attributes(identity, asked))
            .transpose()
            .map_err(|why| {
                let why = format!("Failed to find requested attributes: {why}");
                Refusal::new(500, Code::Unknown, why)
            })?
            .filter(|attributes| !attributes.is_empty());
        enrolment::check_size(attributes.as_ref())
            .map_err(|why| Refusal::new(400, Code::InvalidRequest, why))?;
        let validity =
            Validity { not_before: now - BACKDATE_S, not_after: now + i64::from(days) * DAY_S };
        Ok(Content {
            common_name: identity.id.clone(),
            units: enrolment::units(identity),
            anonymous: patient,
            public_key: csr.public_key.clone(),
            hosts,
            attributes,
            purpose,
            validity,
        })
    }
}

fn chain(issuer: &Issuing) -> String {
    issuer.chain_pem().to_owned()
}

/// Whether the secret of `identity` serves once more.
fn check_uses(identity: &Identity, ca_max: i64) -> Result<(), Refusal> {
    let refuse = |why: String| Err(Refusal::authentication(Code::InvalidPassword, why));
    if identity.revoked {
        return refuse(format!("User {} is revoked; access denied", identity.id));
    }
    let own = identity.max_enrollments;
    let max = if ca_max != -1 && (own == -1 || own > ca_max) { ca_max } else { own };
    let used = i64::try_from(identity.enrollments).unwrap_or(i64::MAX);
    if max != -1 && used >= max {
        return refuse(format!(
            "The identity {} has already enrolled {used} times, it has reached its maximum enrollment allowance",
            identity.id
        ));
    }
    Ok(())
}

/// Most names in one TLS certificate.
const HOSTS_MAX: usize = 32;

/// Most letters of a DNS name.
const HOST_MAX: usize = 253;

fn check_hosts(hosts: &[String]) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let allowed = |host: &String| {
        // A star stands for one label of a domain, not for every host there is.
        let name = match host.strip_prefix("*.") {
            Some(domain) if !domain.contains('.') => "",
            Some(domain) => domain,
            None => host,
        };
        host.parse::<std::net::IpAddr>().is_ok()
            || (!name.is_empty() && host.len() <= HOST_MAX && name.chars().all(plain))
    };
    if hosts.len() > HOSTS_MAX || !hosts.iter().all(allowed) {
        let why = format!(
            "hosts: at most {HOSTS_MAX} DNS names or addresses are possible, a star for one label of a domain only"
        );
        return Err(Refusal::new(400, Code::InvalidRequest, why));
    }
    Ok(())
}
