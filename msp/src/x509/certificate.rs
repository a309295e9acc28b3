//! One certificate: the fields that decide something.

use super::der::{Reader, tag};
use super::extensions::Extensions;
use super::key::{PublicKey, SignatureAlgorithm, check_signature};
use super::name::Name;
use super::{Error, time};

const MAX_VERSION: u64 = 2; // encoded from zero

/// A certificate as read; equal bytes are the same certificate.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) raw: Vec<u8>,
    pub(crate) raw_tbs: Vec<u8>,
    pub(crate) raw_issuer: Vec<u8>,
    pub(crate) raw_subject: Vec<u8>,
    /// The key with its algorithm, as encoded: two certificates may share it.
    pub(crate) raw_key: Vec<u8>,
    /// The content of the outer algorithm identifier.
    pub(crate) raw_algorithm: Vec<u8>,
    /// One, two or three.
    pub(crate) version: u64,
    /// The serial number, big-endian and never negative.
    pub(crate) serial: Vec<u8>,
    pub(crate) subject: Name,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) key: PublicKey,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) extensions: Extensions,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Certificate {
    /// Reads a certificate and nothing behind it.
    pub(crate) fn read(der: &[u8]) -> Result<Certificate, Error> {
        let malformed = |what: &str| Error::Malformed(format!("malformed {what}"));
        let mut input = Reader::new(der);
        let outer = input.element(tag::SEQUENCE).ok_or_else(|| malformed("certificate"))?;
        if !input.is_empty() {
            return Err(Error::Malformed("trailing data".into()));
        }
        let mut fields = Reader::new(outer.content);
        let tbs = fields.element(tag::SEQUENCE).ok_or_else(|| malformed("tbs certificate"))?;
        let algorithm =
            fields.content(tag::SEQUENCE).ok_or_else(|| malformed("algorithm identifier"))?;
        let mut certificate = read_tbs(tbs.content, algorithm)?;
        let signature = fields.bit_string().ok_or_else(|| malformed("signature"))?;
        certificate.raw = outer.whole.to_vec();
        certificate.raw_tbs = tbs.whole.to_vec();
        certificate.signature = signature.right_aligned();
        Ok(certificate)
    }

    /// Whether basic constraints are there and say CA.
    pub(crate) fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|b| b.is_ca)
    }

    /// Whether `parent` may sign certificates and signed this one.
    pub(crate) fn check_signature_from(&self, parent: &Certificate) -> Result<(), Error> {
        let constraints = parent.extensions.basic_constraints;
        let not_a_ca = match constraints {
            None => parent.version == 3,
            Some(constraints) => !constraints.is_ca,
        };
        if not_a_ca || parent.extensions.key_usage_cert_sign == Some(false) {
            return Err(Error::ParentCannotSign);
        }
        check_signature(self.algorithm, &self.raw_tbs, &self.signature, &parent.key, false)
    }

    /// The serial number in hexadecimal without leading zeros.
    pub(crate) fn serial_hex(&self) -> String {
        let digits = hex::encode(&self.serial);
        match digits.trim_start_matches('0') {
            "" => "0".into(),
            digits => digits.into(),
        }
    }

    /// The serial number in decimal.
    pub(crate) fn serial_decimal(&self) -> String {
        let mut digits = vec![0u8]; // the lowest first
        for byte in &self.serial {
            let mut carry = u32::from(*byte);
            for digit in &mut digits {
                let value = u32::from(*digit) * 256 + carry;
                *digit = (value % 10) as u8;
                carry = value / 10;
            }
            while carry > 0 {
                digits.push((carry % 10) as u8);
                carry /= 10;
            }
        }
        digits.iter().rev().map(|d| char::from(b'0' + d)).collect()
    }

    /// The subject key identifier; `None` if the extension is missing.
    pub(crate) fn subject_key_id(&self) -> Option<&[u8]> {
        const SUBJECT_KEY_ID: u8 = 14;
        self.extensions.standard(SUBJECT_KEY_ID)?;
        Some(&self.extensions.subject_key_id)
    }
}

fn read_tbs(content: &[u8], outer_algorithm: &[u8]) -> Result<Certificate, Error> {
    let malformed = |what: &str| Error::Malformed(format!("malformed {what}"));
    let mut tbs = Reader::new(content);
    let version = read_version(&mut tbs)?;
    let serial = tbs.integer().ok_or_else(|| malformed("serial number"))?;
    if serial[0] & 0x80 != 0 {
        return Err(Error::Malformed("negative serial number".into()));
    }
    let algorithm =
        tbs.content(tag::SEQUENCE).ok_or_else(|| malformed("signature algorithm identifier"))?;
    if algorithm != outer_algorithm {
        let why = "inner and outer signature algorithm identifiers don't match";
        return Err(Error::Malformed(why.into()));
    }
    let issuer = tbs.element(tag::SEQUENCE).ok_or_else(|| malformed("issuer"))?.whole;
    Name::read(issuer)?;
    let mut validity = tbs.sequence().ok_or_else(|| malformed("validity"))?;
    let not_before = time::read(&mut validity).ok_or_else(|| malformed("validity"))?;
    let not_after = time::read(&mut validity).ok_or_else(|| malformed("validity"))?;
    let subject = tbs.element(tag::SEQUENCE).ok_or_else(|| malformed("subject"))?.whole;
    let key = tbs.element(tag::SEQUENCE).ok_or_else(|| malformed("spki"))?;
    let mut key_fields = Reader::new(key.content);
    let mut key_algorithm =
        key_fields.sequence().ok_or_else(|| malformed("public key algorithm identifier"))?;
    let key_bits = key_fields.bit_string().ok_or_else(|| malformed("subjectPublicKey"))?;
    Ok(Certificate {
        raw: Vec::new(),
        raw_tbs: Vec::new(),
        raw_issuer: issuer.to_vec(),
        raw_subject: subject.to_vec(),
        raw_key: key.whole.to_vec(),
        raw_algorithm: outer_algorithm.to_vec(),
        version,
        serial: serial.to_vec(),
        subject: Name::read(subject)?,
        not_before,
        not_after,
        key: PublicKey::read(&mut key_algorithm, key_bits)?,
        algorithm: SignatureAlgorithm::read(algorithm)?,
        signature: Vec::new(),
        extensions: read_extensions(&mut tbs, version)?,
    })
}

fn read_version(tbs: &mut Reader<'_>) -> Result<u64, Error> {
    let malformed = || Error::Malformed("malformed version".into());
    let Some(field) = tbs.optional(tag::explicit(0)).ok_or_else(malformed)? else { return Ok(1) };
    match Reader::new(field.content).integer().ok_or_else(malformed)? {
        [version] if *version & 0x80 != 0 => Err(malformed()),
        [version] if u64::from(*version) <= MAX_VERSION => Ok(u64::from(*version) + 1),
        _ => Err(Error::Malformed("invalid version".into())),
    }
}

fn read_extensions(tbs: &mut Reader<'_>, version: u64) -> Result<Extensions, Error> {
    let malformed = |what: &str| Error::Malformed(format!("malformed {what}"));
    if version == 1 {
        return Ok(Extensions::default());
    }
    tbs.optional(tag::context(1)).ok_or_else(|| malformed("issuerUniqueID"))?;
    tbs.optional(tag::context(2)).ok_or_else(|| malformed("subjectUniqueID"))?;
    if version == 2 {
        return Ok(Extensions::default());
    }
    match tbs.optional(tag::explicit(3)).ok_or_else(|| malformed("extensions"))? {
        Some(field) => Extensions::read(&mut Reader::new(field.content)),
        None => Ok(Extensions::default()),
    }
}
