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

/// The X25519 public keys of small order, whose shared secret is zero whatever the other side's key is; little-endian.
///
/// RFC 7748, section 6.1, lets both sides check for that secret; the points are those of Bernstein's list
/// (cr.yp.to/ecdh.html, "How do I validate Curve25519 public keys?"), the non-canonical forms of 0 and 1 included. The
/// highest bit of a key does not count (RFC 7748, section 5), so the list leaves it out.
const SMALL_ORDER: [[u8; X25519_BYTES]; 7] = [
    ends(0x00, 0x00, 0x00),
    ends(0x01, 0x00, 0x00),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    // p - 1, p and p + 1, where p = 2^255 - 19.
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
];

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
    /// The key has the wrong length or encoding, or is of small order.
    #[error("public key is not {X25519_BYTES} bytes in base64, or is of small order")]
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
    let key = decode(&registration.key).filter(|key| is_usable(key)).ok_or(KeyError::Key)?;
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

/// Whether bytes are an X25519 public key to which something can be encrypted: of its length and not of small order.
fn is_usable(key: &[u8]) -> bool {
    let Ok(mut point) = <[u8; X25519_BYTES]>::try_from(key) else { return false };
    point[X25519_BYTES - 1] &= 0x7f;
    !SMALL_ORDER.contains(&point)
}

/// A little-endian number with its own lowest and highest byte.
const fn ends(lowest: u8, between: u8, highest: u8) -> [u8; X25519_BYTES] {
    let mut bytes = [between; X25519_BYTES];
    bytes[0] = lowest;
    bytes[X25519_BYTES - 1] = highest;
    bytes
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};

    use super::*;

    fn agrees(public: &[u8]) -> bool {
        let own = PrivateKey::generate(&X25519).unwrap();
        agree(&own, UnparsedPublicKey::new(&X25519, public), (), |_| Ok(())).is_ok()
    }

    #[test]
    fn every_listed_key_is_refused_with_either_highest_bit_and_agrees_on_nothing() {
        for listed in SMALL_ORDER {
            for highest in [0, 0x80] {
                let mut key = listed;
                key[X25519_BYTES - 1] |= highest;
                assert!(!is_usable(&key), "{key:02x?}");
                assert!(!agrees(&key), "{key:02x?}");
            }
        }
    }

    #[test]
    fn neighbours_of_the_listed_keys_and_fresh_keys_are_usable() {
        let fresh = PrivateKey::generate(&X25519).unwrap().compute_public_key().unwrap();
        let base_point = ends(0x09, 0x00, 0x00);
        let non_canonical_two = ends(0xef, 0xff, 0x7f);
        for key in [fresh.as_ref(), &base_point, &non_canonical_two] {
            assert!(is_usable(key) && agrees(key), "{key:02x?}");
        }
        assert!(!is_usable(&base_point[1..]) && !is_usable(&[]));
    }
}
