//! What a CA signs: certificates for keys that others made, and revocation lists.
//!
//! Place in the flow: the service has decided what a certificate says ([`Content`]); here it becomes X.509. Subjects
//! are laid out as Fabric-CA lays them out, all organizational units in one relative distinguished name.

mod extensions;
mod revocation_list;

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::{KeyPair, SigningKey};
use sha2::{Digest, Sha256};
use x509_cert::attr::{AttributeTypeAndValue, AttributeValue};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, SetOfVec, UtcTime};
use x509_cert::der::{Decode, DecodePem, Encode, EncodePem, pem::LineEnding};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity as X509Validity};
use zeroize::Zeroizing;

use crate::low_s::LowSKey;
use crate::pseudonym::random;
use crate::{Error, Validity};

pub use revocation_list::Edition;

/// ECDSA with SHA-256.
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// Country, state, locality, organisation: what a subject shares with its CA.
const PLACE: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.4.6"),
    ObjectIdentifier::new_unwrap("2.5.4.8"),
    ObjectIdentifier::new_unwrap("2.5.4.7"),
    ObjectIdentifier::new_unwrap("2.5.4.10"),
];
/// Random bytes of a serial number: RFC 5280 allows 20 and wants it positive.
const SERIAL_BYTES: usize = 16;
/// RFC 5280: years from 2050 on are written with four digits.
const FIRST_GENERAL_TIME: i64 = 2_524_608_000;
/// RFC 7093, method 1: the first 160 bits of the SHA-256 of the key.
const KEY_ID_BYTES: usize = 20;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing proposals, transactions, blocks.
    Signing,
    /// TLS: a server's end as well, or a client's only.
    Tls {
        /// Whether it may stand for a server.
        server: bool,
    },
    /// Issuing certificates, but none of further CAs.
    Authority,
}

/// What a certificate is to say.
#[derive(Debug, Clone)]
pub struct Content {
    /// Common name.
    pub common_name: String,
    /// Organizational units.
    pub units: Vec<String>,
    /// Leaves the CA's place and organisation out of the subject.
    pub anonymous: bool,
    /// The subject's key, as SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Host names and addresses.
    pub hosts: Vec<String>,
    /// Attributes for Fabric-CA's extension; none if absent.
    pub attributes: Option<BTreeMap<String, String>>,
    /// What it is for.
    pub purpose: Purpose,
    /// When it holds; cut to the CA's own validity.
    pub validity: Validity,
}

/// A certificate that was signed and not yet recorded.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Its number, hexadecimal without leading zeros.
    pub serial: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// The same, PEM.
    pub pem: String,
    /// When it holds.
    pub validity: Validity,
}

/// A CA's certificate and key, ready to sign.
pub struct Issuing {
    certificate_pem: String,
    chain_pem: String,
    name: Name,
    place: Vec<RelativeDistinguishedName>,
    key_id: Vec<u8>,
    key: LowSKey,
    validity: Validity,
}

// === impl Issuing ===

impl Issuing {
    /// Takes a CA's certificate, the certificates above it up to the root, and its key.
    pub fn new(certificate_pem: &str, above_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Authority { name: "CA".to_owned(), reason };
        let certificate = Certificate::from_pem(certificate_pem)
            .map_err(|error| unusable(format!("its certificate cannot be read: {error}")))?;
        let key = KeyPair::from_pem(key_pem)
            .map_err(|error| unusable(format!("its key cannot be read: {error}")))?;
        if key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(unusable("its key must be ECDSA on P-256".to_owned()));
        }
        let tbs = &certificate.tbs_certificate;
        if tbs.subject_public_key_info.subject_public_key.raw_bytes() != key.public_key_raw() {
            return Err(unusable("the key does not belong to the certificate".to_owned()));
        }
        let key_id = extensions::authority(tbs).map_err(|reason| unusable(reason.to_owned()))?;
        let is_place =
            |rdn: &&RelativeDistinguishedName| rdn.0.iter().all(|part| PLACE.contains(&part.oid));
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            chain_pem: joined(certificate_pem, above_pem),
            name: tbs.subject.clone(),
            place: tbs.subject.0.iter().filter(is_place).cloned().collect(),
            key_id,
            key: LowSKey(key),
            validity: Validity {
                not_before: seconds(tbs.validity.not_before),
                not_after: seconds(tbs.validity.not_after),
            },
        })
    }

    /// A new self-signed CA: its certificate and key, PEM.
    pub fn create(
        common_name: &str,
        subject: &crate::Subject,
        validity: Validity,
    ) -> Result<(String, Zeroizing<String>), Error> {
        let authority = crate::Authority::create(common_name, subject, validity)?;
        let key = Zeroizing::new(authority.key_pem().to_owned());
        Ok((authority.certificate_pem().to_owned(), key))
    }

    /// The CA's certificate.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's certificate and those above it, up to the root.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// Identifier of the CA's key as records name it: hexadecimal, without leading zeros as in Fabric-CA.
    pub fn key_id(&self) -> String {
        hex::encode(&self.key_id).trim_start_matches('0').to_owned()
    }

    /// When the CA's own certificate holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Signs a certificate; it must be recorded before it is given to anybody.
    pub fn sign(&self, content: &Content) -> Result<Signed, Error> {
        let failed = |error: x509_cert::der::Error| Error::Authority {
            name: "certificate".to_owned(),
            reason: error.to_string(),
        };
        let mut serial = random::<SERIAL_BYTES>()?;
        serial[0] = serial[0] & 0x7f | 0x40;
        let validity = content.validity.within(self.validity);
        let public_key =
            SubjectPublicKeyInfoOwned::from_der(&content.public_key).map_err(failed)?;
        let subject_key = key_id(&public_key);
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::new(&serial).map_err(failed)?,
            signature: algorithm(),
            issuer: self.name.clone(),
            validity: X509Validity {
                not_before: time(validity.not_before)?,
                not_after: time(validity.not_after)?,
            },
            subject: self.subject(content).map_err(failed)?,
            subject_public_key_info: public_key,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions::of(content, &subject_key, &self.key_id).map_err(failed)?),
        };
        let signature = self.signature(&tbs.to_der().map_err(failed)?)?;
        let certificate =
            Certificate { tbs_certificate: tbs, signature_algorithm: algorithm(), signature };
        let der = certificate.to_der().map_err(failed)?;
        let pem = certificate.to_pem(LineEnding::LF).map_err(failed)?;
        Ok(Signed { serial: hex::encode(serial), der, pem, validity })
    }

    fn signature(&self, bytes: &[u8]) -> Result<BitString, Error> {
        let failed = |reason: String| Error::Authority { name: "CA".to_owned(), reason };
        let signature = self.key.sign(bytes).map_err(|error| failed(error.to_string()))?;
        BitString::from_bytes(&signature).map_err(|error| failed(error.to_string()))
    }

    fn subject(&self, content: &Content) -> Result<Name, x509_cert::der::Error> {
        let mut parts = if content.anonymous { Vec::new() } else { self.place.clone() };
        if !content.units.is_empty() {
            let units: Result<Vec<_>, _> =
                content.units.iter().map(|unit| attribute(UNIT, unit)).collect();
            parts.push(RelativeDistinguishedName(SetOfVec::from_iter(units?)?));
        }
        let name = attribute(COMMON_NAME, &content.common_name)?;
        parts.push(RelativeDistinguishedName(SetOfVec::from_iter([name])?));
        Ok(RdnSequence(parts))
    }
}

impl std::fmt::Debug for Issuing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuing({})", self.name)
    }
}

fn algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ECDSA_SHA256, parameters: None }
}

fn attribute(
    oid: ObjectIdentifier,
    value: &str,
) -> Result<AttributeTypeAndValue, x509_cert::der::Error> {
    let text = x509_cert::der::asn1::Utf8StringRef::new(value)?;
    Ok(AttributeTypeAndValue { oid, value: AttributeValue::encode_from(&text)? })
}

fn key_id(public_key: &SubjectPublicKeyInfoOwned) -> Vec<u8> {
    Sha256::digest(public_key.subject_public_key.raw_bytes())[..KEY_ID_BYTES].to_vec()
}

fn time(unix_s: i64) -> Result<Time, Error> {
    let wrong = || Error::Time { unix_s };
    let since = Duration::from_secs(u64::try_from(unix_s).map_err(|_| wrong())?);
    if unix_s < FIRST_GENERAL_TIME {
        return UtcTime::from_unix_duration(since).map(Time::UtcTime).map_err(|_| wrong());
    }
    GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime).map_err(|_| wrong())
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

fn joined(first: &str, rest: &str) -> String {
    let mut text = first.trim_end().to_owned();
    text.push('\n');
    text.push_str(rest);
    text
}
