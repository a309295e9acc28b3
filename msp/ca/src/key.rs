//! The kinds of keys a certificate may be about.

use rcgen::{KeyPair, SignatureAlgorithm};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Which curve a subject's key lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// ECDSA on P-256, what Fabric uses by default.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519; a channel needs MSP version 3.0 for it.
    Ed25519,
}

// === impl KeyKind ===

impl KeyKind {
    /// The word that stands for this kind in a topology file.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        }
    }

    pub(crate) fn generate(self, subject: &str) -> Result<KeyPair, Error> {
        KeyPair::generate_for(self.algorithm())
            .map_err(|source| Error::Issue { subject: subject.to_owned(), source })
    }

    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
        }
    }
}
