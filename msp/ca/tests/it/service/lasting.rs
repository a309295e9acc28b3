//! What changes as a CA grows old: certificates pile up, end, and are renewed.

use std::sync::atomic::Ordering;

use carecord_ca::client::{Credential, EnrollOptions, KeptKey};
use carecord_ca::{Change, IssuedRecord, KeyKind};
use carecord_msp::{Msp, MspVersion, Signer, SigningIdentity, keystore};
use serde_json::{Value, json};
use x509_parser::prelude::*;

use super::support::{Fixture, NOW, registration};

const DAY_S: i64 = 86_400;
/// As `docs/operate/ca.md` tells it: most certificates in one answer.
const CERTIFICATES_MAX: usize = 10_000;

fn record(number: usize) -> IssuedRecord {
    IssuedRecord {
        serial: format!("{number:x}"),
        aki: "ab".to_owned(),
        id: format!("many{}", number % 2),
        profile: String::new(),
        pem: format!("certificate {number}"),
        not_before: NOW,
        not_after: NOW + DAY_S,
        revoked: None,
    }
}

/// Keeps certificates as if they had been issued.
fn keep(fixture: &Fixture, numbers: std::ops::Range<usize>) {
    let mut change = Change::default();
    for number in numbers {
        change.issue(&record(number), b"", NOW);
    }
    fixture.ca.store().writer().apply(change).unwrap();
}

#[test]
fn an_answer_holds_ten_thousand_certificates_and_one_more_must_be_asked_for_otherwise() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    let own = fixture.ca.store().certificates().count();
    keep(&fixture, 1..CERTIFICATES_MAX - own + 1);
    let all = || fixture.signed("GET", "certificates", &admin, &Value::Null);
    let said = all();
    assert_eq!(said.body["result"]["certs"].as_array().unwrap().len(), CERTIFICATES_MAX);
    keep(&fixture, CERTIFICATES_MAX..CERTIFICATES_MAX + 1);
    let said = all();
    assert_eq!(said.status, 400, "{:?}", said.body["errors"]);
    assert!(said.body["result"].as_str().is_none_or(str::is_empty), "nothing is told");
    let why = said.body["errors"][0]["message"].as_str().unwrap();
    assert!(why.contains("more than 10000 certificates"), "{why}");
    // Who asks for fewer gets them, and nothing is missing.
    let of = |id: &str| fixture.client().certificates(&admin, id).unwrap().len();
    assert_eq!(of("many0") + of("many1") + own, CERTIFICATES_MAX + 1);
}

#[test]
fn a_certificate_holds_as_long_as_the_ca_is_told_and_never_longer_than_the_cas_own() {
    for (days, expected) in [(1, DAY_S), (30, 30 * DAY_S), (10_000, 3_650 * DAY_S)] {
        let fixture = Fixture::with(|config| config.limits.certificate_days = days);
        let ann = fixture.person("ann", "client", &[]);
        assert_eq!(ann.expires_at().unwrap() - NOW, expected, "{days}");
        let options = EnrollOptions { profile: Some("tls".into()), ..EnrollOptions::default() };
        let tls = fixture.client().reenroll(&ann, &options).unwrap().credential;
        assert_eq!(tls.expires_at().unwrap() - NOW, expected, "{days}");
    }
}

#[test]
fn a_key_goes_on_under_a_new_certificate_whatever_its_curve() {
    let fixture = Fixture::new();
    for (id, key) in [("ann", KeyKind::P256), ("bob", KeyKind::P384), ("eve", KeyKind::Ed25519)] {
        let request = registration(id, "client", &[("carecord.role", "practitioner")]);
        let secret = fixture.client().register(&fixture.admin(), &request).unwrap().secret;
        let options = EnrollOptions { key, ..EnrollOptions::default() };
        let first = fixture.client().enroll(id, &secret, &options).unwrap().credential;
        let keep = Some(KeptKey(first.key_pem.clone()));
        let options = EnrollOptions { keep, ..EnrollOptions::default() };
        let again = fixture.client().reenroll(&first, &options).unwrap().credential;
        assert_eq!(again.key_pem, first.key_pem);
        assert_ne!(again.name().unwrap(), first.name().unwrap());
        assert_eq!(public_key(&again), public_key(&first), "{id}");
        // It signs as before: the CA takes a token by it.
        fixture.client().reenroll(&again, &EnrollOptions::default()).unwrap();
    }
    let broken = EnrollOptions {
        keep: Some(KeptKey("no key".to_owned().into())),
        ..EnrollOptions::default()
    };
    let ann = fixture.admin();
    assert!(fixture.client().reenroll(&ann, &broken).is_err());
}

fn public_key(credential: &Credential) -> Vec<u8> {
    let block = ::pem::parse(&credential.certificate_pem).unwrap();
    let (_, certificate) = parse_x509_certificate(block.contents()).unwrap();
    certificate.public_key().raw.to_vec()
}

/// An MSP looks at no clock, so that old blocks stay what they were: it takes an expired endorser's or administrator's
/// signature. Whoever was revoked must therefore stay on the list for good.
#[test]
fn who_was_revoked_stays_on_the_list_after_the_certificate_has_ended() {
    let fixture = Fixture::new();
    let ann = fixture.person("ann", "client", &[]);
    fixture.client().revoke_identity(&fixture.admin(), "ann", "", false).unwrap();
    let later = NOW + 500 * DAY_S;
    fixture.clock.store(later, Ordering::Relaxed);
    let admin = fixture.admin();
    assert!(ann.expires_at().unwrap() < later);

    let list = fixture.client().gencrl(&admin, false).unwrap();
    assert_eq!(entries(&list), 1, "a list that is asked for without more has everybody");
    assert!(judged(&fixture, &ann, Some(&list)).unwrap_err().contains("has been revoked"));
    // Why: without the entry the certificate would be as good as any.
    assert_eq!(judged(&fixture, &ann, None), Ok(()));

    // An operator who knows that nothing looks at old signatures may ask for less, as with Fabric-CA.
    let body = json!({"expireafter": ::time::OffsetDateTime::from_unix_timestamp(later).unwrap()
        .format(&::time::format_description::well_known::Rfc3339).unwrap()});
    let said = fixture.signed("POST", "gencrl", &admin, &body);
    let list = said.body["result"]["CRL"].as_str().unwrap();
    let list = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, list).unwrap();
    assert_eq!(entries(&String::from_utf8(list).unwrap()), 0);
}

fn entries(list: &str) -> usize {
    let block = ::pem::parse(list).unwrap();
    let (_, list) = parse_x509_crl(block.contents()).unwrap();
    list.iter_revoked_certificates().count()
}

/// What the organisation's MSP, with `list` or without any, says of a certificate.
fn judged(fixture: &Fixture, whose: &Credential, list: Option<&str>) -> Result<(), String> {
    let folder = fixture.folder.msp();
    let lists = folder.join("crls");
    std::fs::create_dir_all(&lists).unwrap();
    let file = lists.join("crl.pem");
    let _ = std::fs::remove_file(&file);
    if let Some(list) = list {
        std::fs::write(&file, list).unwrap();
    }
    let config = keystore::load_msp_config(&folder, "WardMSP").unwrap();
    let msp = Msp::new(&config, MspVersion::V3_0).unwrap();
    let (certificate, key) = (whose.certificate_pem.as_bytes(), whose.key_pem.as_bytes());
    let signer = SigningIdentity::from_pem("WardMSP", certificate, key).unwrap();
    let identity = msp.identity(&signer.serialized()).unwrap();
    identity.validate().map_err(|error| error.to_string())
}
