//! Encryption keys and the statement by which their owner vouches for them.
//!
//! A key counts only if the subject's certificate key signed it together with everything that says where and for whom
//! it holds, so no peer, vault or administrator can slip in a key of their own. Clients repeat the check with
//! [`verify`] before they wrap a data key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};
use carecord_chaincode::json_object;
use sha2::{Digest, Sha256};
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519},
    prelude::{FromDer, SubjectPublicKeyInfo},
};

use crate::ids::{Id, KeyHash, Kid};

/// HPKE with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
pub const SUITE_X25519_AES256GCM: u32 = 1;
/// Length of an X25519 public key.
pub const X25519_BYTES: usize = 32;

const STATEMENT_DOMAIN: &[u8] = b"carecord-encryption-key-v1";
const KID_DOMAIN: &[u8] = b"carecord-kid-v1";

json_object! {
    /// An encryption key as its owner registers it.
    pub struct KeyRegistration {
        /// [`kid`] of suite and key.
        pub kid: Kid,
        /// The HPKE suite; [`SUITE_X25519_AES256GCM`] is the only one so far.
        pub suite: u32,
        /// The public key, base64.
        pub key: String,
        /// 1 for the first key of a person, then one more each time.
        pub seq: u64,
        /// The key that this one replaces; absent for the first.
        pub previous: Option<Kid>,
        /// The owner's signature over [`statement`], base64; DER for ECDSA.
        pub signature: String,
    }
}

json_object! {
    /// A registered encryption key.
    pub struct EncryptionKey {
        /// As registered.
        pub registration: KeyRegistration,
        /// The certificate key that signed it.
        pub signer: KeyHash,
        /// That key's SubjectPublicKeyInfo, DER, base64.
        pub signer_key: String,
        /// When it was registered, seconds since 1970.
        pub registered: i64,
        /// When it was revoked; absent while it counts.
        pub revoked: Option<i64>,
    }
}

/// Why a key registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The suite is not known.
    #[error("encryption suite is not known")]
    Suite,
    /// The key has the wrong length or encoding.
    #[error("public key is not {X25519_BYTES} bytes in base64")]
    Key,
    /// The key id is not derived from the key.
    #[error("key id does not belong to the key")]
    Kid,
    /// The signer's key is of a kind that cannot sign here.
    #[error("signing key is neither P-256, P-384 nor Ed25519")]
    Signer,
    /// The signature does not cover the statement.
    #[error("signature does not fit the statement")]
    Signature,
}

/// The id of an encryption key: the first 128 bits of SHA-256 over a domain, the suite and the key.
pub fn kid(suite: u32, key: &[u8]) -> Kid {
    let digest = Sha256::new()
        .chain_update(KID_DOMAIN)
        .chain_update(suite.to_be_bytes())
        .chain_update(key)
        .finalize();
    Kid::new(hex::encode(&digest[..16])).expect("16 bytes are 32 hex digits")
}

/// What the owner signs: domain, channel, subject, key id, suite, key, sequence and previous key id, each preceded by
/// its length as four big-endian bytes.
pub fn statement(
    channel: &str,
    subject: &Id,
    kid: &Kid,
    suite: u32,
    key: &[u8],
    seq: u64,
    previous: Option<&Kid>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for field in [
        STATEMENT_DOMAIN,
        channel.as_bytes(),
        subject.as_str().as_bytes(),
        kid.as_str().as_bytes(),
        &suite.to_be_bytes(),
        key,
        &seq.to_be_bytes(),
        previous.map_or("", Kid::as_str).as_bytes(),
    ] {
        let length = u32::try_from(field.len()).expect("fields are far below 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

/// Checks a registration against the signer's SubjectPublicKeyInfo; answers the key's bytes.
pub fn verify(
    channel: &str,
    subject: &Id,
    registration: &KeyRegistration,
    signer_spki: &[u8],
) -> Result<Vec<u8>, KeyError> {
    if registration.suite != SUITE_X25519_AES256GCM {
        return Err(KeyError::Suite);
    }
    let key = decode(&registration.key).filter(|k| k.len() == X25519_BYTES).ok_or(KeyError::Key)?;
    if kid(registration.suite, &key) != registration.kid {
        return Err(KeyError::Kid);
    }
    let message = statement(
        channel,
        subject,
        &registration.kid,
        registration.suite,
        &key,
        registration.seq,
        registration.previous.as_ref(),
    );
    let signature = decode(&registration.signature).ok_or(KeyError::Signature)?;
    verify_signature(signer_spki, &message, &signature)?;
    Ok(key)
}

/// Checks a signature made with the key of a certificate: ECDSA over SHA-256 in DER, or Ed25519.
pub fn verify_signature(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
    let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| KeyError::Signer)?;
    let kind = &parsed.algorithm.algorithm;
    let algorithm: &dyn VerificationAlgorithm = if *kind == OID_SIG_ED25519 {
        &ED25519
    } else if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let parameters = parsed.algorithm.parameters.as_ref().ok_or(KeyError::Signer)?;
        match parameters.as_oid().map_err(|_| KeyError::Signer)? {
            curve if curve == OID_EC_P256 => &ECDSA_P256_SHA256_ASN1,
            curve if curve == OID_NIST_EC_P384 => &ECDSA_P384_SHA256_ASN1,
            _ => return Err(KeyError::Signer),
        }
    } else {
        return Err(KeyError::Signer);
    };
    UnparsedPublicKey::new(algorithm, &parsed.subject_public_key.data)
        .verify(message, signature)
        .map_err(|_| KeyError::Signature)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}
