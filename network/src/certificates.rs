//! Certificates as an operator looks at them: whose they are, who issued them, how long they last.
//!
//! Place in the flow: a node tells by this how long its certificates last, `carecord cert` shows and checks them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// Larger files are no certificates.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Files that one walk looks at.
const MAX_FILES: usize = 100_000;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// The last common name of the subject.
    pub common_name: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// First second of its life, since 1970.
    pub not_before_unix_s: i64,
    /// Last second of its life, since 1970.
    pub not_after_unix_s: i64,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Organisational units of the subject: the role of a node.
    pub units: Vec<String>,
    /// Names and addresses for TLS.
    pub hosts: Vec<String>,
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub fingerprint: String,
}

// === impl Certificate ===

impl Certificate {
    /// Reads a certificate from DER.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            value.as_str().map(str::to_owned).unwrap_or_default()
        };
        let subject = parsed.subject();
        Some(Self {
            subject: subject.to_string(),
            common_name: subject.iter_common_name().last().map(text).unwrap_or_default(),
            issuer: parsed.issuer().to_string(),
            serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before_unix_s: parsed.validity().not_before.timestamp(),
            not_after_unix_s: parsed.validity().not_after.timestamp(),
            is_ca: parsed.is_ca(),
            units: subject.iter_organizational_unit().map(text).collect(),
            hosts: hosts(&parsed),
            fingerprint: hex::encode(Sha256::digest(der)),
        })
    }

    /// Every certificate of a PEM text, in its order.
    pub fn of_pem(text: &[u8]) -> Vec<Self> {
        let blocks = pem::parse_many(text).unwrap_or_default();
        let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
        certificates.filter_map(|block| Self::of_der(block.contents())).collect()
    }

    /// Seconds that it lasts from `now` on; negative once it has expired.
    pub fn lasts_s(&self, now_unix_s: i64) -> i64 {
        self.not_after_unix_s.saturating_sub(now_unix_s)
    }
}

fn hosts(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return Vec::new() };
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    names.value.general_names.iter().filter_map(host).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

/// When the next list is to follow, of a revocation list in PEM or DER that says so.
pub fn next_update_of_crl(text: &[u8]) -> Option<i64> {
    let block = pem::parse(text).ok();
    let der = block.as_ref().map_or(text, pem::Pem::contents);
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    Some(list.next_update()?.timestamp())
}

/// The certificates in the files of a folder and the folders in it, by path; a file may hold several.
pub fn below(folder: &Path) -> std::io::Result<Vec<(PathBuf, Certificate)>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            looked_at += 1;
            if looked_at > MAX_FILES {
                return Err(std::io::Error::other(format!("more than {MAX_FILES} files")));
            }
            if kind.is_dir() {
                waiting.push(path);
            } else if is_candidate(&path) {
                let text = std::fs::read(&path)?;
                found.extend(Certificate::of_pem(&text).into_iter().map(|one| (path.clone(), one)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// A ledger's files are many and large; certificates lie in small ones with these endings.
fn is_candidate(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("pem" | "crt" | "cert" | "cer"))
        && std::fs::metadata(path).is_ok_and(|file| file.len() <= MAX_FILE_BYTES)
}

#[cfg(test)]
mod tests {
    use carecord_ca::{NodeRole, Organisation, Validity};

    use super::*;

    #[test]
    fn a_certificate_is_shown_as_it_was_issued() {
        let validity = Validity { not_before: 1_700_000_000, not_after: 1_800_000_000 };
        let organisation = Organisation::create("a.test", None, validity).unwrap();
        let issued = organisation.node("peer0.a.test", NodeRole::Peer, validity).unwrap();
        let [shown] = &Certificate::of_pem(issued.certificate_pem.as_bytes())[..] else {
            panic!("one certificate")
        };
        assert_eq!(shown.common_name, "peer0.a.test");
        assert_eq!(shown.units, ["peer"]);
        assert_eq!(shown.lasts_s(1_799_999_990), 10);
        assert_eq!(shown.lasts_s(1_800_000_001), -1);
        assert!(!shown.is_ca);
        let hosts = ["peer0".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let issued = organisation.tls("peer0", &hosts, validity).unwrap();
        let shown = &Certificate::of_pem(issued.certificate_pem.as_bytes())[0];
        assert_eq!(shown.hosts, ["peer0", "127.0.0.1", "::1"]);
        assert!(Certificate::of_pem(b"nothing").is_empty());
    }
}
