//! Signing as one identity.

use bytes::Bytes;

use crate::Error;

/// Somebody who can sign; orderers, peers, tools and tests sign through this.
pub trait Signer: Send + Sync {
    /// The `SerializedIdentity` bytes that verifiers are shown.
    fn serialized(&self) -> Bytes;
    /// The signer's organisation.
    fn msp_id(&self) -> &str;
    /// Signs the message: ECDSA over its SHA-256 with low S, or Ed25519 over the message.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error>;
}

/// A certificate and its private key.
#[derive(Debug)]
pub struct SigningIdentity {
    msp_id: String,
    serialized: Bytes,
}

impl SigningIdentity {
    /// Joins a certificate and its key (PKCS#8 or SEC1), both PEM; refuses a key that does not fit.
    pub fn from_pem(_msp_id: &str, _cert_pem: &[u8], _key_pem: &[u8]) -> Result<Self, Error> {
        Err(Error::Keystore("not written yet".into()))
    }
    /// The certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &[]
    }
    /// Last second of the certificate's life (Unix seconds).
    pub fn expires_at(&self) -> i64 {
        0
    }
}

impl Signer for SigningIdentity {
    fn serialized(&self) -> Bytes {
        self.serialized.clone()
    }
    fn msp_id(&self) -> &str {
        &self.msp_id
    }
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
        Err(crate::signature::Error::Invalid.into())
    }
}
