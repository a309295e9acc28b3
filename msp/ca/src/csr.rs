//! A certificate request: the key and the names in it, once its own signature has proved that the sender has the key.

use std::net::IpAddr;

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension};

use crate::refusal::{Code, Refusal};

/// Longest request text that is looked at.
const CSR_BYTES_MAX: usize = 16 << 10;
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
/// Object identifiers of the kinds of keys that identities may have: P-256, P-384, Ed25519.
const CURVES: [&str; 2] = ["1.2.840.10045.3.1.7", "1.3.132.0.34"];
const EC_KEY: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";
/// RFC 5280's upper bounds, as Fabric-CA checks them.
const FIELDS_MAX: [(&str, &str, usize); 7] = [
    ("2.5.4.3", "CN", 64),
    ("2.5.4.5", "serial number", 64),
    ("2.5.4.6", "country name", 2),
    ("2.5.4.7", "locality name", 128),
    ("2.5.4.8", "state name", 128),
    ("2.5.4.10", "organization name", 64),
    ("2.5.4.11", "organizational unit name", 64),
];

/// What the service takes from a certificate request; everything else it says is decided by the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// Common name of its subject.
    pub common_name: String,
    /// The key, as SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Host names and addresses that it asks for.
    pub hosts: Vec<String>,
    /// Whether it asks for a CA's certificate.
    pub is_ca: bool,
}

// === impl Csr ===

impl Csr {
    /// Reads a PEM request and checks its signature.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        if text.len() > CSR_BYTES_MAX {
            return Err(bad("CSR Decode failed: it is too large"));
        }
        let block = pem::parse(text).map_err(|_| bad("CSR Decode failed"))?;
        if !LABELS.contains(&block.tag()) {
            return Err(bad("not a certificate or csr"));
        }
        let (rest, request) = X509CertificationRequest::from_der(block.contents())
            .map_err(|_| bad("CSR Decode failed: it is not a PKCS#10 request"))?;
        if !rest.is_empty() {
            return Err(bad("CSR Decode failed: trailing data"));
        }
        check_key(&request)?;
        request.verify_signature().map_err(|_| bad("the CSR's signature does not verify"))?;
        check_lengths(&request)?;
        let info = &request.certification_request_info;
        let names: Vec<_> = info.subject.iter_common_name().collect();
        let [common_name] = names[..] else { return Err(bad("the CSR must have one common name")) };
        let common_name =
            common_name.as_str().map_err(|_| bad("the CSR's common name is no text"))?;
        let mut csr = Self {
            common_name: common_name.to_owned(),
            public_key: info.subject_pki.raw.to_vec(),
            hosts: Vec::new(),
            is_ca: false,
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            csr.take(extension)?;
        }
        Ok(csr)
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) -> Result<(), Refusal> {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => self.is_ca |= constraints.ca,
            ParsedExtension::SubjectAlternativeName(names) => {
                self.hosts.extend(names.general_names.iter().filter_map(host));
            }
            ParsedExtension::ParseError { .. } => {
                return Err(bad("an extension in the CSR cannot be read, or has trailing data"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn bad(why: &str) -> Refusal {
    Refusal::new(400, Code::BadRequest, why)
}

fn check_key(request: &X509CertificationRequest<'_>) -> Result<(), Refusal> {
    let algorithm = &request.certification_request_info.subject_pki.algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let good = match algorithm.algorithm.to_id_string().as_str() {
        EC_KEY => curve.is_some_and(|oid| CURVES.contains(&oid.to_id_string().as_str())),
        ED25519 => true,
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(bad("the CSR's key must be ECDSA on P-256 or P-384, or Ed25519: an MSP takes no other"))
}

fn check_lengths(request: &X509CertificationRequest<'_>) -> Result<(), Refusal> {
    for attribute in request.certification_request_info.subject.iter_attributes() {
        let oid = attribute.attr_type().to_id_string();
        let Some((_, name, max)) = FIELDS_MAX.iter().find(|(known, ..)| *known == oid) else {
            continue;
        };
        if attribute.as_slice().len() > *max {
            let why = format!(
                "CSR input validation failed: The {name} exceeds the maximum character limit of {max}"
            );
            return Err(Refusal::new(400, Code::InvalidRequest, why));
        }
    }
    Ok(())
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            address
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok()
                .map(|a| a.to_string())
        }
        _ => None,
    }
}
