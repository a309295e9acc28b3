//! What the membership service keeps, as it lies in the database.

use serde::{Deserialize, Serialize};

/// One attribute of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// Whether certificates carry it without being asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ecert: bool,
}

/// Somebody who may enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Enrolment id: the common name of their certificates.
    pub id: String,
    /// `client`, `peer`, `orderer`, `admin`: the organizational unit that an MSP looks for.
    pub kind: String,
    /// Where in the organisation; empty for the root.
    pub affiliation: String,
    /// Attributes, each name once.
    pub attributes: Vec<Attribute>,
    /// How often the secret serves; -1 for any number.
    pub max_enrollments: i64,
    /// How often it has served.
    pub enrollments: u64,
    /// Whether they were revoked.
    pub revoked: bool,
    /// Wrong secrets since the last right one.
    pub failed_attempts: u32,
    /// When the last of them came, in seconds since 1970.
    #[serde(default)]
    pub tried_at: i64,
    /// Hash of the secret, in PHC form.
    pub secret: String,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its number, hexadecimal without leading zeros.
    pub serial: String,
    /// Its issuer's key identifier, likewise.
    pub aki: String,
    /// Who enrolled.
    pub id: String,
    /// The profile it was made after.
    pub profile: String,
    /// The certificate.
    pub pem: String,
    /// First second at which it holds.
    pub not_before: i64,
    /// Last second at which it holds.
    pub not_after: i64,
    /// When and why it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// When and why a certificate was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Seconds since 1970.
    pub at: i64,
    /// Reason code of RFC 5280.
    pub reason: u8,
}

/// A line of the issuance log; each holds the hash of the one before, so that none can be taken out unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place, from 1.
    pub number: u64,
    /// Seconds since 1970.
    pub at: i64,
    /// `issue` or `revoke`.
    pub event: String,
    /// Who enrolled or was revoked.
    pub id: String,
    /// The certificate's number.
    pub serial: String,
    /// Its issuer's key identifier.
    pub aki: String,
    /// SHA-256 of the certificate, hexadecimal; empty for a revocation.
    #[serde(default)]
    pub fingerprint: String,
    /// SHA-256 of the stored bytes of the entry before; zeros for the first.
    pub previous: String,
}

// === impl Attribute ===

impl Attribute {
    /// One that only asked-for certificates carry.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), ecert: false }
    }
}

// === impl Identity ===

impl Identity {
    /// One without attributes, secret or affiliation.
    pub fn named(id: &str, kind: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            affiliation: String::new(),
            attributes: Vec::new(),
            max_enrollments: -1,
            enrollments: 0,
            revoked: false,
            failed_attempts: 0,
            tried_at: 0,
            secret: String::new(),
        }
    }

    /// Value of the attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_str())
    }

    /// Sets `attribute`; an empty value takes it away unless it is one the service sets.
    pub fn set(&mut self, attribute: Attribute) {
        let fixed = crate::rules::reserved::kind(&attribute.name)
            == Some(crate::rules::reserved::Kind::Fixed);
        self.attributes.retain(|other| other.name != attribute.name);
        if fixed || !attribute.value.is_empty() {
            self.attributes.push(attribute);
        }
    }
}
