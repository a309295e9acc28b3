//! Certificates as Go's `crypto/x509` reads and verifies them.

/// Why a certificate could not be read or does not chain to a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a certificate.
    #[error("x509: {0}")]
    Malformed(String),
}
