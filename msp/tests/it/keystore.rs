//! MSP folders, signers made from files, the cache and the attributes.

use std::sync::Arc;

use carecord_msp::keystore::{self, Folder};
use carecord_msp::{Msp, MspManager, MspVersion, Signer, SigningIdentity};
use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::{
    CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit,
};
use prost::Message;
use rcgen::CustomExtension;

use crate::made::{
    Ca, ORG1, manager, manager_of, node_ou_config, p256, params, pem, serialized, signer,
};

#[test]
fn a_written_folder_is_read_back_as_msp_and_signer() {
    let (ca, tls) = (Ca::root("ca.org1"), Ca::root("tlsca.org1"));
    let (der, key) = ca.leaf("peer0.org1", &["peer"]);
    let (ca_pem, tls_pem, leaf, key) = (ca.pem(), tls.pem(), pem(&der), key.serialize_pem());
    let folder = Folder {
        ca_certs: &[("ca.org1-cert.pem", &ca_pem)],
        tls_ca_certs: &[("tlsca.org1-cert.pem", &tls_pem)],
        sign_cert: Some(("peer0.org1-cert.pem", leaf.as_bytes())),
        private_key: Some(key.as_bytes()),
        admin_certs: &[],
        node_ous: true,
    };
    let dir = tempfile::tempdir().unwrap();
    folder.write(dir.path()).unwrap();

    let config = keystore::load_msp_config(dir.path(), ORG1).unwrap();
    let node_ous = Some(keystore::default_node_ous(&ca_pem));
    let expected = keystore::msp_config_from(
        ORG1,
        std::slice::from_ref(&ca_pem),
        std::slice::from_ref(&tls_pem),
        node_ous,
    );
    assert_eq!(config, expected);
    let msp = Arc::new(Msp::new(&config, MspVersion::V1_4_3).unwrap());
    assert_eq!(msp.tls_root_certs(), std::slice::from_ref(&tls_pem));
    let manager = MspManager::new(vec![msp]);
    assert_eq!(manager.msp_ids().collect::<Vec<_>>(), [ORG1]);

    let signer = keystore::load_signing_identity(dir.path(), ORG1).unwrap();
    let identity = manager.identity(&signer.serialized()).unwrap();
    identity.validate().unwrap();
    identity.verify_strict(b"m", &signer.sign(b"m").unwrap()).unwrap();
    assert_eq!(signer.certificate_der(), der);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = dir.path().join("keystore/priv_sk").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("user", &["client"]);
    let other = p256().serialize_pem();
    let why = SigningIdentity::from_pem(ORG1, pem(&der).as_bytes(), other.as_bytes()).unwrap_err();
    assert_eq!(why.to_string(), "the private key is not the certificate's");
    let why = SigningIdentity::from_pem(ORG1, b"x", other.as_bytes()).unwrap_err();
    assert_eq!(why.to_string(), "no PEM in the certificate");
}

#[test]
fn the_cache_gives_the_same_identity_and_stays_bounded() {
    let ca = Ca::root("ca");
    let manager = manager(&ca);
    let (der, _) = ca.leaf("user", &["client"]);
    let id = serialized(ORG1, pem(&der));
    let first = manager.identity(&id).unwrap();
    assert!(Arc::ptr_eq(&first, &manager.identity(&id).unwrap()));
    let leading = serialized(ORG1, format!("x\n{}", pem(&der)));
    let other = manager.identity(&leading).unwrap();
    assert!(!Arc::ptr_eq(&first, &other), "other bytes are another entry");
    assert_eq!(first.identifier(), other.identifier());
    // many forms of one certificate, more than the cache holds
    let mut kept = Vec::new();
    for i in 0..6_000 {
        let id = serialized(ORG1, format!("{i}\n{}", pem(&der)));
        kept.push((Arc::downgrade(&manager.identity(&id).unwrap()), id));
    }
    let alive = kept.iter().filter(|(identity, _)| identity.strong_count() > 0).count();
    assert!((1..=4_096).contains(&alive), "{alive} identities are held");
}

#[test]
fn attributes_of_a_fabric_ca_are_read() {
    let ca = Ca::root("ca");
    let mut with = params("user", &["client"]);
    let json = br#"{"attrs":{"hf.Affiliation":"org1","role":"nurse"}}"#;
    let oid = [1, 2, 3, 4, 5, 6, 7, 8, 1];
    with.custom_extensions = vec![CustomExtension::from_oid_content(&oid, json.to_vec())];
    let manager = manager(&ca);
    let read = |params: &rcgen::CertificateParams| {
        let id = serialized(ORG1, pem(&ca.issue(params, &p256())));
        manager.identity(&id).unwrap().attributes()
    };
    let expected = [("hf.Affiliation", "org1"), ("role", "nurse")];
    assert_eq!(read(&with), expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    assert_eq!(read(&params("user", &["client"])).len(), 0);
}

fn principal(kind: Classification, message: &impl Message) -> MspPrincipal {
    MspPrincipal {
        principal_classification: kind.into(),
        principal: message.encode_to_vec().into(),
    }
}

fn role(msp_id: &str, role: i32) -> MspPrincipal {
    principal(Classification::Role, &MspRole { msp_identifier: msp_id.into(), role })
}

#[test]
fn principals_of_every_kind_are_answered() {
    let ca = Ca::root("ca");
    let (der, key) = ca.leaf("user", &["client"]);
    let (other, _) = ca.leaf("other", &["client"]);
    let identity = manager(&ca).identity(&signer(&der, &key).serialized()).unwrap();
    let ou = |name: &str, certifiers: &[u8]| {
        principal(
            Classification::OrganizationUnit,
            &OrganizationUnit {
                msp_identifier: ORG1.into(),
                organizational_unit_identifier: name.into(),
                certifiers_identifier: certifiers.to_vec().into(),
            },
        )
    };
    let certifiers = identity.ous()[0].certifiers_identifier.clone();
    let is = |der: &[u8]| MspPrincipal {
        principal_classification: Classification::Identity.into(),
        principal: serialized(ORG1, pem(der)).into(),
    };
    let anonymity = |anonymity_type| {
        principal(Classification::Anonymity, &MspIdentityAnonymity { anonymity_type })
    };
    let combined = |principals: Vec<MspPrincipal>| {
        principal(Classification::Combined, &CombinedPrincipal { principals })
    };
    let unknown = MspPrincipal { principal_classification: 9, ..MspPrincipal::default() };
    for (name, principal, expected) in [
        ("member", role(ORG1, 0), None),
        ("client", role(ORG1, 2), None),
        ("peer", role(ORG1, 3), Some("The identity does not contain OU [PEER], MSP: [Org1MSP]")),
        ("no such role", role(ORG1, 9), Some("invalid MSP role type 9")),
        ("member elsewhere", role("Org2MSP", 0), Some("(expected Org2MSP, got Org1MSP)")),
        ("own unit", ou("client", &certifiers), None),
        ("unit, no certifier", ou("client", &[]), Some("The identities do not match")),
        ("other unit", ou("peer", &certifiers), Some("The identities do not match")),
        ("itself", is(&der), None),
        ("somebody else", is(&other), Some("The identities do not match")),
        ("nominal", anonymity(0), None),
        ("anonymous", anonymity(1), Some("does not support anonymous identities")),
        ("unknown anonymity", anonymity(2), Some("Unknown principal anonymity type: 2")),
        ("both", combined(vec![role(ORG1, 0), combined(vec![role(ORG1, 2)])]), None),
        ("not both", combined(vec![role(ORG1, 0), role(ORG1, 3)]), Some("OU [PEER]")),
        ("none combined", combined(vec![]), Some("No principals in CombinedPrincipal")),
        ("unknown kind", unknown, Some("invalid principal type 9")),
    ] {
        let got = identity.satisfies(&principal).map_err(|why| why.to_string());
        match expected {
            None => assert_eq!(got, Ok(()), "{name}"),
            Some(part) => assert!(got.as_ref().is_err_and(|w| w.contains(part)), "{name}: {got:?}"),
        }
    }
}

#[test]
fn combined_principals_may_be_deep_and_need_version_1_3() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("user", &["client"]);
    let id = serialized(ORG1, pem(&der));
    let mut deep = role(ORG1, 0);
    for _ in 0..20_000 {
        deep = principal(Classification::Combined, &CombinedPrincipal { principals: vec![deep] });
        if deep.principal.len() > 40_000 {
            break;
        }
    }
    let identity = manager(&ca).identity(&id).unwrap();
    assert_eq!(identity.satisfies(&deep), Ok(()));
    let mut config = node_ou_config(&[&ca]);
    config.fabric_node_ous = None;
    let early = manager_of(&config, MspVersion::V1_1).identity(&id).unwrap();
    assert_eq!(early.satisfies(&deep).unwrap_err().to_string(), "invalid principal type 4");
}
