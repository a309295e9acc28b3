//! Certificates with a low-S signature.
//!
//! Fabric re-encodes a certificate whose ECDSA signature has the higher of its two possible `s` values, and then
//! its identifier differs from the hash of the bytes on disk. Ours never have it.

use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};

/// Half the group order of P-256, rounded down: the highest `s` that counts as low.
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// Each try gives a low `s` with probability one half; 128 failures in a row do not happen.
const TRIES_MAX: usize = 128;

/// A CA's P-256 key that signs again until the signature is low-S.
pub(crate) struct LowSKey(pub(crate) KeyPair);

// === impl LowSKey ===

impl PublicKeyData for LowSKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for LowSKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        for _ in 0..TRIES_MAX {
            let signature = self.0.sign(message)?;
            if is_low_s(&signature) {
                return Ok(signature);
            }
        }
        Err(rcgen::Error::RingUnspecified)
    }
}

/// Whether the DER sequence (r, s) has an `s` of at most half the order of P-256.
fn is_low_s(signature: &[u8]) -> bool {
    let Some(s) = second_integer(signature) else { return false };
    let start = s.iter().position(|byte| *byte != 0).unwrap_or(s.len());
    let digits = &s[start..];
    match digits.len().cmp(&P256_HALF_ORDER.len()) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => digits <= P256_HALF_ORDER.as_slice(),
        std::cmp::Ordering::Greater => false,
    }
}

/// Content of the second integer of a short-form DER sequence of two integers.
fn second_integer(signature: &[u8]) -> Option<&[u8]> {
    let r_length = usize::from(*signature.get(3)?);
    let s_header = 4 + r_length;
    let s_length = usize::from(*signature.get(s_header + 1)?);
    signature.get(s_header + 2..s_header + 2 + s_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_of_a_ca_key_is_low_s() {
        let key = LowSKey(KeyPair::generate().unwrap());
        for round in 0..64_u8 {
            assert!(is_low_s(&key.sign(&[round]).unwrap()));
        }
    }

    #[test]
    fn half_the_order_is_low_and_one_more_is_high() {
        let signature = |s: [u8; 32]| [&[0x30, 37, 2, 1, 1, 2, 32][..], &s].concat();
        let mut above = P256_HALF_ORDER;
        above[31] += 1;
        assert!(is_low_s(&signature(P256_HALF_ORDER)));
        assert!(!is_low_s(&signature(above)));
    }
}
