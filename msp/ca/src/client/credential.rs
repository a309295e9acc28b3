//! Who calls: a certificate and its key, which sign tokens.

use carecord_msp::SigningIdentity;
use zeroize::Zeroizing;

use super::{CertificateName, ClientError, request};
use crate::token;

/// A certificate and its key: what signs tokens, and what an enrolment brings.
#[derive(Clone)]
pub struct Credential {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM.
    pub key_pem: Zeroizing<String>,
}

// === impl Credential ===

impl Credential {
    /// The token for a request.
    pub fn token(&self, method: &str, uri: &str, body: &[u8]) -> Result<String, ClientError> {
        let failed = |error: carecord_msp::Error| ClientError::Credential(error.to_string());
        let (certificate, key) = (self.certificate_pem.as_bytes(), self.key_pem.as_bytes());
        let signer = SigningIdentity::from_pem("", certificate, key).map_err(failed)?;
        token::make(&signer, &self.certificate_pem, token::Request { method, uri, body })
            .map_err(failed)
    }

    /// Last second of the certificate, since 1970.
    pub fn expires_at(&self) -> Result<i64, ClientError> {
        request::expires_at(&self.certificate_pem)
    }

    /// Number and issuer of the certificate, as a revocation names them.
    pub fn name(&self) -> Result<CertificateName, ClientError> {
        request::certificate_name(&self.certificate_pem)
    }

    /// Common name of the certificate: the enrolment id.
    pub fn common_name(&self) -> Result<String, ClientError> {
        request::common_name(&self.certificate_pem)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("certificate", &self.certificate_pem.len())
            .finish_non_exhaustive()
    }
}
