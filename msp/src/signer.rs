//! Signing as one identity.

use std::fmt;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use carecord_proto::msp::SerializedIdentity;
use prost::Message;

use crate::signature::{Curve, Ecdsa};
use crate::x509::Certificate;
use crate::x509::key::{PublicKey, fit};
use crate::{Error, pem_block};

const CERTIFICATE: &str = "CERTIFICATE";

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
pub struct SigningIdentity {
    msp_id: String,
    serialized: Bytes,
    certificate: Certificate,
    key: PrivateKey,
}

enum PrivateKey {
    Ecdsa { curve: Curve, pair: EcdsaKeyPair, digest: &'static digest::Algorithm },
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningIdentity({}, {})", self.msp_id, self.certificate.subject)
    }
}

impl SigningIdentity {
    /// Joins a certificate and its key (PKCS#8 or SEC1), both PEM; refuses a key that does not fit.
    pub fn from_pem(msp_id: &str, cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, Error> {
        let refused = |what: &str| Error::Keystore(what.into());
        let block =
            pem_block::decode(cert_pem).ok_or_else(|| refused("no PEM in the certificate"))?;
        let certificate = Certificate::read(&block.bytes)?;
        let secret = private_block(key_pem).ok_or_else(|| refused("no private key in the PEM"))?;
        let key = PrivateKey::read(&certificate, &secret)?;
        let id_bytes = pem_block::encode(CERTIFICATE, &certificate.raw).into();
        let serialized = SerializedIdentity { mspid: msp_id.into(), id_bytes }.encode_to_vec();
        Ok(SigningIdentity {
            msp_id: msp_id.into(),
            serialized: serialized.into(),
            certificate,
            key,
        })
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate.raw
    }

    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        pem_block::encode(CERTIFICATE, &self.certificate.raw)
    }

    /// Last second of the certificate's life (Unix seconds).
    pub fn expires_at(&self) -> i64 {
        self.certificate.not_after
    }
}

/// The first block that is a private key; SEC1 files may begin with the curve's parameters.
fn private_block(pem: &[u8]) -> Option<Vec<u8>> {
    let mut rest = pem;
    loop {
        let block = pem_block::decode(rest)?;
        if block.kind.ends_with("PRIVATE KEY") {
            return Some(block.bytes);
        }
        rest = block.rest;
    }
}

impl PrivateKey {
    /// Reads the key that belongs to the certificate.
    fn read(certificate: &Certificate, secret: &[u8]) -> Result<PrivateKey, Error> {
        let refused = |why: aws_lc_rs::error::KeyRejected| {
            Error::Keystore(format!("the private key cannot be used: {why}"))
        };
        let (key, public) = match &certificate.key {
            PublicKey::Ecdsa(key) => {
                let (signing, digest) = match key.curve {
                    Curve::P256 => (&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &digest::SHA256),
                    Curve::P384 => (&lc::ECDSA_P384_SHA384_ASN1_SIGNING, &digest::SHA384),
                    Curve::P521 => (&lc::ECDSA_P521_SHA512_ASN1_SIGNING, &digest::SHA512),
                    Curve::P224 => {
                        return Err(Error::Keystore("signing with P-224 is not supported".into()));
                    }
                };
                let pair = EcdsaKeyPair::from_private_key_der(signing, secret).map_err(refused)?;
                let public = pair.public_key().as_ref().to_vec();
                (PrivateKey::Ecdsa { curve: key.curve, pair, digest }, public)
            }
            PublicKey::Ed25519(_) => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(secret).map_err(refused)?;
                let public = pair.public_key().as_ref().to_vec();
                (PrivateKey::Ed25519(pair), public)
            }
            other => {
                let name = other.algorithm();
                return Err(Error::Keystore(format!("signing with {name} is not supported")));
            }
        };
        if !certificate.raw_key.ends_with(&public) {
            return Err(Error::Keystore("the private key is not the certificate's".into()));
        }
        Ok(key)
    }
}

impl Signer for SigningIdentity {
    fn serialized(&self) -> Bytes {
        self.serialized.clone()
    }

    fn msp_id(&self) -> &str {
        &self.msp_id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Keystore("signing failed".into());
        match &self.key {
            PrivateKey::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            PrivateKey::Ecdsa { curve, pair, digest } => {
                let hash = digest::digest(&digest::SHA256, message);
                let fitted = fit(hash.as_ref(), digest.output_len());
                let hash = Digest::import_less_safe(&fitted, digest).map_err(failed)?;
                let signature = pair.sign_digest(&hash).map_err(failed)?;
                Ok(Ecdsa::from_der(signature.as_ref())?.into_low_s(*curve).to_der())
            }
        }
    }
}
