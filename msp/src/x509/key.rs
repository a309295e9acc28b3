//! Public keys of certificates, parsed once, and the checks of signatures made with them.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as lc, ParsedPublicKey};

use super::Error;
use super::der::{BitString, Reader, tag};
use crate::signature::{Curve, Ecdsa};

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const UNCOMPRESSED: u8 = 4;

/// A public key, ready to verify.
#[derive(Debug, Clone)]
pub(crate) enum PublicKey {
    /// A key on one of the NIST curves.
    Ecdsa(EcdsaKey),
    /// An Ed25519 key.
    Ed25519(ParsedPublicKey),
    /// An RSA key: good for a CA, never for an identity. Kept as PKCS#1.
    Rsa(Vec<u8>),
    /// Nothing that Fabric can use.
    Unknown,
}

/// A point on a curve.
#[derive(Debug, Clone)]
pub(crate) struct EcdsaKey {
    pub(crate) curve: Curve,
    verifier: EcdsaVerifier,
}

#[derive(Debug, Clone)]
enum EcdsaVerifier {
    AwsLc(ParsedPublicKey),
    P224(Box<p224::ecdsa::VerifyingKey>),
}

impl PublicKey {
    /// Reads the key of a SubjectPublicKeyInfo: its algorithm's fields and its bits.
    pub(crate) fn read(
        algorithm: &mut Reader<'_>,
        bits: BitString<'_>,
    ) -> Result<PublicKey, Error> {
        let malformed = |what: &str| Error::Malformed(what.into());
        let oid = algorithm.oid().ok_or_else(|| malformed("malformed OID"))?;
        let bytes = bits.right_aligned();
        if oid == EC_PUBLIC_KEY {
            let curve = algorithm.oid().ok_or_else(|| malformed("invalid ECDSA parameters"))?;
            let curve =
                Curve::from_oid(curve).ok_or_else(|| malformed("unsupported elliptic curve"))?;
            EcdsaKey::read(curve, &bytes).map(PublicKey::Ecdsa)
        } else if oid == ED25519 {
            if !algorithm.is_empty() {
                return Err(malformed("Ed25519 key encoded with illegal parameters"));
            }
            ParsedPublicKey::new(&lc::ED25519, &bytes)
                .map(PublicKey::Ed25519)
                .map_err(|_| malformed("wrong Ed25519 public key size"))
        } else if oid == RSA_ENCRYPTION {
            if algorithm.rest() != [0x05, 0x00] {
                return Err(malformed("RSA key missing NULL parameters"));
            }
            let mut numbers = Reader::new(&bytes)
                .sequence()
                .ok_or_else(|| malformed("invalid RSA public key"))?;
            let read = numbers.integer().and_then(|_| numbers.integer());
            read.ok_or_else(|| malformed("invalid RSA modulus"))?;
            Ok(PublicKey::Rsa(bytes))
        } else {
            Ok(PublicKey::Unknown)
        }
    }

    /// The algorithm's name, as messages give it.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            PublicKey::Ecdsa(_) => "ECDSA",
            PublicKey::Ed25519(_) => "Ed25519",
            PublicKey::Rsa(_) => "RSA",
            PublicKey::Unknown => "0",
        }
    }
}

impl EcdsaKey {
    /// Reads an uncompressed point; Go takes no other form.
    pub(crate) fn read(curve: Curve, point: &[u8]) -> Result<EcdsaKey, Error> {
        let refused = || Error::Malformed("failed to unmarshal elliptic curve point".into());
        if point.first() != Some(&UNCOMPRESSED) || point.len() != 1 + 2 * curve.field_bytes() {
            return Err(refused());
        }
        let verifier = match curve {
            Curve::P224 => p224::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .map(|key| EcdsaVerifier::P224(Box::new(key)))
                .map_err(|_| refused())?,
            _ => ParsedPublicKey::new(prehashed(curve).0, point)
                .map(EcdsaVerifier::AwsLc)
                .map_err(|_| refused())?,
        };
        Ok(EcdsaKey { curve, verifier })
    }

    /// Whether `signature` is one of this key over the digest, which is cut or padded to the curve's size.
    pub(crate) fn verify_digest(&self, digest: &[u8], signature: &Ecdsa) -> bool {
        match &self.verifier {
            EcdsaVerifier::AwsLc(key) => {
                let (_, algorithm) = prehashed(self.curve);
                let fitted = fit(digest, algorithm.output_len());
                let Ok(digest) = Digest::import_less_safe(&fitted, algorithm) else { return false };
                key.verify_digest_sig(&digest, &signature.to_der()).is_ok()
            }
            EcdsaVerifier::P224(key) => verify_p224(key, digest, signature),
        }
    }
}

fn verify_p224(key: &p224::ecdsa::VerifyingKey, digest: &[u8], signature: &Ecdsa) -> bool {
    use p224::ecdsa::signature::hazmat::PrehashVerifier;
    let size = Curve::P224.field_bytes();
    let (Some(r), Some(s)) = (signature.r_fixed(size), signature.s_fixed(size)) else {
        return false;
    };
    let joined = [r, s].concat();
    p224::ecdsa::Signature::from_slice(&joined)
        .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
}

/// The verifier of a curve and the digest size it takes; cutting or padding makes any digest fit.
fn prehashed(
    curve: Curve,
) -> (&'static lc::EcdsaVerificationAlgorithm, &'static digest::Algorithm) {
    match curve {
        Curve::P224 | Curve::P256 => (&lc::ECDSA_P256_SHA256_ASN1, &digest::SHA256),
        Curve::P384 => (&lc::ECDSA_P384_SHA384_ASN1, &digest::SHA384),
        Curve::P521 => (&lc::ECDSA_P521_SHA512_ASN1, &digest::SHA512),
    }
}

/// ECDSA reads a digest as a number of the curve's bits: a longer one loses its end, a shorter one is that number.
pub(crate) fn fit(digest: &[u8], size: usize) -> Vec<u8> {
    let mut out = vec![0; size.saturating_sub(digest.len())];
    out.extend_from_slice(&digest[..digest.len().min(size)]);
    out
}

/// How a certificate or revocation list is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    Ecdsa(Hash),
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Ed25519,
    Unknown,
}

/// A hash function of a certificate signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn digest(self, bytes: &[u8]) -> Digest {
        let algorithm = match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

impl SignatureAlgorithm {
    /// Reads the content of an AlgorithmIdentifier.
    pub(crate) fn read(content: &[u8]) -> Result<SignatureAlgorithm, Error> {
        let malformed = || Error::Malformed("malformed OID".into());
        let mut reader = Reader::new(content);
        let oid = reader.oid().ok_or_else(malformed)?;
        let parameters = reader.rest();
        Ok(match oid {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Self::Ecdsa(Hash::Sha1),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => Self::Ecdsa(Hash::Sha256),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => Self::Ecdsa(Hash::Sha384),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => Self::Ecdsa(Hash::Sha512),
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
                0x05 => Self::RsaPkcs1(Hash::Sha1),
                0x0a => pss(parameters),
                0x0b => Self::RsaPkcs1(Hash::Sha256),
                0x0c => Self::RsaPkcs1(Hash::Sha384),
                0x0d => Self::RsaPkcs1(Hash::Sha512),
                _ => Self::Unknown,
            },
            ED25519 if parameters.is_empty() => Self::Ed25519,
            _ => Self::Unknown,
        })
    }

    /// Whether Fabric rewrites signatures of this kind to low S.
    pub(crate) fn is_ecdsa(self) -> bool {
        matches!(self, SignatureAlgorithm::Ecdsa(_))
    }
}

/// PSS with the hash, its own mask function and a salt as long as the hash: the only combination Go accepts.
fn pss(parameters: &[u8]) -> SignatureAlgorithm {
    let hash = |reader: &mut Reader<'_>| match reader.sequence()?.oid()? {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Some((Hash::Sha256, 32)),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Some((Hash::Sha384, 48)),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Some((Hash::Sha512, 64)),
        _ => None,
    };
    let read = || {
        let mut fields = Reader::new(parameters).sequence()?;
        let (own, size) = hash(&mut Reader::new(fields.content(tag::explicit(0))?))?;
        let mut mask = Reader::new(fields.content(tag::explicit(1))?).sequence()?;
        mask.oid()?;
        let (masks, _) = hash(&mut mask)?;
        let salt = Reader::new(fields.content(tag::explicit(2))?).integer()?;
        (own == masks && salt == [size]).then_some(SignatureAlgorithm::RsaPss(own))
    };
    read().unwrap_or(SignatureAlgorithm::Unknown)
}

/// Checks the signature of a certificate or list. SHA-1 is good for lists only.
pub(crate) fn check_signature(
    algorithm: SignatureAlgorithm,
    signed: &[u8],
    signature: &[u8],
    key: &PublicKey,
    sha1_allowed: bool,
) -> Result<(), Error> {
    use SignatureAlgorithm as A;
    if let A::Ecdsa(Hash::Sha1) | A::RsaPkcs1(Hash::Sha1) = algorithm
        && !sha1_allowed
    {
        return Err(Error::InsecureAlgorithm);
    }
    match (algorithm, key) {
        (A::Unknown, _) | (_, PublicKey::Unknown) => Err(Error::UnsupportedAlgorithm),
        (A::Ecdsa(hash), PublicKey::Ecdsa(key)) => {
            let numbers = Ecdsa::from_strict_der(signature).ok();
            let digest = hash.digest(signed);
            let good = numbers.is_some_and(|n| key.verify_digest(digest.as_ref(), &n));
            good.then_some(()).ok_or(Error::EcdsaFailure)
        }
        (A::Ed25519, PublicKey::Ed25519(key)) => {
            key.verify_sig(signed, signature).map_err(|_| Error::Ed25519Failure)
        }
        (A::RsaPkcs1(hash), PublicKey::Rsa(key)) => rsa(pkcs1(hash), key, signed, signature),
        (A::RsaPss(hash), PublicKey::Rsa(key)) => rsa(probabilistic(hash), key, signed, signature),
        _ => Err(Error::AlgorithmMismatch { key: key.algorithm() }),
    }
}

fn rsa(
    parameters: &'static lc::RsaParameters,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    lc::UnparsedPublicKey::new(parameters, key)
        .verify(signed, signature)
        .map_err(|_| Error::RsaFailure)
}

fn pkcs1(hash: Hash) -> &'static lc::RsaParameters {
    match hash {
        Hash::Sha1 => &lc::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn probabilistic(hash: Hash) -> &'static lc::RsaParameters {
    match hash {
        Hash::Sha1 | Hash::Sha256 => &lc::RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => &lc::RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => &lc::RSA_PSS_2048_8192_SHA512,
    }
}

#[cfg(test)]
mod wycheproof;
