//! What requests that are in order get.

use carecord_ca::client::{EnrollOptions, Registration};
use carecord_ca::{Attribute, attributes};
use carecord_msp::{Msp, MspVersion, Signer, SigningIdentity, keystore};
use serde_json::{Value, json};
use x509_parser::prelude::*;

use super::support::{Fixture, registration};

fn certificate<T>(pem_text: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let block = ::pem::parse(pem_text).unwrap();
    let (_, certificate) = parse_x509_certificate(block.contents()).unwrap();
    read(&certificate)
}

fn units(pem_text: &str) -> Vec<String> {
    certificate(pem_text, |certificate| {
        let units = certificate.subject().iter_organizational_unit();
        units.map(|unit| unit.as_str().unwrap().to_owned()).collect()
    })
}

#[test]
fn an_enrolled_identity_is_one_of_the_organisations_msp_with_its_units_and_attributes() {
    let fixture = Fixture::new();
    let mut request =
        registration("ann", "client", &[("carecord.role", "practitioner"), ("desk", "7")]);
    request.affiliation = "ward.night".into();
    let secret = fixture.client().register(&fixture.admin(), &request).unwrap().secret;
    let ann = fixture.enroll("ann", &secret).unwrap();
    let mut found = units(&ann.certificate_pem);
    found.sort();
    assert_eq!(found, ["client", "night", "ward"]);
    let config = keystore::load_msp_config(&fixture.folder.msp(), "WardMSP").unwrap();
    let msp = Msp::new(&config, MspVersion::V3_0).unwrap();
    let signer = SigningIdentity::from_pem(
        "WardMSP",
        ann.certificate_pem.as_bytes(),
        ann.key_pem.as_bytes(),
    )
    .unwrap();
    let identity = msp.identity(&signer.serialized()).unwrap();
    identity.validate().unwrap();
    let found = identity.attributes();
    assert_eq!(found[attributes::ROLE], "practitioner");
    assert_eq!(found[attributes::ENROLLMENT_ID], "ann");
    assert_eq!(found[attributes::AFFILIATION], "ward.night");
    assert!(!found.contains_key("desk"));
}

#[test]
fn a_patient_who_is_registered_without_a_name_gets_a_pseudonym_and_an_anonymous_certificate() {
    let fixture = Fixture::new();
    let request = Registration {
        attrs: vec![Attribute::new("carecord.role", "patient")],
        affiliation: "ward".into(),
        max_enrollments: 2,
        ..Registration::default()
    };
    let registered = fixture.client().register(&fixture.admin(), &request).unwrap();
    let id = registered.id.unwrap();
    assert_eq!(id.len(), 32);
    let signing = fixture.enroll(&id, &registered.secret).unwrap();
    let tls = EnrollOptions {
        profile: Some("tls".into()),
        hosts: vec!["alices-laptop".into()],
        ..EnrollOptions::default()
    };
    let tls = fixture.client().enroll(&id, &registered.secret, &tls).unwrap().credential;
    for credential in [&signing, &tls] {
        certificate(&credential.certificate_pem, |certificate| {
            assert_eq!(certificate.subject().to_string(), format!("OU=client, CN={id}"));
            assert!(certificate.subject_alternative_name().unwrap().is_none());
            let raw = String::from_utf8_lossy(certificate.as_raw()).into_owned();
            assert!(!raw.contains("hf.") && !raw.contains("laptop"));
        });
    }
    let named = registration("alice", "client", &[("carecord.role", "patient")]);
    let refused = fixture.client().register(&fixture.admin(), &named).unwrap_err().to_string();
    assert!(refused.contains("must be a pseudonym"), "{refused}");
}

#[test]
fn a_nodes_tls_certificate_stands_for_its_hosts_and_comes_from_the_tls_ca() {
    let fixture = Fixture::new();
    let request = Registration { max_enrollments: 2, ..registration("peer9", "peer", &[]) };
    let secret = fixture.client().register(&fixture.admin(), &request).unwrap().secret;
    let tls = EnrollOptions {
        profile: Some("tls".into()),
        hosts: vec!["peer9.ward.test".into(), "127.0.0.1".into()],
        ..EnrollOptions::default()
    };
    let enrolled = fixture.client().enroll("peer9", &secret, &tls).unwrap();
    assert_eq!(
        enrolled.chain_pem.trim(),
        std::fs::read_to_string(fixture.folder.tls_ca_certificate()).unwrap().trim()
    );
    let pem = enrolled.credential.certificate_pem;
    certificate(&pem, |certificate| {
        let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names.len(), 2);
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && usage.client_auth);
    });
    let ca = std::fs::read(fixture.folder.tls_ca_certificate()).unwrap();
    let ca = openssl::x509::X509::from_pem(&ca).unwrap();
    let leaf = openssl::x509::X509::from_pem(pem.as_bytes()).unwrap();
    assert!(leaf.verify(&ca.public_key().unwrap()).unwrap());
}

#[test]
fn reenrolling_gives_a_new_certificate_for_the_same_identity() {
    let fixture = Fixture::new();
    let ann = fixture.person("ann", "client", &[("carecord.role", "practitioner")]);
    let again = fixture.client().reenroll(&ann, &EnrollOptions::default()).unwrap().credential;
    assert_eq!(again.common_name().unwrap(), "ann");
    assert_ne!(again.name().unwrap(), ann.name().unwrap());
    assert_eq!(fixture.ca.store().certificates_of("ann").unwrap().len(), 2);
    let log = fixture.ca.store().log().unwrap();
    assert_eq!(log.iter().filter(|entry| entry.id == "ann" && entry.event == "issue").count(), 2);
}

#[test]
fn the_revocation_list_is_one_that_openssl_and_our_msp_take() {
    let fixture = Fixture::new();
    let admin = fixture.admin();
    let ann = fixture.person("ann", "client", &[]);
    let bob = fixture.person("bob", "client", &[]);
    let empty = fixture.client().gencrl(&admin, false).unwrap();
    let revoked = fixture.client().revoke_identity(&admin, "ann", "keycompromise", true).unwrap();
    let crl = revoked.crl_pem().unwrap().unwrap();
    assert_eq!(revoked.certificates.unwrap().len(), 1);

    let ca = std::fs::read(fixture.folder.ca_certificate()).unwrap();
    let ca = openssl::x509::X509::from_pem(&ca).unwrap();
    for list in [&empty, &crl] {
        let list = openssl::x509::X509Crl::from_pem(list.as_bytes()).unwrap();
        assert!(list.verify(&ca.public_key().unwrap()).unwrap());
    }
    let number = |pem_text: &str| {
        let block = ::pem::parse(pem_text).unwrap();
        let (_, list) = parse_x509_crl(block.contents()).unwrap();
        list.crl_number().unwrap().clone()
    };
    assert!(number(&crl) > number(&empty));

    let folder = fixture.folder.msp();
    std::fs::create_dir_all(folder.join("crls")).unwrap();
    std::fs::write(folder.join("crls/crl.pem"), &crl).unwrap();
    let config = keystore::load_msp_config(&folder, "WardMSP").unwrap();
    let msp = Msp::new(&config, MspVersion::V3_0).unwrap();
    let verdict = |credential: &carecord_ca::client::Credential| {
        let (certificate, key) = (&credential.certificate_pem, &credential.key_pem);
        let signer =
            SigningIdentity::from_pem("WardMSP", certificate.as_bytes(), key.as_bytes()).unwrap();
        msp.identity(&signer.serialized()).unwrap().validate()
    };
    verdict(&bob).unwrap();
    let refused = verdict(&ann).unwrap_err().to_string();
    assert!(refused.contains("The certificate has been revoked"), "{refused}");
}

#[test]
fn identities_affiliations_and_certificates_are_seen_and_changed() {
    let fixture = Fixture::with(|config| {
        config.limits.allow_remove_identities = true;
        config.limits.allow_remove_affiliations = true;
    });
    let admin = fixture.admin();
    fixture.person("ann", "client", &[("desk", "7")]);
    let get = |endpoint: &str| fixture.signed("GET", endpoint, &admin, &Value::Null);

    let all = fixture.client().identities(&admin).unwrap();
    let ids: Vec<_> = all.into_iter().map(|identity| identity.id).collect();
    assert_eq!(ids, ["admin", "ann"]);
    let changed = fixture.client().set_attributes(
        &admin,
        "ann",
        &[Attribute::new("desk", ""), Attribute::new("floor", "2")],
    );
    let names: Vec<_> = changed.unwrap().attrs.into_iter().map(|a| a.name).collect();
    assert!(names.contains(&"floor".to_owned()) && !names.contains(&"desk".to_owned()));

    let tree = get("affiliations").body["result"].clone();
    assert_eq!(tree["affiliations"][1]["affiliations"][0]["name"], "ward.night");
    let added = fixture.signed("POST", "affiliations", &admin, &json!({"name": "x.y"}));
    assert_eq!((added.status, added.code), (400, 60));
    let added = fixture.signed("POST", "affiliations?force=true", &admin, &json!({"name": "x.y"}));
    assert_eq!((added.status, added.body["result"]["name"].as_str()), (201, Some("x.y")));
    let again = fixture.signed("POST", "affiliations", &admin, &json!({"name": "x"}));
    assert_eq!((again.status, again.code), (409, 60));
    let renamed = fixture.signed("PUT", "affiliations/x", &admin, &json!({"name": "z"}));
    assert_eq!(renamed.body["result"]["affiliations"][0]["name"], "z.y");
    let removed = fixture.signed("DELETE", "affiliations/z?force=true", &admin, &Value::Null);
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!((get("affiliations/z").status, get("affiliations/z").code), (404, 63));

    let certificates = get("certificates?id=ann").body["result"]["certs"].clone();
    assert_eq!(certificates.as_array().unwrap().len(), 1);
    assert!(certificates[0]["PEM"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE"));
    let removed = fixture.signed("DELETE", "identities/ann", &admin, &Value::Null);
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!((get("identities/ann").status, get("identities/ann").code), (404, 63));
    let left = get("certificates?notrevoked=true").body["result"]["certs"].clone();
    assert_eq!(left.as_array().unwrap().len(), 2, "the registrar's own two");
}

#[test]
fn a_ca_enrolled_with_another_makes_identities_that_the_chain_vouches_for() {
    let fixture = Fixture::new();
    let request = registration("ca2", "client", &[("hf.IntermediateCA", "true")]);
    let secret = fixture.client().register(&fixture.admin(), &request).unwrap().secret;
    let options = EnrollOptions { profile: Some("ca".into()), ..EnrollOptions::default() };
    let enrolled = fixture.client().enroll("ca2", &secret, &options).unwrap();
    let credential = enrolled.credential;
    let issuing = carecord_ca::Issuing::new(
        &credential.certificate_pem,
        &enrolled.chain_pem,
        &credential.key_pem,
    )
    .unwrap();
    assert_eq!(issuing.chain_pem().matches("BEGIN CERTIFICATE").count(), 2);
    certificate(&credential.certificate_pem, |certificate| {
        let constraints = certificate.basic_constraints().unwrap().unwrap().value;
        assert!(constraints.ca && constraints.path_len_constraint == Some(0));
    });
}

#[test]
fn several_cas_of_a_server_are_told_apart_by_name() {
    let fixture = Fixture::new();
    let info = |body: &[u8], query: &str| {
        fixture.raw("POST", &format!("/api/v1/cainfo{query}"), None, body)
    };
    for (body, query) in
        [(&b""[..], ""), (b"{}", ""), (b"{\"caname\":\"ca-ward\"}", ""), (b"", "?ca=ca-ward")]
    {
        let said = info(body, query);
        assert_eq!((said.status, said.body["result"]["CAName"].as_str()), (200, Some("ca-ward")));
    }
    let said = info(b"{\"caname\":\"other\"}", "");
    assert_eq!((said.status, said.code), (404, 19));
    let said = fixture.raw("DELETE", "/api/v1/cainfo", None, b"");
    assert_eq!((said.status, said.code), (405, 1));
    assert_eq!(fixture.raw("GET", "/cainfo", None, b"").status, 404);
}
