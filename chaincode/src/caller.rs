//! Who calls: read from the creator that signed the transaction, never from an argument.

use std::collections::BTreeMap;

use carecord_proto::msp::SerializedIdentity;
use prost::Message;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificate attribute that names the caller's role.
pub const ROLE_ATTRIBUTE: &str = "carecord.role";
/// The certificate extension in which a Fabric CA writes attributes, as `{"attrs": {name: value}}`.
const ATTRIBUTE_EXTENSION: &str = "1.2.3.4.5.6.7.8.1";

/// Why a creator cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// Not the bytes of a serialized identity.
    #[error("creator is not a serialized identity: {0}")]
    Identity(#[from] prost::DecodeError),
    /// The identity's bytes are no PEM block.
    #[error("identity holds no PEM block: {0}")]
    Pem(#[from] pem::PemError),
    /// The PEM block is no certificate.
    #[error("identity holds no certificate: {0}")]
    Certificate(String),
    /// The attribute extension is no JSON of the known shape.
    #[error("attribute extension is malformed: {0}")]
    Attributes(#[from] serde_json::Error),
}

/// The identity behind a transaction, as its certificate states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organisation.
    pub msp_id: String,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificate's subject, as text.
    pub subject: String,
    /// The SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex: what a person is known by across certificates.
    pub key_hash: String,
    /// The attributes that the CA vouched for.
    pub attributes: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Attributes {
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

impl Caller {
    /// Reads the creator of a transaction; the peer has validated its certificate before.
    pub fn from_creator(creator: &[u8]) -> Result<Self, CallerError> {
        let identity = SerializedIdentity::decode(creator)?;
        let certificate = pem::parse(&identity.id_bytes)?.into_contents();
        let (_, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|e| CallerError::Certificate(e.to_string()))?;
        let public_key = parsed.public_key().raw.to_vec();
        let attributes = attributes(&parsed)?;
        let subject = parsed.subject().to_string();
        let key_hash = key_hash(&public_key);
        Ok(Self { msp_id: identity.mspid, certificate, subject, public_key, key_hash, attributes })
    }

    /// The role that the caller's CA vouched for.
    pub fn role(&self) -> Option<&str> {
        self.attributes.get(ROLE_ATTRIBUTE).map(String::as_str)
    }
}

/// The name of a public key: SHA-256 of its SubjectPublicKeyInfo, lower-case hex.
pub(crate) fn key_hash(public_key: &[u8]) -> String {
    hex::encode(Sha256::digest(public_key))
}

fn attributes(certificate: &X509Certificate<'_>) -> Result<BTreeMap<String, String>, CallerError> {
    let extension =
        certificate.extensions().iter().find(|e| e.oid.to_id_string() == ATTRIBUTE_EXTENSION);
    match extension {
        None => Ok(BTreeMap::new()),
        Some(e) => Ok(serde_json::from_slice::<Attributes>(e.value)?.attrs),
    }
}
