//! Roles, attributes, keys and extensions, seen by `carecord-msp`.

use carecord_ca::{KeyKind, NodeRole, Validity, attributes};
use carecord_msp::{Signer, keystore};
use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::common::{MspPrincipal, MspRole};
use prost::Message;
use x509_parser::prelude::*;

use crate::support::{DOMAIN, Fixture, MSP_ID, NOW, person};

fn principal(role: MspRoleType) -> MspPrincipal {
    let role = MspRole { msp_identifier: MSP_ID.to_owned(), role: role.into() };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec().into(),
    }
}

#[test]
fn every_role_is_itself_and_no_other() {
    let fixture = Fixture::new();
    let msp = fixture.msp();
    let members = [
        (MspRoleType::Peer, fixture.node("peer0", NodeRole::Peer)),
        (MspRoleType::Orderer, fixture.node("orderer0", NodeRole::Orderer)),
        (MspRoleType::Admin, fixture.person(&person("Admin", None, true, KeyKind::P256))),
        (MspRoleType::Client, fixture.person(&person("ann", None, false, KeyKind::P256))),
    ];
    for (role, member) in &members {
        let signer = keystore::load_signing_identity(&member.msp(), MSP_ID).unwrap();
        let identity = msp.identity(&signer.serialized()).unwrap();
        identity.validate().unwrap();
        for (other, _) in &members {
            let answer = identity.satisfies(&principal(*other));
            assert_eq!(answer.is_ok(), role == other, "{role:?} as {other:?}: {answer:?}");
        }
        identity.satisfies(&principal(MspRoleType::Member)).unwrap();
    }
}

#[test]
fn each_kind_of_key_signs_what_the_msp_verifies() {
    let fixture = Fixture::new();
    let msp = fixture.msp();
    for key in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let member = fixture.person(&person(key.name(), Some("practitioner"), false, key));
        let signer = keystore::load_signing_identity(&member.msp(), MSP_ID).unwrap();
        let identity = msp.identity(&signer.serialized()).unwrap();
        identity.validate().unwrap();
        let signature = signer.sign(b"chart").unwrap();
        identity.verify(b"chart", &signature).unwrap();
        assert!(identity.verify(b"chars", &signature).is_err(), "{key:?}");
    }
}

#[test]
fn a_practitioners_role_and_name_stand_in_the_attributes() {
    let fixture = Fixture::new();
    let member = fixture.person(&person("ann", Some("practitioner"), false, KeyKind::P256));
    let signer = keystore::load_signing_identity(&member.msp(), MSP_ID).unwrap();
    let found = fixture.msp().identity(&signer.serialized()).unwrap().attributes();
    assert_eq!(found[attributes::ROLE], "practitioner");
    assert_eq!(found[attributes::ENROLLMENT_ID], "ann");
    assert_eq!(found[attributes::TYPE], "client");
    assert_eq!(found[attributes::AFFILIATION], "");
}

#[test]
fn a_patients_certificates_name_nobody() {
    let fixture = Fixture::new();
    let member = fixture.person(&person("alice", Some("patient"), false, KeyKind::P256));
    for path in [member.certificate(), member.tls_certificate()] {
        let text = std::fs::read(&path).unwrap();
        let der = ::pem::parse(&text).unwrap();
        let (_, certificate) = parse_x509_certificate(der.contents()).unwrap();
        let subject = certificate.subject().to_string();
        let common_name =
            certificate.subject().iter_common_name().next().unwrap().as_str().unwrap();
        assert_eq!(common_name.len(), 32, "{subject}");
        assert!(common_name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(!subject.contains(DOMAIN), "{subject}");
        let raw = String::from_utf8_lossy(der.contents()).into_owned();
        assert!(!raw.contains("alice") && !raw.contains("hf.EnrollmentID"), "{path:?}");
    }
    let signer = keystore::load_signing_identity(&member.msp(), MSP_ID).unwrap();
    let identity = fixture.msp().identity(&signer.serialized()).unwrap();
    identity.validate().unwrap();
    let expected = [(attributes::ROLE.to_owned(), "patient".to_owned())];
    assert_eq!(identity.attributes(), expected.into());
}

#[test]
fn a_certificate_points_to_its_key_and_to_its_issuers_key() {
    let fixture = Fixture::new();
    let member = fixture.node("peer0", NodeRole::Peer);
    let identifiers = |path: &std::path::Path| {
        let der = ::pem::parse(std::fs::read(path).unwrap()).unwrap();
        let (_, certificate) = parse_x509_certificate(der.contents()).unwrap();
        let mut subject_key = None;
        let mut authority_key = None;
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        (subject_key, authority_key)
    };
    let (ca_key, _) = identifiers(&fixture.folder.ca_certificate());
    let (tls_ca_key, _) = identifiers(&fixture.folder.tls_ca_certificate());
    let (own, issuer) = identifiers(&member.certificate());
    let (tls_own, tls_issuer) = identifiers(&member.tls_certificate());
    assert!(own.is_some() && tls_own.is_some() && own != tls_own);
    assert_eq!((issuer, tls_issuer), (ca_key, tls_ca_key));
}

#[test]
fn a_tls_certificate_answers_for_its_hosts() {
    let fixture = Fixture::new();
    let member = fixture.node("peer0", NodeRole::Peer);
    let der = ::pem::parse(std::fs::read(member.tls_certificate()).unwrap()).unwrap();
    let (_, certificate) = parse_x509_certificate(der.contents()).unwrap();
    let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
    let expected = [
        GeneralName::DNSName("peer0.ward.example.com"),
        GeneralName::DNSName("localhost"),
        GeneralName::IPAddress(&[127, 0, 0, 1]),
    ];
    assert_eq!(names.as_slice(), expected);
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth);
}

#[test]
fn a_certificate_holds_no_longer_and_no_earlier_than_its_ca() {
    let fixture = Fixture::new();
    let outer = Validity::days_from(NOW, 3650);
    let asked = Validity { not_before: NOW - 86_400, not_after: NOW + 86_400 * 9_999 };
    let issued = fixture.organisation.node("x", NodeRole::Peer, asked).unwrap();
    let der = ::pem::parse(issued.certificate_pem).unwrap();
    let (_, certificate) = parse_x509_certificate(der.contents()).unwrap();
    assert_eq!(certificate.validity().not_before.timestamp(), outer.not_before);
    assert_eq!(certificate.validity().not_after.timestamp(), outer.not_after);
}

#[test]
fn serial_numbers_differ() {
    let fixture = Fixture::new();
    let serial = || {
        let validity = Validity::days_from(NOW, 1);
        let issued = fixture.organisation.node("x", NodeRole::Peer, validity).unwrap();
        let der = ::pem::parse(issued.certificate_pem).unwrap();
        let (_, certificate) = parse_x509_certificate(der.contents()).unwrap();
        certificate.raw_serial().to_vec()
    };
    assert_ne!(serial(), serial());
}
