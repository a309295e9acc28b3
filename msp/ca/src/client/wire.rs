//! What goes over the wire, by the names that Fabric-CA gives its fields.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClientError;
use crate::Attribute;

/// What a CA says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CaInfo {
    /// Its name.
    #[serde(rename = "CAName", default)]
    pub name: String,
    /// Its chain, base64 of PEM.
    #[serde(rename = "CAChain", default)]
    pub(super) chain: String,
    /// Version of the server.
    #[serde(rename = "Version", default)]
    pub version: String,
}

/// Somebody to be registered.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Registration {
    /// Enrolment id; none for a patient, who gets a pseudonym.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Type: `client`, `peer`, `orderer`, `admin`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Secret; a random one if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How often the secret serves; 0 for what the CA allows.
    pub max_enrollments: i64,
    /// Affiliation; the registrar's if empty.
    pub affiliation: String,
    /// Attributes.
    pub attrs: Vec<Attribute>,
}

/// Somebody who was registered.
#[derive(Debug, Clone, Deserialize)]
pub struct Registered {
    /// Enrolment id.
    #[serde(default)]
    pub id: Option<String>,
    /// Their secret.
    pub secret: String,
}

/// The name of a certificate: number and issuer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateName {
    /// Number, hexadecimal.
    #[serde(rename = "Serial")]
    pub serial: String,
    /// Key identifier of the issuer, hexadecimal.
    #[serde(rename = "AKI")]
    pub aki: String,
}

/// What a revocation did.
#[derive(Debug, Clone, Deserialize)]
pub struct Revocations {
    /// Certificates that hold no longer.
    #[serde(rename = "RevokedCerts", default)]
    pub certificates: Option<Vec<CertificateName>>,
    /// The new list, base64 of PEM, if it was asked for.
    #[serde(rename = "CRL", default)]
    crl: String,
}

/// An identity as the CA tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityInfo {
    /// Enrolment id.
    pub id: String,
    /// Type.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Affiliation.
    #[serde(default)]
    pub affiliation: String,
    /// Attributes.
    #[serde(default)]
    pub attrs: Vec<Attribute>,
    /// How often the secret serves.
    #[serde(default)]
    pub max_enrollments: i64,
}

#[derive(Deserialize)]
pub(super) struct Identities {
    pub(super) identities: Vec<IdentityInfo>,
}

#[derive(Deserialize)]
pub(super) struct Certificates {
    pub(super) certs: Vec<Certificate>,
}

#[derive(Deserialize)]
pub(super) struct Certificate {
    #[serde(rename = "PEM")]
    pub(super) pem: String,
}

#[derive(Deserialize)]
pub(super) struct Enrolled {
    #[serde(rename = "Cert")]
    pub(super) cert: String,
    #[serde(rename = "ServerInfo")]
    pub(super) server_info: CaInfo,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    result: Value,
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    success: bool,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    message: String,
}

// === impl CaInfo ===

impl CaInfo {
    /// The CA's certificate and those above it, PEM.
    pub fn chain_pem(&self) -> Result<String, ClientError> {
        super::decoded(&self.chain)
    }
}

// === impl Revocations ===

impl Revocations {
    /// The new list, PEM, if it was asked for.
    pub fn crl_pem(&self) -> Result<Option<String>, ClientError> {
        if self.crl.is_empty() { Ok(None) } else { super::decoded(&self.crl).map(Some) }
    }
}

/// What is inside the envelope.
pub(super) fn result<T: DeserializeOwned>(
    (status, body): (u16, Vec<u8>),
) -> Result<T, ClientError> {
    let wrong = |error: serde_json::Error| ClientError::Answer(format!("status {status}: {error}"));
    let envelope: Envelope = serde_json::from_slice(&body).map_err(wrong)?;
    if !envelope.success {
        let first = envelope.errors.into_iter().next();
        let first =
            first.unwrap_or_else(|| ErrorEntry { code: 0, message: "no reason".to_owned() });
        return Err(ClientError::Refused { status, code: first.code, message: first.message });
    }
    serde_json::from_value(envelope.result).map_err(wrong)
}
