//! Whether the TLS authorities of some organisations vouch for a certificate, now.
//!
//! Place in the flow: an orderer asks it about consenters before it orders a configuration that names them. Unlike
//! everything else of an MSP this verdict depends on the time, which the caller gives.

use std::sync::Arc;

use crate::x509::verify::Search;
use crate::x509::{CertPool, Certificate};
use crate::{CertificateError, Msp, decode_pem};

/// A TLS certificate that could be read.
#[derive(Debug, Clone)]
pub struct TlsCertificate(Arc<Certificate>);

/// The TLS roots and intermediates of some organisations.
#[derive(Debug, Default)]
pub struct TlsAuthorities {
    roots: CertPool,
    intermediates: CertPool,
}

// === impl TlsCertificate ===

impl TlsCertificate {
    /// Reads the first PEM block; `None` if there is none.
    pub fn from_pem(text: &[u8]) -> Option<Result<Self, CertificateError>> {
        let block = decode_pem(text)?;
        Some(Certificate::read(&block.bytes).map(|certificate| Self(Arc::new(certificate))))
    }

    /// The serial number as people write it.
    pub fn serial(&self) -> String {
        self.0.serial_decimal()
    }

    /// Its bytes, DER.
    pub fn der(&self) -> &[u8] {
        &self.0.raw
    }
}

// === impl TlsAuthorities ===

impl TlsAuthorities {
    /// Those of all these organisations together. Their MSPs are set up, so that each could be read already.
    pub fn of<'a>(msps: impl IntoIterator<Item = &'a Msp>) -> Self {
        let mut authorities = Self::default();
        for msp in msps {
            add(&mut authorities.roots, msp.tls_root_certs());
            add(&mut authorities.intermediates, msp.tls_intermediate_certs());
        }
        authorities
    }

    /// Whether one of them issued `certificate`, for a client or a server, and all in between is valid at `now`.
    pub fn check(&self, certificate: &TlsCertificate, now: i64) -> Result<(), CertificateError> {
        let search = Search { roots: &self.roots, intermediates: &self.intermediates, at: now };
        search.tls_chains(&certificate.0).map(drop)
    }
}

fn add(pool: &mut CertPool, pems: &[bytes::Bytes]) {
    let readable = pems.iter().filter_map(|pem| TlsCertificate::from_pem(pem)?.ok());
    readable.for_each(|certificate| pool.add(certificate.0));
}
