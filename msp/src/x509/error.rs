//! Why a certificate was refused, in Go's words.

use super::time;

/// Why a certificate could not be read or does not chain to a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a certificate.
    #[error("x509: {0}")]
    Malformed(String),
    /// No root or intermediate signed it.
    #[error("x509: certificate signed by unknown authority{}", .hint.as_deref().unwrap_or(""))]
    UnknownAuthority {
        /// A CA of the right name that did not fit, and why.
        hint: Option<String>,
    },
    /// A certificate of the chain is not alive one second after the leaf's birth.
    #[error(
        "x509: certificate has expired or is not yet valid: current time {} is {relation} {}",
        time::format(*.at), time::format(*.limit)
    )]
    Expired {
        /// The moment of checking (Unix seconds).
        at: i64,
        /// `before` or `after`.
        relation: &'static str,
        /// The end that was overstepped (Unix seconds).
        limit: i64,
    },
    /// The parent is not allowed to sign certificates.
    #[error("x509: invalid signature: parent certificate cannot sign this kind of certificate")]
    ParentCannotSign,
    /// An intermediate is not a CA.
    #[error("x509: certificate is not authorized to sign other certificates")]
    NotAuthorizedToSign,
    /// More intermediates than a CA allows below itself.
    #[error("x509: too many intermediates for path length constraint")]
    TooManyIntermediates,
    /// A purpose other than the one asked for.
    #[error("x509: certificate specifies an incompatible key usage")]
    IncompatibleKeyUsage,
    /// A critical extension that nobody here understands.
    #[error("x509: unhandled critical extension")]
    UnhandledCriticalExtension,
    /// A CA constrains names, and the leaf has its host name in the common name only.
    #[error("x509: issuer has name constraints but leaf doesn't have a SAN extension")]
    NameConstraintsWithoutSans,
    /// A name that a CA's constraints do not allow.
    #[error(
        "x509: a root or intermediate certificate is not authorized to sign for this name: {0}"
    )]
    NameConstraint(String),
    /// More names and constraints than anybody compares.
    #[error("x509: too many name constraints to compare")]
    TooManyConstraints,
    /// The search for a chain was cut off.
    #[error("x509: signature check attempts limit reached while verifying certificate chain")]
    TooManySignatureChecks,
    /// SHA-1 under a certificate.
    #[error("x509: cannot verify signature: insecure algorithm")]
    InsecureAlgorithm,
    /// A signature algorithm that is not known.
    #[error("x509: cannot verify signature: algorithm unimplemented")]
    UnsupportedAlgorithm,
    /// Key and signature are of different kinds.
    #[error("x509: signature algorithm specifies another public key than {key}")]
    AlgorithmMismatch {
        /// The kind of the signer's key.
        key: &'static str,
    },
    /// The ECDSA signature does not hold.
    #[error("x509: ECDSA verification failure")]
    EcdsaFailure,
    /// The Ed25519 signature does not hold.
    #[error("x509: Ed25519 verification failure")]
    Ed25519Failure,
    /// The RSA signature does not hold.
    #[error("crypto/rsa: verification error")]
    RsaFailure,
}
