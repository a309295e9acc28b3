//! An organisation: its two CAs, and the certificates that its nodes and people get from them.

use std::collections::BTreeMap;

use rcgen::{DistinguishedName, DnType};
use x509_parser::x509::X509Name;

use crate::attributes::{AFFILIATION, ENROLLMENT_ID, PATIENT, ROLE, TYPE};
use crate::{Authority, Error, Issued, KeyKind, NodeRole, Request, Validity};

/// Where an organisation says it is: the part of a distinguished name that all its certificates share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Two letters.
    pub country: Option<String>,
    /// Town.
    pub locality: Option<String>,
    /// The organisation's own name, by custom its domain.
    pub organisation: Option<String>,
}

/// Somebody who gets a certificate from their organisation.
#[derive(Debug, Clone)]
pub struct Person {
    /// Name they enrol under; not written into a patient's certificate.
    pub name: String,
    /// Value of `carecord.role`; none for an administrator of the network only.
    pub role: Option<String>,
    /// Whether the certificate carries the admin OU instead of the client OU.
    pub admin: bool,
    /// Curve of their key.
    pub key: KeyKind,
}

/// An organisation's CA for identities and its CA for TLS.
pub struct Organisation {
    domain: String,
    ca: Authority,
    tls_ca: Authority,
}

// === impl Subject ===

impl Subject {
    pub(crate) fn push_to(&self, name: &mut DistinguishedName) {
        let parts = [
            (DnType::CountryName, &self.country),
            (DnType::LocalityName, &self.locality),
            (DnType::OrganizationName, &self.organisation),
        ];
        for (kind, value) in parts {
            if let Some(value) = value {
                name.push(kind, value.as_str());
            }
        }
    }

    pub(crate) fn of_name(name: &X509Name<'_>) -> Self {
        let first =
            |mut values: Box<dyn Iterator<Item = Option<String>> + '_>| values.next().flatten();
        Self {
            country: first(Box::new(
                name.iter_country().map(|v| v.as_str().ok().map(str::to_owned)),
            )),
            locality: first(Box::new(
                name.iter_locality().map(|v| v.as_str().ok().map(str::to_owned)),
            )),
            organisation: first(Box::new(
                name.iter_organization().map(|v| v.as_str().ok().map(str::to_owned)),
            )),
        }
    }
}

// === impl Person ===

impl Person {
    /// Whether their certificate must not tell who they are.
    pub fn is_patient(&self) -> bool {
        self.role.as_deref() == Some(PATIENT)
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        if let Some(role) = &self.role {
            attributes.insert(ROLE.to_owned(), role.clone());
        }
        if !self.is_patient() {
            let kind = if self.admin { NodeRole::Admin } else { NodeRole::Client };
            attributes.insert(ENROLLMENT_ID.to_owned(), self.name.clone());
            attributes.insert(TYPE.to_owned(), kind.ou().to_owned());
            attributes.insert(AFFILIATION.to_owned(), String::new());
        }
        attributes
    }
}

// === impl Organisation ===

impl Organisation {
    /// A new organisation named by its `domain`.
    pub fn create(domain: &str, country: Option<&str>, validity: Validity) -> Result<Self, Error> {
        let subject = Subject {
            country: country.map(str::to_owned),
            locality: None,
            organisation: Some(domain.to_owned()),
        };
        Ok(Self {
            domain: domain.to_owned(),
            ca: Authority::create(&format!("ca.{domain}"), &subject, validity)?,
            tls_ca: Authority::create(&format!("tlsca.{domain}"), &subject, validity)?,
        })
    }

    /// An organisation whose CAs exist already.
    pub fn from_authorities(domain: &str, ca: Authority, tls_ca: Authority) -> Self {
        Self { domain: domain.to_owned(), ca, tls_ca }
    }

    /// The name that stands in all its certificates and folders.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The CA for identities.
    pub fn ca(&self) -> &Authority {
        &self.ca
    }

    /// The CA for TLS.
    pub fn tls_ca(&self) -> &Authority {
        &self.tls_ca
    }

    /// The signing certificate of the node `name` (full name, with the domain).
    pub fn node(&self, name: &str, role: NodeRole, validity: Validity) -> Result<Issued, Error> {
        self.ca.issue(&Request {
            common_name: name.to_owned(),
            role: Some(role),
            tls: false,
            attributes: BTreeMap::new(),
            hosts: Vec::new(),
            anonymous: false,
            key: KeyKind::P256,
            validity,
        })
    }

    /// A TLS certificate, for both ends of a connection, that answers for `hosts`.
    pub fn tls(&self, name: &str, hosts: &[String], validity: Validity) -> Result<Issued, Error> {
        self.tls_ca.issue(&Request {
            common_name: name.to_owned(),
            role: None,
            tls: true,
            attributes: BTreeMap::new(),
            hosts: hosts.to_vec(),
            anonymous: false,
            key: KeyKind::P256,
            validity,
        })
    }

    /// The TLS client certificate of a person; a patient's says no more than the pseudonym, an administrator's that it is
    /// one, since an orderer's administration asks for that.
    pub fn person_tls(
        &self,
        person: &Person,
        common_name: &str,
        validity: Validity,
    ) -> Result<Issued, Error> {
        self.tls_ca.issue(&Request {
            common_name: common_name.to_owned(),
            role: person.admin.then_some(NodeRole::Admin),
            tls: true,
            attributes: BTreeMap::new(),
            hosts: Vec::new(),
            anonymous: person.is_patient(),
            key: KeyKind::P256,
            validity,
        })
    }

    /// The signing certificate of a person. `common_name` is what the certificate shows: for a patient a
    /// [`crate::pseudonym`], for everybody else usually `name@domain`.
    pub fn person(
        &self,
        person: &Person,
        common_name: &str,
        validity: Validity,
    ) -> Result<Issued, Error> {
        let role = if person.admin { NodeRole::Admin } else { NodeRole::Client };
        self.ca.issue(&Request {
            common_name: common_name.to_owned(),
            role: Some(role),
            tls: false,
            attributes: person.attributes(),
            hosts: Vec::new(),
            anonymous: person.is_patient(),
            key: person.key,
            validity,
        })
    }
}
