//! Rows K1 to K8 and the race of K10: each kind of bad input with the answer it gets.

use std::sync::atomic::Ordering;

use carecord_ca::client::{Credential, EnrollOptions, Registration, certificate_request};
use carecord_ca::{Organisation, Person, Validity};
use serde_json::{Value, json};

use super::support::{ADMIN, Fixture, NOW, SECRET, basic, enrollment, refusal, registration};

const DAY_S: i64 = 86_400;

#[test]
fn k1_without_a_proof_or_with_a_wrong_secret_nobody_enrols_and_too_many_tries_lock() {
    let fixture = Fixture::with(|config| config.limits.password_attempts = 3);
    let body = enrollment(ADMIN).to_string();
    let enroll = |header: Option<&str>| {
        let said = fixture.raw("POST", "/api/v1/enroll", header, body.as_bytes());
        let message = said.body["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        (said.status, said.code, message)
    };
    let failure = || (401, 20, "Authentication failure".to_owned());
    assert_eq!(enroll(None), (401, 2, "No authorization header".to_owned()));
    for header in ["Basic", "Basic !!", "Basic YWRtaW4=", "Bearer YTpi", "a.b"] {
        assert_eq!(enroll(Some(header)), failure(), "{header}");
    }
    for _ in 0..3 {
        assert_eq!(enroll(Some(&basic(ADMIN, "wrong"))), failure());
    }
    // Locked is locked, for the right secret, too, and a name that nobody has looks the same.
    assert_eq!(
        (401, 73),
        (enroll(Some(&basic(ADMIN, SECRET))).0, enroll(Some(&basic(ADMIN, SECRET))).1)
    );
    for _ in 0..3 {
        assert_eq!(enroll(Some(&basic("nobody", "wrong"))), failure());
    }
    assert_eq!(enroll(Some(&basic("nobody", "wrong"))).1, 73);
}

#[test]
fn k1_a_right_secret_forgets_the_wrong_tries_and_a_new_secret_unlocks() {
    let fixture = Fixture::with(|config| config.limits.password_attempts = 2);
    let admin = fixture.admin();
    let request = Registration { max_enrollments: 5, ..registration("ann", "client", &[]) };
    let secret = fixture.client().register(&admin, &request).unwrap().secret;
    for _ in 0..3 {
        assert_eq!(refusal(fixture.enroll("ann", "wrong")), (401, 20));
        fixture.enroll("ann", &secret).unwrap();
    }
    for expected in [20, 20, 73] {
        assert_eq!(refusal(fixture.enroll("ann", "wrong")), (401, expected));
    }
    fixture.client().set_secret(&admin, "ann", "another", 0).unwrap();
    fixture.enroll("ann", "another").unwrap();
}

#[test]
fn k2_a_token_proves_one_request_of_a_certificate_that_holds_here() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    let body = json!({"id": "ann", "type": "client"}).to_string();
    let uri = "/api/v1/register";
    let ask = |token: &str| {
        let said = fixture.raw("POST", uri, Some(token), body.as_bytes());
        (said.status, said.code)
    };
    let token = |by: &Credential, method: &str, uri: &str, body: &str| {
        by.token(method, uri, body.as_bytes()).unwrap()
    };
    for (what, token) in [
        ("another method", token(&admin, "PUT", uri, &body)),
        ("another address", token(&admin, "POST", "/api/v1/revoke", &body)),
        ("another body", token(&admin, "POST", uri, "{}")),
        ("another CA's certificate", token(&stranger(), "POST", uri, &body)),
        ("one that was not issued here", token(&unrecorded(&fixture), "POST", uri, &body)),
        ("the form before 1.4", old_form(&admin, &body)),
        ("no token", "x".to_owned()),
    ] {
        assert_eq!(ask(&token), (401, 20), "{what}");
    }
    let expired = token(&admin, "POST", uri, &body);
    fixture.clock.store(NOW + 366 * DAY_S, Ordering::Relaxed);
    assert_eq!(ask(&expired), (401, 20), "expired");
    fixture.clock.store(NOW - 2 * DAY_S, Ordering::Relaxed);
    assert_eq!(ask(&expired), (401, 20), "not valid yet");
    fixture.clock.store(NOW, Ordering::Relaxed);
    let other = fixture.admin();
    let name = admin.name().unwrap();
    fixture.client().revoke_certificate(&other, &name, "superseded", false).unwrap();
    assert_eq!(ask(&token(&admin, "POST", uri, &body)), (401, 20), "revoked");
    assert_eq!(ask(&token(&other, "POST", uri, &body)), (201, u64::MAX), "in order");
}

#[test]
fn k2_the_form_before_1_4_is_taken_where_the_operator_allows_it() {
    let fixture = Fixture::with(|config| config.limits.old_tokens = true);
    let body = json!({"id": "ann", "type": "client"}).to_string();
    let token = old_form(&fixture.admin(), &body);
    let said = fixture.raw("POST", "/api/v1/register", Some(&token), body.as_bytes());
    assert_eq!(said.status, 201);
}

#[test]
fn k3_a_token_buys_one_change_and_reads_may_repeat_it() {
    let fixture = Fixture::with(|config| config.limits.allow_remove_identities = true);
    let admin = fixture.admin();
    let uri = "/api/v1/register";
    let body = json!({"id": "ann", "type": "client"}).to_string();
    let token = admin.token("POST", uri, body.as_bytes()).unwrap();
    let ask = || {
        let said = fixture.raw("POST", uri, Some(&token), body.as_bytes());
        (said.status, said.code)
    };
    assert_eq!(ask().0, 201);
    // What would change nothing says so, as without the protection.
    assert_eq!(ask(), (409, 74));
    let removed = fixture.signed("DELETE", "identities/ann", &admin, &Value::Null);
    assert_eq!(removed.status, 200);
    assert_eq!(ask(), (401, 20), "it would have an effect once more");
    assert!(fixture.ca.store().identity("ann").unwrap().is_none());

    let token = admin.token("GET", "/api/v1/identities", b"").unwrap();
    for _ in 0..2 {
        assert_eq!(fixture.raw("GET", "/api/v1/identities", Some(&token), b"").status, 200);
    }
}

#[test]
fn k3_a_refused_token_is_of_no_use_later() {
    let fixture = Fixture::new();
    let ann = fixture.person("ann", "client", &[]);
    let uri = "/api/v1/register";
    let body = json!({"id": "bob", "type": "client"}).to_string();
    let token = ann.token("POST", uri, body.as_bytes()).unwrap();
    let ask = |token: &str| {
        let said = fixture.raw("POST", uri, Some(token), body.as_bytes());
        (said.status, said.code)
    };
    assert_eq!(ask(&token), (403, 71));
    let right = [carecord_ca::Attribute::new("hf.Registrar.Roles", "client")];
    fixture.client().set_attributes(&fixture.admin(), "ann", &right).unwrap();
    assert_eq!(ask(&token), (401, 20));
    assert_eq!(ask(&ann.token("POST", uri, body.as_bytes()).unwrap()).0, 201);
}

#[test]
fn k3_the_operator_may_switch_the_protection_off() {
    let fixture = Fixture::with(|config| config.limits.refuse_replay = false);
    let ann = fixture.person("ann", "client", &[]);
    let body = enrollment("ann").to_string();
    let token = ann.token("POST", "/api/v1/reenroll", body.as_bytes()).unwrap();
    for _ in 0..2 {
        let said = fixture.raw("POST", "/api/v1/reenroll", Some(&token), body.as_bytes());
        assert_eq!(said.status, 201);
    }
}

#[test]
fn k4_a_request_decides_nothing_but_its_key() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let registrar = fixture.admin();
    let request = Registration { max_enrollments: -1, ..registration("ann", "client", &[]) };
    let secret = client.register(&registrar, &request).unwrap().secret;
    let enroll = |body: Value| {
        let header = basic("ann", &secret);
        let said =
            fixture.raw("POST", "/api/v1/enroll", Some(&header), body.to_string().as_bytes());
        (said.status, said.code)
    };
    let csr = |csr: String| json!({"certificate_request": csr});
    assert_eq!(enroll(enrollment("bob")), (403, 77), "another's common name");
    assert_eq!(enroll(csr(openssl_csr("ann", true, &[]))), (403, 71), "a CA");
    assert_eq!(
        enroll(json!({"profile": "ca", "certificate_request": openssl_csr("ann", false, &[])})),
        (403, 71)
    );
    for (what, request) in [
        ("no request", json!({})),
        ("no PEM", csr("hello".into())),
        ("a certificate", csr(registrar.certificate_pem.clone())),
        ("trailing data", csr(trailing("ann"))),
        ("another's signature", csr(forged("ann"))),
        ("an RSA key", csr(rsa_csr("ann"))),
        (
            "an unknown profile",
            json!({"profile": "x", "certificate_request": openssl_csr("ann", false, &[])}),
        ),
    ] {
        let said = enroll(request);
        assert_eq!(said, (400, 31), "{what}");
    }
    assert_eq!(enroll(csr(long_csr("ann"))), (400, 80), "a town of 129 letters");
    assert_eq!(fixture.ca.store().certificates_of("ann").unwrap().len(), 0);
    let odd = openssl_csr("ann", false, &[("OU", "admin"), ("O", "Elsewhere"), ("C", "XX")]);
    assert_eq!(enroll(csr(odd)).0, 201);
    let issued = fixture.ca.store().certificates_of("ann").unwrap().remove(0);
    let certificate = openssl::x509::X509::from_pem(issued.pem.as_bytes()).unwrap();
    let subject: Vec<String> = certificate
        .subject_name()
        .entries()
        .map(|entry| String::from_utf8(entry.data().as_slice().to_vec()).unwrap())
        .collect();
    assert_eq!(subject, ["CH", "ward.test", "client", "ann"]);
}

#[test]
fn k5_a_registrar_gives_no_more_than_it_may() {
    let fixture = Fixture::new();
    let head = fixture.person(
        "head",
        "client",
        &[
            ("hf.Registrar.Roles", "client"),
            ("hf.Registrar.Attributes", "carecord.role,desk,hf.Registrar.Roles"),
        ],
    );
    let mut ward = registration("wardreg", "client", &[("hf.Registrar.Roles", "client")]);
    ward.affiliation = "ward".into();
    let secret = fixture.client().register(&fixture.admin(), &ward).unwrap().secret;
    let ward = fixture.enroll("wardreg", &secret).unwrap();
    let plain = fixture.person("plain", "client", &[]);
    let register = |by: &Credential, kind: &str, affiliation: &str, attributes: &[(&str, &str)]| {
        let request = Registration {
            affiliation: affiliation.into(),
            ..registration("new", kind, attributes)
        };
        refusal(fixture.client().register(by, &request))
    };
    for (what, said) in [
        ("no registrar", register(&plain, "client", "", &[])),
        ("a higher type", register(&head, "peer", "", &[])),
        ("another's affiliation", register(&ward, "client", "lab", &[])),
        ("the root from below", register(&ward, "client", ".", &[])),
        ("no such affiliation", register(&fixture.admin(), "client", "attic", &[])),
        ("an attribute that is not listed", register(&head, "client", "", &[("floor", "2")])),
        ("a right it has not", register(&head, "client", "", &[("hf.Revoker", "true")])),
        ("a type it has not", register(&head, "client", "", &[("hf.Registrar.Roles", "peer")])),
        ("a fixed attribute", register(&fixture.admin(), "client", "", &[("hf.Type", "admin")])),
        (
            "a role of another organisation",
            register(&head, "client", "", &[("carecord.role", "insurer")]),
        ),
        ("no role at all", register(&head, "client", "", &[("carecord.role", "king")])),
    ] {
        assert_eq!(said, (403, 71), "{what}");
    }
    assert!(fixture.ca.store().identity("new").unwrap().is_none());
    let own = [carecord_ca::Attribute::new("hf.Revoker", "true")];
    assert_eq!(refusal(fixture.client().set_attributes(&head, "head", &own)), (403, 71));
    assert_eq!(register(&fixture.admin(), "client", "", &[("a", "1"), ("a", "2")]), (400, 75));
    let again = registration("head", "client", &[]);
    assert_eq!(refusal(fixture.client().register(&fixture.admin(), &again)), (409, 74));
    let good = registration("doc", "client", &[("carecord.role", "practitioner")]);
    fixture.client().register(&head, &good).unwrap();
}

#[test]
fn k6_one_revokes_ones_own_and_a_revoker_those_below() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    let ann = fixture.person("ann", "client", &[]);
    let bob = fixture.person("bob", "client", &[]);
    let mut ward = registration(
        "wardrev",
        "client",
        &[("hf.Revoker", "true"), ("hf.Registrar.Roles", "client")],
    );
    ward.affiliation = "ward".into();
    let secret = fixture.client().register(&admin, &ward).unwrap().secret;
    let ward = fixture.enroll("wardrev", &secret).unwrap();
    let client = fixture.client();
    let revoke = |by: &Credential, of: &Credential| {
        client.revoke_certificate(by, &of.name().unwrap(), "unspecified", false)
    };
    assert_eq!(refusal(revoke(&ann, &bob)), (403, 71), "no revoker");
    assert_eq!(refusal(revoke(&ward, &bob)), (403, 71), "beside its affiliation");
    assert_eq!(refusal(client.revoke_identity(&ann, "bob", "", false)), (403, 71));
    assert_eq!(refusal(client.revoke_identity(&admin, "nobody", "", false)), (404, 10));
    assert_eq!(refusal(revoke(&admin, &stranger())), (404, 8), "another organisation's");
    revoke(&admin, &bob).unwrap();
    assert_eq!(refusal(revoke(&admin, &bob)), (404, 66), "once more");
    assert_eq!(refusal(client.gencrl(&ann, false)), (403, 71));
    let wrong = fixture.signed("POST", "revoke", &admin, &json!({"reason": "x"}));
    assert_eq!((wrong.status, wrong.code), (400, 15));
    let turned =
        json!({"revokedbefore": "2020-01-01T00:00:00Z", "revokedafter": "2021-01-01T00:00:00Z"});
    assert_eq!(fixture.signed("POST", "gencrl", &admin, &turned).code, 36);
    revoke(&ann, &ann).unwrap();
    // Who was revoked as a whole enrols never again.
    let carol = registration("carol", "client", &[]);
    let secret = client.register(&admin, &carol).unwrap().secret;
    client.revoke_identity(&admin, "carol", "", false).unwrap();
    assert_eq!(refusal(fixture.enroll("carol", &secret)), (401, 20));
}

#[test]
fn k7_a_secret_serves_as_often_as_it_may() {
    let fixture = Fixture::with(|config| config.limits.max_enrollments = 2);
    let admin = fixture.admin();
    for (asked, served) in [(1, 1), (2, 2), (0, 2)] {
        let id = format!("p{asked}");
        let request = Registration { max_enrollments: asked, ..registration(&id, "client", &[]) };
        let secret = fixture.client().register(&admin, &request).unwrap().secret;
        for _ in 0..served {
            fixture.enroll(&id, &secret).unwrap();
        }
        assert_eq!(refusal(fixture.enroll(&id, &secret)), (401, 20), "{asked}");
        assert_eq!(fixture.ca.store().certificates_of(&id).unwrap().len(), served);
    }
    for asked in [3, -1, -2] {
        let request = Registration { max_enrollments: asked, ..registration("x", "client", &[]) };
        assert_eq!(refusal(fixture.client().register(&admin, &request)), (400, 82), "{asked}");
    }
}

#[test]
fn k8_what_is_no_name_or_no_request_is_said_to_be_none() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    for id in
        ["a'; DROP TABLE users; --", "*)(uid=*))(|(uid=*", "a\u{0}b", "../../etc", "a b", "%00"]
    {
        let said = fixture.signed("POST", "register", &admin, &json!({"id": id, "type": "client"}));
        assert_eq!((said.status, said.code), (400, 75), "{id:?}");
        let uri = format!(
            "identities/{}",
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
        );
        assert_eq!(fixture.signed("GET", &uri, &admin, &Value::Null).status, 404, "{id:?}");
    }
    for (what, body) in [
        ("an affiliation", json!({"id": "x", "affiliation": "ward' OR '1'='1"})),
        ("a type", json!({"id": "x", "type": "client,OU=admin"})),
        ("an attribute's name", json!({"id": "x", "attrs": [{"name": "a\u{0}", "value": "1"}]})),
        ("an attribute's value", json!({"id": "x", "attrs": [{"name": "a", "value": "1\n2"}]})),
        ("a secret", json!({"id": "x", "secret": "a\u{0}b"})),
    ] {
        assert_eq!(fixture.signed("POST", "register", &admin, &body).status, 400, "{what}");
    }
    let raw = |body: &[u8]| {
        let said = fixture.raw("POST", "/api/v1/enroll", Some(&basic(ADMIN, SECRET)), body);
        (said.status, said.code)
    };
    assert_eq!(raw(b"{\"certificate_request\": 7}"), (400, 5));
    assert_eq!(raw(b"\xff\xfe"), (400, 5));
    for field in ["attr_reqs", "unknown"] {
        let deep = format!("{{\"{field}\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(raw(deep.as_bytes()).0, 400, "{field}");
    }
    assert_eq!(raw(&vec![b' '; 10 << 20]), (400, 3), "ten mebibytes");
    assert_eq!(raw(b""), (400, 4));
    // The service goes on.
    fixture.admin();
}

#[test]
fn k10_of_many_who_enrol_at_once_with_a_secret_for_one_one_does() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    for round in 0..5 {
        let id = format!("p{round}");
        let secret =
            fixture.client().register(&admin, &registration(&id, "client", &[])).unwrap().secret;
        let enrolled = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..8).map(|_| scope.spawn(|| fixture.enroll(&id, &secret).is_ok())).collect();
            tries.into_iter().map(|each| each.join().unwrap()).filter(|good| *good).count()
        });
        assert_eq!(enrolled, 1, "round {round}");
        assert_eq!(fixture.ca.store().certificates_of(&id).unwrap().len(), 1);
    }
}

/// Somebody of an organisation that this CA knows nothing of.
fn stranger() -> Credential {
    let validity = Validity::days_from(NOW, 10);
    member(&Organisation::create("else.test", None, validity).unwrap())
}

/// Somebody whose certificate this CA's key has signed, and this CA has not recorded.
fn unrecorded(fixture: &Fixture) -> Credential {
    member(&fixture.folder.load().unwrap())
}

fn member(organisation: &Organisation) -> Credential {
    let person = Person { name: ADMIN.into(), role: None, admin: false, key: Default::default() };
    let issued = organisation.person(&person, ADMIN, Validity::days_from(NOW, 10)).unwrap();
    Credential { certificate_pem: issued.certificate_pem, key_pem: issued.key_pem }
}

fn old_form(by: &Credential, body: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use carecord_msp::{Signer, SigningIdentity};
    let encoded = STANDARD.encode(&by.certificate_pem);
    let (certificate, key) = (by.certificate_pem.as_bytes(), by.key_pem.as_bytes());
    let signer = SigningIdentity::from_pem("", certificate, key).unwrap();
    let text = format!("{}.{encoded}", STANDARD.encode(body));
    format!("{encoded}.{}", STANDARD.encode(signer.sign(text.as_bytes()).unwrap()))
}

fn openssl_key() -> openssl::pkey::PKey<openssl::pkey::Private> {
    use openssl::ec::{EcGroup, EcKey};
    let group = EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    openssl::pkey::PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn openssl_csr(common_name: &str, is_ca: bool, names: &[(&str, &str)]) -> String {
    csr_with(&openssl_key(), common_name, is_ca, names)
}

fn rsa_csr(common_name: &str) -> String {
    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    csr_with(&openssl::pkey::PKey::from_rsa(key).unwrap(), common_name, false, &[])
}

fn csr_with(
    key: &openssl::pkey::PKey<openssl::pkey::Private>,
    common_name: &str,
    is_ca: bool,
    names: &[(&str, &str)],
) -> String {
    use openssl::hash::MessageDigest;
    use openssl::stack::Stack;
    use openssl::x509::extension::BasicConstraints;
    use openssl::x509::{X509NameBuilder, X509ReqBuilder};
    let mut subject = X509NameBuilder::new().unwrap();
    for (name, value) in names.iter().chain(&[("CN", common_name)]) {
        let nid = openssl::nid::Nid::from_raw(match *name {
            "CN" => 13,
            "C" => 14,
            "L" => 15,
            "O" => 17,
            _ => 18,
        });
        let text = openssl::asn1::Asn1Type::UTF8STRING;
        subject.append_entry_by_nid_with_type(nid, value, text).unwrap();
    }
    let mut builder = X509ReqBuilder::new().unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder.set_pubkey(key).unwrap();
    if is_ca {
        let mut extensions = Stack::new().unwrap();
        extensions.push(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.add_extensions(&extensions).unwrap();
    }
    builder.sign(key, MessageDigest::sha256()).unwrap();
    String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
}

/// By a library that knows no upper bounds.
fn long_csr(common_name: &str) -> String {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    params.distinguished_name.push(rcgen::DnType::LocalityName, "x".repeat(129));
    let key = rcgen::KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn trailing(common_name: &str) -> String {
    let (csr, _) = certificate_request(common_name, &EnrollOptions::default()).unwrap();
    let mut block = pem::parse(csr).unwrap().into_contents();
    block.extend_from_slice(b"\x05\x00");
    pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", block))
}

fn forged(common_name: &str) -> String {
    let (csr, _) = certificate_request(common_name, &EnrollOptions::default()).unwrap();
    let mut block = pem::parse(csr).unwrap().into_contents();
    let last = block.len() - 1;
    block[last] ^= 1;
    pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", block))
}
