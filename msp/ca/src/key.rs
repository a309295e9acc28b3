//! The kinds of keys a certificate may be about.

use rcgen::{KeyPair, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// What a PKCS#8 Ed25519 key has between its length and its 32 secret bytes, in both versions of the format.
const ED25519_V2: [u8; 14] =
    [0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const ED25519_V1: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A private key as PEM in the form that every tool reads.
///
/// Ed25519 keys come as version 2 of PKCS#8 (RFC 5958), which OpenSSL 3.0 and so Node.js cannot read; they are written
/// as version 1, without the public key.
pub(crate) fn private_pem(key: &KeyPair) -> Zeroizing<String> {
    let der = Zeroizing::new(key.serialize_der());
    let secret = der.get(2..16).filter(|head| **head == ED25519_V2).and_then(|_| der.get(16..48));
    match secret {
        Some(secret) => {
            let der = [&ED25519_V1, secret].concat();
            Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der)))
        }
        None => Zeroizing::new(key.serialize_pem()),
    }
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
