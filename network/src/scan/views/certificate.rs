//! Certificates: their DER bytes, and the names in them, whose parts lie apart in DER.

use std::collections::HashSet;

use memchr::memmem;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::{GAP, radix};

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// A sequence with a length of two bytes, which every certificate begins with.
const SEQUENCE: [u8; 2] = [0x30, 0x82];
/// Longer than any certificate that a connection or a block would carry.
const PEM_BYTES_MAX: usize = 32 << 10;

/// Writes every certificate that `seen` does not hold yet and answers how many; PEM of another kind is decoded too.
pub(in crate::scan) fn decode(
    bytes: &[u8],
    out: &mut Vec<u8>,
    seen: &mut HashSet<[u8; 32]>,
) -> usize {
    let mut found = 0;
    for at in memmem::find_iter(bytes, PEM_BEGIN) {
        let Some(der) = pem_body(&bytes[at..]) else { continue };
        if seen.insert(Sha256::digest(&der).into()) {
            out.extend(&der);
            out.extend(GAP);
            found += usize::from(add_names(&der, out));
        }
    }
    for at in memmem::find_iter(bytes, &SEQUENCE) {
        let Some(der) = sequence(&bytes[at..]) else { continue };
        if seen.insert(Sha256::digest(der).into()) {
            found += usize::from(add_names(der, out));
        }
    }
    found
}

/// The sequence at the start, if it begins with another one, as a certificate does.
fn sequence(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let whole = bytes.get(..SEQUENCE.len() + 2 + length)?;
    matches!(whole.get(4..6), Some([0x30, 0x81 | 0x82])).then_some(whole)
}

fn pem_body(text: &[u8]) -> Option<Vec<u8>> {
    let text = &text[..text.len().min(PEM_BYTES_MAX)];
    let label_end = PEM_BEGIN.len() + memmem::find(&text[PEM_BEGIN.len()..], DASHES)?;
    let body = &text[label_end + DASHES.len()..];
    let body = &body[..memmem::find(body, PEM_END)?];
    let digits: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Some(radix::base64_at_start(&digits))
}

/// Writes the subject's and issuer's parts as one text each, in both orders, and the alternative names.
fn add_names(der: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    for name in [certificate.subject(), certificate.issuer()] {
        let mut parts = parts(name);
        out.extend(parts.join(" ").as_bytes());
        out.extend(GAP);
        parts.reverse();
        out.extend(parts.join(" ").as_bytes());
        out.extend(GAP);
    }
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in &alternative.value.general_names {
            out.extend(name.to_string().as_bytes());
            out.extend(GAP);
        }
    }
    true
}

fn parts(name: &X509Name<'_>) -> Vec<String> {
    name.iter_attributes()
        .map(|part| match part.as_str() {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(part.as_slice()).into_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use carecord_ca::{Organisation, Person, Validity};

    use super::super::contains;
    use super::*;

    fn certificate(common_name: &str) -> String {
        let validity = Validity::days_from(1_700_000_000, 1);
        let organisation = Organisation::create("a.example", None, validity).unwrap();
        let person = Person {
            name: "someone".to_owned(),
            role: None,
            admin: false,
            key: Default::default(),
        };
        organisation.person(&person, common_name, validity).unwrap().certificate_pem
    }

    #[test]
    fn names_are_read_out_of_pem_and_der() {
        let pem = certificate("Alberto Atencio");
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let text = format!("before {pem} after");
        assert_eq!(decode(text.as_bytes(), &mut out, &mut seen), 1);
        assert!(contains(&out, b"Alberto Atencio"));
        let der = pem::parse(&pem).unwrap().into_contents();
        let block = [b"some envelope".as_slice(), &der, b"the rest"].concat();
        let mut out = Vec::new();
        assert_eq!(decode(&block, &mut out, &mut seen), 0, "it was seen as PEM");
        assert_eq!(decode(&block, &mut out, &mut HashSet::new()), 1);
        assert!(contains(&out, b"Alberto Atencio"));
    }

    #[test]
    fn what_only_begins_like_a_certificate_is_none() {
        for bytes in [&b"-----BEGIN "[..], b"-----BEGIN X-----", b"\x30\x82\x01\x00\x30\x82\x01"] {
            assert_eq!(decode(bytes, &mut Vec::new(), &mut HashSet::new()), 0);
        }
    }
}
