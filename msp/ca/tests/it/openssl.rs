//! A second opinion: what the CA issues, OpenSSL accepts too, and for the same purposes.

use std::time::{SystemTime, UNIX_EPOCH};

use carecord_ca::{Authority, KeyKind, NodeRole, Organisation, Person, Validity};
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{X509, X509PurposeId, X509StoreContext};

#[test]
fn openssl_verifies_every_kind_of_certificate_and_key_against_its_own_ca_only() {
    let organisation = Organisation::create("a.test", None, validity()).unwrap();
    let other = Organisation::create("b.test", None, validity()).unwrap();
    for key in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let person = Person { name: "p".into(), role: Some("patient".into()), admin: false, key };
        let issued = organisation.person(&person, "p", validity()).unwrap();
        let certificate = X509::from_pem(issued.certificate_pem.as_bytes()).unwrap();
        let private = PKey::private_key_from_pem(issued.key_pem.as_bytes()).unwrap();
        assert!(private.public_eq(&certificate.public_key().unwrap()), "{key:?}");
        assert!(verifies(&store(organisation.ca(), None), &certificate), "{key:?}");
        assert!(!verifies(&store(other.ca(), None), &certificate), "{key:?}");
    }
}

#[test]
fn openssl_takes_a_tls_certificate_for_both_ends_of_a_connection() {
    let organisation = Organisation::create("a.test", None, validity()).unwrap();
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let issued = organisation.tls("peer0.a.test", &hosts, validity()).unwrap();
    let certificate = X509::from_pem(issued.certificate_pem.as_bytes()).unwrap();
    for purpose in [X509PurposeId::SSL_SERVER, X509PurposeId::SSL_CLIENT] {
        assert!(verifies(&store(organisation.tls_ca(), Some(purpose)), &certificate));
    }
    let names = certificate.subject_alt_names().unwrap();
    let dns: Vec<_> = names.iter().filter_map(|name| name.dnsname()).collect();
    assert_eq!(dns, ["localhost"]);
    assert_eq!(names.iter().filter_map(|name| name.ipaddress()).next(), Some(&[127, 0, 0, 1][..]));
}

#[test]
fn openssl_finds_the_key_identifiers_that_chains_are_built_by() {
    let organisation = Organisation::create("a.test", None, validity()).unwrap();
    let issued = organisation.node("peer0.a.test", NodeRole::Peer, validity()).unwrap();
    let certificate = X509::from_pem(issued.certificate_pem.as_bytes()).unwrap();
    let ca = X509::from_pem(organisation.ca().certificate_pem().as_bytes()).unwrap();
    let issuer = certificate.authority_key_id().expect("an AKI").as_slice();
    assert_eq!(issuer, ca.subject_key_id().expect("an SKI").as_slice());
}

/// OpenSSL checks against the clock, so these certificates begin now.
fn validity() -> Validity {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Validity::days_from(now.as_secs() as i64, 10)
}

fn store(ca: &Authority, purpose: Option<X509PurposeId>) -> X509Store {
    let mut builder = X509StoreBuilder::new().unwrap();
    builder.add_cert(X509::from_pem(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    if let Some(purpose) = purpose {
        builder.set_purpose(purpose).unwrap();
    }
    builder.build()
}

fn verifies(store: &X509Store, certificate: &X509) -> bool {
    let (mut context, chain) = (X509StoreContext::new().unwrap(), Stack::new().unwrap());
    context.init(store, certificate, &chain, |context| context.verify_cert()).unwrap()
}
