//! The extensions of a certificate that decide something, and which others may be critical.

use std::collections::BTreeSet;

use super::Error;
use super::constraints::NameConstraints;
use super::der::{Reader, tag};

const CERTIFICATE_EXTENSION: [u8; 2] = [0x55, 0x1d];
const AUTHORITY_INFO_ACCESS: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
const ANY_EXTENDED_KEY_USAGE: [u8; 4] = [0x55, 0x1d, 0x25, 0x00];
const CLIENT_AUTH: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const SERVER_AUTH: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// `keyCertSign`, as a bit position of the key usage.
const KEY_CERT_SIGN_BIT: usize = 5;
/// Bits of the key usage that have a name.
const KEY_USAGE_BITS: usize = 9;

/// One extension as it stands in the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u8>,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

/// What basic constraints say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) is_ca: bool,
    pub(crate) max_path_len: Option<u64>,
}

/// The purposes that a certificate is good for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtendedKeyUsage {
    /// At least one purpose is named.
    pub(crate) restricted: bool,
    /// Any purpose, or serving TLS, which is what Go asks for unless told otherwise.
    pub(crate) server_auth_or_any: bool,
    /// Any purpose, or calling with TLS.
    pub(crate) client_auth_or_any: bool,
}

/// One name of the subject alternative names: its context tag and its bytes.
pub(crate) type AlternativeName = (u8, Vec<u8>);

/// All extensions, and what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) all: Vec<Extension>,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    /// `Some` if any named bit is set: whether `keyCertSign` is among them.
    pub(crate) key_usage_cert_sign: Option<bool>,
    pub(crate) extended_key_usage: ExtendedKeyUsage,
    pub(crate) subject_key_id: Vec<u8>,
    pub(crate) authority_key_id: Vec<u8>,
    pub(crate) alternative_names: Vec<AlternativeName>,
    pub(crate) name_constraints: Option<NameConstraints>,
    /// There is a critical extension that nobody here understands.
    pub(crate) unhandled_critical: bool,
}

impl Extensions {
    /// Reads the SEQUENCE of extensions.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Extensions, Error> {
        let malformed = |what: &str| Error::Malformed(what.into());
        let mut list = reader.sequence().ok_or_else(|| malformed("malformed extensions"))?;
        let mut out = Extensions::default();
        let mut seen = BTreeSet::new();
        while !list.is_empty() {
            let mut one = list.sequence().ok_or_else(|| malformed("malformed extension"))?;
            let extension = read_one(&mut one)?;
            if !seen.insert(extension.oid.clone()) {
                return Err(malformed("certificate contains duplicate extension"));
            }
            out.all.push(extension);
        }
        for extension in out.all.clone() {
            let understood = out.interpret(&extension)?;
            out.unhandled_critical |= extension.critical && !understood;
        }
        Ok(out)
    }

    /// The extension of this encoded object identifier.
    pub(crate) fn find(&self, oid: &[u8]) -> Option<&Extension> {
        self.all.iter().find(|e| e.oid == oid)
    }

    /// The extension `2.5.29.<number>`.
    pub(crate) fn standard(&self, number: u8) -> Option<&Extension> {
        self.find(&[CERTIFICATE_EXTENSION[0], CERTIFICATE_EXTENSION[1], number])
    }

    /// Takes what an extension says; `false` if it is not understood.
    fn interpret(&mut self, extension: &Extension) -> Result<bool, Error> {
        let malformed = |what: &str| Error::Malformed(what.into());
        let mut value = Reader::new(&extension.value);
        if extension.oid == AUTHORITY_INFO_ACCESS {
            if extension.critical {
                return Err(malformed("authority info access incorrectly marked critical"));
            }
            return Ok(true);
        }
        let [0x55, 0x1d, number] = extension.oid[..] else { return Ok(false) };
        match number {
            14 => {
                if extension.critical {
                    return Err(malformed("subject key identifier incorrectly marked critical"));
                }
                let id = value.content(tag::OCTET_STRING);
                self.subject_key_id =
                    id.ok_or_else(|| malformed("invalid subject key identifier"))?.to_vec();
            }
            15 => {
                let bits = value.bit_string().ok_or_else(|| malformed("invalid key usage"))?;
                if (0..KEY_USAGE_BITS).any(|i| bits.at(i)) {
                    self.key_usage_cert_sign = Some(bits.at(KEY_CERT_SIGN_BIT));
                }
            }
            17 => {
                self.alternative_names = alternative_names(&mut value)?;
                return Ok(!self.alternative_names.is_empty());
            }
            19 => self.basic_constraints = Some(basic_constraints(&mut value)?),
            30 => {
                let (constraints, understood) = NameConstraints::read(&extension.value)?;
                self.name_constraints = Some(constraints);
                return Ok(understood);
            }
            35 => {
                if extension.critical {
                    return Err(malformed("authority key identifier incorrectly marked critical"));
                }
                self.authority_key_id = authority_key_id(&mut value)
                    .ok_or_else(|| malformed("invalid authority key identifier"))?;
            }
            37 => {
                self.extended_key_usage = extended_key_usage(&mut value)
                    .ok_or_else(|| malformed("invalid extended key usages"))?;
            }
            31 | 32 => {
                value.sequence().ok_or_else(|| malformed("invalid extension value"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn read_one(reader: &mut Reader<'_>) -> Result<Extension, Error> {
    let malformed = |what: &str| Error::Malformed(format!("malformed extension {what} field"));
    let oid = reader.oid().ok_or_else(|| malformed("OID"))?.to_vec();
    let critical =
        reader.next_is(tag::BOOLEAN) && reader.boolean().ok_or_else(|| malformed("critical"))?;
    let value = reader.content(tag::OCTET_STRING).ok_or_else(|| malformed("value"))?.to_vec();
    Ok(Extension { oid, critical, value })
}

fn basic_constraints(value: &mut Reader<'_>) -> Result<BasicConstraints, Error> {
    let malformed = || Error::Malformed("invalid basic constraints".into());
    let mut fields = value.sequence().ok_or_else(malformed)?;
    let is_ca = fields.next_is(tag::BOOLEAN) && fields.boolean().ok_or_else(malformed)?;
    let mut max_path_len = None;
    if fields.next_is(tag::INTEGER) {
        let digits = fields.integer().ok_or_else(malformed)?;
        if digits.len() > 8 || digits[0] & 0x80 != 0 {
            return Err(malformed());
        }
        max_path_len = Some(digits.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)));
    }
    Ok(BasicConstraints { is_ca, max_path_len })
}

/// The key identifier of an authority key identifier, empty if it names the issuer in another way.
pub(crate) fn authority_key_id(value: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut fields = value.sequence()?;
    let id = fields.optional(tag::context(0))?;
    Some(id.map_or_else(Vec::new, |e| e.content.to_vec()))
}

fn extended_key_usage(value: &mut Reader<'_>) -> Option<ExtendedKeyUsage> {
    let mut purposes = value.sequence()?;
    let mut usage = ExtendedKeyUsage::default();
    while !purposes.is_empty() {
        let purpose = purposes.oid()?;
        usage.restricted = true;
        let any = purpose == ANY_EXTENDED_KEY_USAGE;
        usage.server_auth_or_any |= any || purpose == SERVER_AUTH;
        usage.client_auth_or_any |= any || purpose == CLIENT_AUTH;
    }
    Some(usage)
}

/// The e-mail, DNS, URI and IP names; others are skipped, as Go skips them.
fn alternative_names(value: &mut Reader<'_>) -> Result<Vec<AlternativeName>, Error> {
    let malformed = |what: String| Error::Malformed(what);
    let invalid = || Error::Malformed("invalid subject alternative names".into());
    let mut list = value.sequence().ok_or_else(invalid)?;
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.any().ok_or_else(invalid)?;
        match name.tag {
            0x81 | 0x82 | 0x86 if !name.content.is_ascii() => {
                return Err(malformed("SAN name is malformed".into()));
            }
            0x87 if !matches!(name.content.len(), 4 | 16) => {
                let length = name.content.len();
                return Err(malformed(format!("cannot parse IP address of length {length}")));
            }
            0x81 | 0x82 | 0x86 | 0x87 => names.push((name.tag, name.content.to_vec())),
            _ => {}
        }
    }
    Ok(names)
}
