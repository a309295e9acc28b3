//! Certificate requests, and what a certificate says of itself.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use x509_parser::prelude::{ParsedExtension, X509Certificate};
use zeroize::Zeroizing;

use super::{CertificateName, ClientError};
use crate::KeyKind;
use crate::key::private_pem;

/// What an enrolment asks for.
#[derive(Debug, Clone, Default)]
pub struct EnrollOptions {
    /// `tls` or `ca`; an identity's certificate if none.
    pub profile: Option<String>,
    /// Host names and addresses of a TLS certificate.
    pub hosts: Vec<String>,
    /// Curve of the new key.
    pub key: KeyKind,
    /// The key that the certificate shall be for; a new one if none.
    pub keep: Option<KeptKey>,
    /// Attributes by name; the usual ones if none are named.
    pub attributes: Option<Vec<String>>,
}

/// A private key, PEM, that goes on under another certificate.
#[derive(Clone)]
pub struct KeptKey(pub Zeroizing<String>);

impl std::fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptKey").finish_non_exhaustive()
    }
}

/// A request for `common_name` and its key, new or kept: both PEM.
pub fn certificate_request(
    common_name: &str,
    options: &EnrollOptions,
) -> Result<(String, Zeroizing<String>), ClientError> {
    let failed = |error: rcgen::Error| ClientError::Credential(format!("request: {error}"));
    let key = match &options.keep {
        Some(KeptKey(pem)) => KeyPair::from_pem(pem).map_err(failed)?,
        None => options
            .key
            .generate(common_name)
            .map_err(|error| ClientError::Credential(error.to_string()))?,
    };
    let mut params = CertificateParams::new(options.hosts.clone()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let request = params.serialize_request(&key).map_err(failed)?;
    let pem = request.pem().map_err(failed)?;
    let key_pem = match &options.keep {
        Some(KeptKey(own)) => own.clone(),
        None => private_pem(&key),
    };
    Ok((pem, key_pem))
}

pub(super) fn common_name(certificate_pem: &str) -> Result<String, ClientError> {
    with_certificate(certificate_pem, |certificate| {
        let name = certificate.subject().iter_common_name().next()?;
        name.as_str().ok().map(str::to_owned)
    })
}

pub(super) fn certificate_name(certificate_pem: &str) -> Result<CertificateName, ClientError> {
    with_certificate(certificate_pem, |certificate| {
        let aki = certificate.extensions().iter().find_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| hex::encode(id.0))
                }
                _ => None,
            }
        })?;
        Some(CertificateName { serial: hex::encode(certificate.raw_serial()), aki })
    })
}

pub(super) fn expires_at(certificate_pem: &str) -> Result<i64, ClientError> {
    with_certificate(certificate_pem, |certificate| {
        Some(certificate.validity().not_after.timestamp())
    })
}

/// The content of a certificate's attribute extension.
pub fn certificate_attributes(certificate_pem: &str) -> Option<serde_json::Value> {
    let oid = crate::attributes::ATTRIBUTE_EXTENSION.map(|arc| arc.to_string()).join(".");
    let block = pem::parse(certificate_pem).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(block.contents()).ok()?;
    let extension =
        certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == oid)?;
    serde_json::from_slice(extension.value).ok()
}

fn with_certificate<T>(
    pem_text: &str,
    read: impl FnOnce(&X509Certificate<'_>) -> Option<T>,
) -> Result<T, ClientError> {
    let wrong = || ClientError::Credential("the certificate cannot be read".to_owned());
    let block = pem::parse(pem_text).map_err(|_| wrong())?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(block.contents()).map_err(|_| wrong())?;
    read(&certificate).ok_or_else(wrong)
}
