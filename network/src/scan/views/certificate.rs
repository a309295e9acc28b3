//! Certificates: their DER bytes, and the names in them, whose parts lie apart in DER.

use memchr::memmem;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::{GAP, radix};

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// A sequence with a length of two bytes, which every certificate begins with.
const SEQUENCE: [u8; 2] = [0x30, 0x82];
/// Longer than any certificate that a connection or a block would carry.
const PEM_BYTES_MAX: usize = 32 << 10;

/// Answers how many certificates there were; PEM of another kind is decoded too, and not counted.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let mut found = 0;
    for at in memmem::find_iter(bytes, PEM_BEGIN) {
        let Some(der) = pem_body(&bytes[at..]) else { continue };
        out.extend(&der);
        out.extend(GAP);
        found += usize::from(add_names(&der, out));
    }
    for at in memmem::find_iter(bytes, &SEQUENCE) {
        let nested = bytes.get(at + 4..at + 6);
        if matches!(nested, Some([0x30, 0x81 | 0x82])) {
            found += usize::from(add_names(&bytes[at..], out));
        }
    }
    found
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

    use super::super::{View, contains, decoded};

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
        let found = decoded(View::Certificate, format!("before {pem} after").as_bytes());
        assert!(contains(&found, b"Alberto Atencio"));
        let der = pem::parse(&pem).unwrap().into_contents();
        let block = [b"some envelope".as_slice(), &der, b"the rest"].concat();
        let mut out = Vec::new();
        assert_eq!(View::Certificate.decode(&block, &mut out), 1);
        assert!(contains(&out, b"Alberto Atencio"));
    }

    #[test]
    fn what_only_begins_like_a_certificate_is_none() {
        for bytes in [&b"-----BEGIN "[..], b"-----BEGIN X-----", b"\x30\x82\x01\x00\x30\x82\x01"] {
            assert_eq!(View::Certificate.decode(bytes, &mut Vec::new()), 0);
        }
    }
}
