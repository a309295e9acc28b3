//! Signatures as Fabric takes them: ECDSA over a 256-bit digest with low S, or Ed25519 over the message.
//!
//! Two readers of the same DER: the validator lets through what Go's `asn1.Unmarshal` lets through (bytes after the
//! sequence and after S), since other peers do; our own ingress and certificates take the one canonical form only.

use crate::x509::der::{self, Reader, tag};

/// Why a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing to check.
    #[error(
        "could not determine the validity of the signature: Invalid signature. Cannot be empty."
    )]
    EmptySignature,
    /// An Ed25519 signature over nothing; Fabric takes the message for a digest here.
    #[error("could not determine the validity of the signature: Invalid digest. Cannot be empty.")]
    EmptyMessage,
    /// Not two numbers in DER.
    #[error("failed unmashalling signature [{0}]")]
    Encoding(&'static str),
    /// A number that is zero or negative.
    #[error("invalid signature, {0} must be larger than zero")]
    NotPositive(char),
    /// The other of the two signatures that ECDSA gives for every one.
    #[error(
        "could not determine the validity of the signature: Failed verifing with opts [<nil>]: \
         Invalid S. Must be smaller than half the order"
    )]
    HighS,
    /// The key is of a kind that identities may not have.
    #[error(
        "could not determine the validity of the signature: Unsupported 'VerifyKey' provided [{0}]"
    )]
    UnsupportedKey(&'static str),
    /// The MSP asks for a hash family that does not exist.
    #[error("failed getting hash function options: hash family not recognized [{0}]")]
    HashFamily(String),
    /// The numbers do not fit key and message.
    #[error("The signature is invalid")]
    Invalid,
}

/// The curves of identities and CAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

/// The largest order, in bytes.
const MAX_ORDER_BYTES: usize = 66;

impl Curve {
    pub(crate) fn from_oid(oid: der::Oid<'_>) -> Option<Curve> {
        match oid {
            [0x2b, 0x81, 0x04, 0x00, 0x21] => Some(Curve::P224),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Some(Curve::P256),
            [0x2b, 0x81, 0x04, 0x00, 0x22] => Some(Curve::P384),
            [0x2b, 0x81, 0x04, 0x00, 0x23] => Some(Curve::P521),
            _ => None,
        }
    }

    pub(crate) const fn field_bytes(self) -> usize {
        match self {
            Curve::P224 => 28,
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// The order of the base point, big-endian.
    const fn order(self) -> &'static [u8] {
        match self {
            Curve::P224 => &P224_ORDER,
            Curve::P256 => &P256_ORDER,
            Curve::P384 => &P384_ORDER,
            Curve::P521 => &P521_ORDER,
        }
    }
}

const P224_ORDER: [u8; 28] = hex_bytes("ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d");
const P256_ORDER: [u8; 32] =
    hex_bytes("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const P384_ORDER: [u8; 48] = hex_bytes(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);
const P521_ORDER: [u8; 66] = hex_bytes(
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
     51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
);

const fn hex_bytes<const N: usize>(text: &str) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 }
    }
    let text = text.as_bytes();
    assert!(text.len() == 2 * N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

/// The two numbers of an ECDSA signature, both positive, big-endian without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ecdsa {
    r: Vec<u8>,
    s: Vec<u8>,
}

impl Ecdsa {
    /// Reads DER as Go's `asn1.Unmarshal` does: what follows S or the sequence is ignored.
    pub(crate) fn from_der(bytes: &[u8]) -> Result<Ecdsa, Error> {
        let mut input = Reader::new(bytes);
        let mut numbers = input.sequence().ok_or(Error::Encoding("no sequence"))?;
        let r = numbers.integer().ok_or(Error::Encoding("no integer R"))?;
        let s = numbers.integer().ok_or(Error::Encoding("no integer S"))?;
        Ok(Ecdsa { r: positive(r, 'R')?, s: positive(s, 'S')? })
    }

    /// Reads the one canonical encoding.
    pub(crate) fn from_strict_der(bytes: &[u8]) -> Result<Ecdsa, Error> {
        let signature = Self::from_der(bytes)?;
        if signature.to_der() == bytes {
            Ok(signature)
        } else {
            Err(Error::Encoding("not canonical"))
        }
    }

    /// The canonical encoding.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let mut numbers = Vec::with_capacity(2 * MAX_ORDER_BYTES + 8);
        der::write_unsigned(&mut numbers, &self.r);
        der::write_unsigned(&mut numbers, &self.s);
        let mut out = Vec::with_capacity(numbers.len() + 4);
        der::write(&mut out, tag::SEQUENCE, &[&numbers]);
        out
    }

    /// Whether S is at most half the order: of the two signatures that hold, the one Fabric takes.
    pub(crate) fn is_low_s(&self, curve: Curve) -> bool {
        let order = curve.order();
        match self.s_fixed(order.len()) {
            None => false,
            // 2s <= N - 1, and N is odd: s <= N - s
            Some(s) => negated(&s, order).is_some_and(|other| s <= other),
        }
    }

    /// Replaces a high S by its low twin.
    pub(crate) fn into_low_s(mut self, curve: Curve) -> Ecdsa {
        if !self.is_low_s(curve) {
            let order = curve.order();
            if let Some(other) = self.s_fixed(order.len()).and_then(|s| negated(&s, order)) {
                let skip = other.iter().take_while(|b| **b == 0).count();
                self.s = other[skip..].to_vec();
            }
        }
        self
    }

    pub(crate) fn r_fixed(&self, size: usize) -> Option<Vec<u8>> {
        padded(&self.r, size)
    }

    pub(crate) fn s_fixed(&self, size: usize) -> Option<Vec<u8>> {
        padded(&self.s, size)
    }
}

fn positive(digits: &[u8], name: char) -> Result<Vec<u8>, Error> {
    match digits {
        [0] => Err(Error::NotPositive(name)),
        [first, ..] if first & 0x80 != 0 => Err(Error::NotPositive(name)),
        [0, rest @ ..] => Ok(rest.to_vec()),
        digits => Ok(digits.to_vec()),
    }
}

fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let missing = size.checked_sub(number.len())?;
    Some([&vec![0; missing][..], number].concat())
}

/// `order - number`, or nothing if the number is larger. Both have the same length.
fn negated(number: &[u8], order: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; order.len()];
    let mut borrow = 0i16;
    for i in (0..order.len()).rev() {
        let digit = i16::from(order[i]) - i16::from(number[i]) - borrow;
        borrow = i16::from(digit < 0);
        out[i] = (digit + 256 * borrow) as u8;
    }
    (borrow == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8], inside: &[u8], behind: &[u8]) -> Vec<u8> {
        let mut numbers = Vec::new();
        der::write(&mut numbers, tag::INTEGER, &[r]);
        der::write(&mut numbers, tag::INTEGER, &[s]);
        let mut out = Vec::new();
        der::write(&mut out, tag::SEQUENCE, &[&numbers, inside]);
        out.extend_from_slice(behind);
        out
    }

    #[test]
    fn the_validator_reads_what_go_reads_and_ingress_only_the_canonical_form() {
        for (name, bytes, lax, strict) in [
            ("canonical", der(&[1], &[2], &[], &[]), true, true),
            ("bytes behind", der(&[1], &[2], &[], &[0]), true, false),
            ("bytes behind S", der(&[1], &[2], &[5, 0], &[]), true, false),
            ("zero R", der(&[0], &[2], &[], &[]), false, false),
            ("zero S", der(&[1], &[0], &[], &[]), false, false),
            ("negative R", der(&[0x80], &[2], &[], &[]), false, false),
            ("padded R", der(&[0, 1], &[2], &[], &[]), false, false),
            ("long length", vec![0x30, 0x81, 6, 2, 1, 1, 2, 1, 2], false, false),
            ("indefinite length", vec![0x30, 0x80, 2, 1, 1, 2, 1, 2, 0, 0], false, false),
            ("empty", vec![], false, false),
        ] {
            assert_eq!(Ecdsa::from_der(&bytes).is_ok(), lax, "{name}, validator");
            assert_eq!(Ecdsa::from_strict_der(&bytes).is_ok(), strict, "{name}, ingress");
        }
    }

    #[test]
    fn s_is_low_up_to_half_the_order_and_a_high_one_is_mirrored() {
        for curve in [Curve::P224, Curve::P256, Curve::P384, Curve::P521] {
            let order = curve.order();
            let half = negated_half(order);
            let low = Ecdsa { r: vec![1], s: half.clone() };
            assert!(low.is_low_s(curve), "{curve:?}: half the order");
            let mut above = half.clone();
            *above.last_mut().unwrap() += 1;
            let high = Ecdsa { r: vec![1], s: above };
            assert!(!high.is_low_s(curve), "{curve:?}: one more");
            assert_eq!(high.into_low_s(curve), low, "{curve:?}");
            let mut larger = vec![1];
            larger.extend_from_slice(order);
            assert!(!Ecdsa { r: vec![1], s: larger }.is_low_s(curve), "{curve:?}: above the order");
        }
    }

    /// The order halved and rounded down, without leading zeros.
    fn negated_half(order: &[u8]) -> Vec<u8> {
        let mut carry = 0u8;
        let half: Vec<u8> = order
            .iter()
            .map(|b| {
                let digit = carry << 7 | b >> 1;
                carry = b & 1;
                digit
            })
            .collect();
        half.into_iter().skip_while(|b| *b == 0).collect()
    }
}
