//! The extensions of what a CA signs.

use std::net::IpAddr;

use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Encode, Error};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};

use super::{Content, Purpose};
use crate::attributes::{ATTRIBUTE_EXTENSION, content_of};

const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// All extensions of a certificate.
pub(super) fn of(
    content: &Content,
    subject_key: &[u8],
    authority_key: &[u8],
) -> Result<Extensions, Error> {
    let is_ca = content.purpose == Purpose::Authority;
    let usage: FlagSet<KeyUsages> = match is_ca {
        true => KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        false => KeyUsages::DigitalSignature.into(),
    };
    let mut all = vec![
        extension(&KeyUsage(usage), true)?,
        // A CA made here makes no further CAs.
        extension(&BasicConstraints { ca: is_ca, path_len_constraint: is_ca.then_some(0) }, true)?,
        extension(&SubjectKeyIdentifier(OctetString::new(subject_key)?), false)?,
        authority_key_id(authority_key)?,
    ];
    if let Purpose::Tls { server } = content.purpose {
        let ends = if server { vec![SERVER, CLIENT] } else { vec![CLIENT] };
        all.push(extension(&ExtendedKeyUsage(ends), false)?);
    }
    if !content.hosts.is_empty() {
        let names: Result<Vec<_>, _> =
            content.hosts.iter().map(|host| general_name(host)).collect();
        all.push(extension(&SubjectAltName(names?), false)?);
    }
    if let Some(attributes) = &content.attributes {
        all.push(Extension {
            extn_id: ObjectIdentifier::from_arcs(ATTRIBUTE_EXTENSION.map(|arc| arc as u32))?,
            critical: false,
            extn_value: OctetString::new(content_of(attributes))?,
        });
    }
    Ok(all)
}

/// The extension that names the issuer's key.
pub(super) fn authority_key_id(key_id: &[u8]) -> Result<Extension, Error> {
    let id = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key_id)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    extension(&id, false)
}

pub(super) fn extension(
    value: &(impl Encode + AssociatedOid),
    critical: bool,
) -> Result<Extension, Error> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension { extn_id: oid_of(value), critical, extn_value })
}

fn oid_of<T: AssociatedOid>(_: &T) -> ObjectIdentifier {
    T::OID
}

/// The key identifier of a certificate that may sign certificates and revocation lists.
pub(super) fn authority(tbs: &TbsCertificate) -> Result<Vec<u8>, &'static str> {
    let constraints = tbs.get::<BasicConstraints>().map_err(|_| "its extensions cannot be read")?;
    if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
        return Err("its certificate is not a CA's");
    }
    let usage = tbs.get::<KeyUsage>().map_err(|_| "its key usage cannot be read")?;
    if !usage.is_some_and(|(_, usage)| usage.key_cert_sign() && usage.crl_sign()) {
        return Err("its certificate may not sign certificates and revocation lists");
    }
    let id = tbs.get::<SubjectKeyIdentifier>().map_err(|_| "its key identifier cannot be read")?;
    let (_, id) = id.ok_or("its certificate has no subject key identifier")?;
    Ok(id.0.as_bytes().to_vec())
}

fn general_name(host: &str) -> Result<GeneralName, Error> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(GeneralName::IpAddress(OctetString::new(address.octets())?)),
        Ok(IpAddr::V6(address)) => Ok(GeneralName::IpAddress(OctetString::new(address.octets())?)),
        Err(_) => Ok(GeneralName::DnsName(Ia5String::new(host)?)),
    }
}
