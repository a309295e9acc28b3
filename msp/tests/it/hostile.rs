//! Hostile identities and signatures, one test per row of the threat table (M1 to M15).

use std::sync::Arc;
use std::time::Instant;

use carecord_msp::{MspVersion, Signer, is_well_formed};
use rcgen::{CustomExtension, KeyPair, SerialNumber, date_time_ymd};

use crate::made::{
    Ca, ORG1, ca_params, manager, manager_of, msp_of, node_ou_config, p256, params, pem,
    serialized, signer,
};

const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The verdict on a certificate shown as an identity: read, then validated.
fn verdict(manager: &carecord_msp::MspManager, id: &[u8]) -> Result<(), String> {
    let identity = manager.identity(id).map_err(|why| why.to_string())?;
    identity.validate().map_err(|why| why.to_string())
}

/// Splits a DER signature into its two numbers' contents.
fn numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let r_len = usize::from(der[3]);
    (der[4..4 + r_len].to_vec(), der[6 + r_len..].to_vec())
}

fn sequence(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30, (4 + r.len() + s.len()) as u8, 0x02, r.len() as u8];
    out.extend_from_slice(r);
    out.extend_from_slice(&[0x02, s.len() as u8]);
    out.extend_from_slice(s);
    out
}

/// The order minus a number, as the content of an INTEGER.
fn mirrored(s: &[u8]) -> Vec<u8> {
    let order = hex::decode(P256_ORDER).unwrap();
    let s = [&[0; 33][..], s].concat();
    let s = &s[s.len() - 32..];
    let mut out = [0u8; 33];
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let digit = i16::from(order[i]) - i16::from(s[i]) - borrow;
        borrow = i16::from(digit < 0);
        out[i + 1] = (digit + 256 * borrow) as u8;
    }
    let skip = out.windows(2).take_while(|w| w[0] == 0 && w[1] & 0x80 == 0).count();
    out[skip..].to_vec()
}

#[test]
fn m1_a_high_s_is_refused() {
    let ca = Ca::root("ca");
    let (der, key) = ca.leaf("user", &["client"]);
    let signer = signer(&der, &key);
    let manager = manager(&ca);
    let identity = manager.identity(&signer.serialized()).unwrap();
    for message in [&b""[..], b"a", &[7; 100_000]] {
        let signature = signer.sign(message).unwrap();
        identity.verify(message, &signature).unwrap();
        identity.verify_strict(message, &signature).unwrap();
        let (r, s) = numbers(&signature);
        let high = sequence(&r, &mirrored(&s));
        let why = identity.verify(message, &high).unwrap_err().to_string();
        assert!(why.contains("Invalid S. Must be smaller than half the order"), "{why}");
    }
}

#[test]
fn m2_the_validator_takes_the_encodings_that_go_takes_and_ingress_one_only() {
    let ca = Ca::root("ca");
    let (der, key) = ca.leaf("user", &["client"]);
    let signer = signer(&der, &key);
    let identity = manager(&ca).identity(&signer.serialized()).unwrap();
    let signature = signer.sign(b"m").unwrap();
    let (r, s) = numbers(&signature);
    let order = [&[0][..], &hex::decode(P256_ORDER).unwrap()].concat();
    let behind = [&signature[..], &[0]].concat();
    let mut behind_s = signature.clone();
    behind_s[1] += 2;
    behind_s.extend_from_slice(&[0x05, 0x00]);
    let long_length = [&[0x30, 0x81, signature[1]], &signature[2..]].concat();
    for (name, bytes, validator, ingress) in [
        ("canonical", signature.clone(), true, true),
        ("bytes behind", behind, true, false),
        ("bytes behind S", behind_s, true, false),
        ("long length", long_length, false, false),
        ("indefinite length", vec![0x30, 0x80, 0, 0], false, false),
        ("empty", vec![], false, false),
        ("zero R", sequence(&[0], &s), false, false),
        ("zero S", sequence(&r, &[0]), false, false),
        ("negative S", sequence(&r, &[0x80]), false, false),
        ("R is the order", sequence(&order, &s), false, false),
        ("S is the order", sequence(&r, &order), false, false),
        ("numbers swapped", sequence(&s, &r), false, false),
    ] {
        assert_eq!(identity.verify(b"m", &bytes).is_ok(), validator, "{name}, validator");
        assert_eq!(identity.verify_strict(b"m", &bytes).is_ok(), ingress, "{name}, ingress");
    }
    assert!(identity.verify(b"n", &signature).is_err());
}

#[test]
fn m3_m4_pem_is_read_as_go_reads_it_and_the_strict_form_is_stricter() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("user", &["client"]);
    let manager = manager(&ca);
    let text = pem(&der);
    let headers = text.replacen("-----\n", "-----\nProc: x\n\n", 1);
    for (name, shown, valid, well_formed) in [
        ("as written", text.clone(), true, true),
        ("leading text", format!("hello\n{text}"), true, true),
        ("trailing newline", format!("{text}\n"), true, false),
        ("trailing text", format!("{text}x"), true, false),
        ("headers", headers, true, true),
        ("another type", text.replace("CERTIFICATE", "X"), true, false),
        ("no block", "x".into(), false, false),
        ("nothing", String::new(), false, false),
    ] {
        let id = serialized(ORG1, shown);
        assert_eq!(verdict(&manager, &id).is_ok(), valid, "{name}, validity");
        assert_eq!(is_well_formed(&id).is_ok(), well_formed, "{name}, form");
    }
    let why = verdict(&manager, &serialized(ORG1, "x")).unwrap_err();
    assert_eq!(why, "could not decode the PEM structure");
}

#[test]
fn m5_one_certificate_under_other_bytes_is_one_identity() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("user", &["client"]);
    let manager = manager(&ca);
    let tbs = signed_part(&der);
    let signature = &der[der.len() - 72..];
    let start = signature.iter().position(|b| *b == 0x30).unwrap();
    let (r, s) = numbers(&signature[start..]);
    let forms = [der.clone(), assembled(tbs, &sequence(&r, &mirrored(&s)))];
    let mut seen = Vec::new();
    for form in &forms {
        for text in [pem(form), format!("x\n{}\n\n", pem(form))] {
            let identity = manager.identity(&serialized(ORG1, text)).unwrap();
            identity.validate().unwrap();
            seen.push(identity.identifier().to_string());
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

/// The header and the whole length of the element at the start of `der`.
fn extent(der: &[u8]) -> (usize, usize) {
    let count = usize::from(der[1].saturating_sub(0x80));
    let long = der[2..2 + count].iter().fold(0, |n, b| n << 8 | usize::from(*b));
    let length = if count == 0 { usize::from(der[1]) } else { long };
    (2 + count, 2 + count + length)
}

/// A certificate of a signed part and a signature, P-256 with SHA-256.
pub(crate) fn assembled(tbs: &[u8], signature: &[u8]) -> Vec<u8> {
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let bits = [&[0x03, 1 + signature.len() as u8, 0x00], signature].concat();
    let length = tbs.len() + algorithm.len() + bits.len();
    let head = [0x30, 0x82, (length >> 8) as u8, length as u8];
    [&head[..], tbs, &algorithm, &bits].concat()
}

/// The signed part of a certificate.
pub(crate) fn signed_part(der: &[u8]) -> &[u8] {
    let inside = &der[extent(der).0..];
    &inside[..extent(inside).1]
}

#[test]
fn m6_the_same_endorser_many_times_costs_one_certificate_check() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("peer", &["peer"]);
    let manager = manager(&ca);
    let id = serialized(ORG1, pem(&der));
    let first = manager.identity(&id).unwrap();
    for _ in 0..10_000 {
        assert!(Arc::ptr_eq(&first, &manager.identity(&id).unwrap()));
    }
}

#[test]
fn m7_validity_does_not_change_with_time() {
    let ca = Ca::root("ca");
    let manager = manager(&ca);
    for (name, from, to) in [
        ("expired", date_time_ymd(2026, 1, 1), date_time_ymd(2026, 1, 2)),
        ("not yet valid", date_time_ymd(2045, 1, 1), date_time_ymd(2046, 1, 1)),
    ] {
        let mut params = params("user", &["client"]);
        (params.not_before, params.not_after) = (from, to);
        let der = ca.issue(&params, &p256());
        let identity = manager.identity(&serialized(ORG1, pem(&der))).unwrap();
        assert_eq!(identity.validate(), Ok(()), "{name}");
        assert_eq!(identity.not_before(), from.unix_timestamp());
        assert!(identity.has_expired(to.unix_timestamp() + 1));
        assert!(!identity.has_expired(to.unix_timestamp()));
    }
}

#[test]
fn m8_a_revocation_counts_if_the_issuer_signed_the_list() {
    let ca = Ca::root("ca");
    let clone = Ca::root("ca");
    let intermediate = ca.intermediate("ica");
    let serial = [0x12, 0x34];
    let mut params = params("user", &["client"]);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let der = ca.issue(&params, &p256());
    let mut broken = ca.crl(&[&serial]).to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for (name, list, revoked) in [
        ("the issuer's list", ca.crl(&[&serial]), true),
        ("a list of others", ca.crl(&[&[0x12, 0x35]]), false),
        ("a list of a CA of the same name", clone.crl(&[&serial]), false),
        ("a list with a bad signature", broken.into(), false),
    ] {
        let mut config = node_ou_config(&[&ca]);
        config.revocation_list = vec![list];
        let got = verdict(&manager_of(&config, MspVersion::V1_4_3), &serialized(ORG1, pem(&der)));
        let why = "could not validate identity against certification chain: The certificate has been \
                   revoked";
        assert_eq!(got, if revoked { Err(why.to_string()) } else { Ok(()) }, "{name}");
    }

    let mut config = node_ou_config(&[&ca]);
    config.intermediate_certs = vec![intermediate.pem()];
    let own_serial = intermediate.params.serial_number.clone();
    assert!(own_serial.is_none(), "rcgen chose the serial number");
    let serial_of = |der: &[u8]| {
        let at = der.windows(3).position(|w| w == [0x02, 0x01, 0x02]).unwrap() + 3;
        der[at + 2..at + 2 + usize::from(der[at + 1])].to_vec()
    };
    let revoked = serial_of(&intermediate.der);
    config.revocation_list = vec![ca.crl(&[&revoked])];
    let why = msp_of(&config, MspVersion::V1_4_3).unwrap_err().to_string();
    assert!(why.ends_with("The certificate has been revoked"), "{why}");
}

#[test]
fn m9_a_ca_is_nobody() {
    let ca = Ca::root("ca");
    let why = verdict(&manager(&ca), &serialized(ORG1, ca.pem())).unwrap_err();
    assert!(
        why.contains("An X509 certificate with Basic Constraint: Certificate Authority"),
        "{why}"
    );
}

#[test]
fn m10_only_one_chain_to_a_known_root_counts() {
    let ca = Ca::root("ca");
    let manager = manager(&ca);
    let unknown = "certificate signed by unknown authority";

    let (leaf, leaf_key) = ca.leaf("leaf", &["client"]);
    let of_leaf = Ca { params: params("leaf", &["client"]), key: leaf_key, der: leaf };
    let (below, _) = of_leaf.leaf("below", &["client"]);
    let (foreign, _) = Ca::root("other").leaf("user", &["client"]);
    let (cloned, _) = Ca::root("ca").leaf("user", &["client"]);
    let own_key = p256();
    let self_signed = params("user", &["client"]).self_signed(&own_key).unwrap().der().to_vec();
    for (name, der) in [
        ("signed by a leaf", below),
        ("unknown root", foreign),
        ("a root of the same name with another key", cloned),
        ("self-signed", self_signed),
    ] {
        let why = verdict(&manager, &serialized(ORG1, pem(&der))).unwrap_err();
        assert!(why.contains(unknown), "{name}: {why}");
    }

    // the same CA key under two root certificates: two chains
    let mut renewed = ca_params("ca");
    renewed.not_after = date_time_ymd(2050, 1, 1);
    let renewed = renewed.self_signed(&ca.key).unwrap();
    let mut config = node_ou_config(&[&ca]);
    config.fabric_node_ous = None;
    let (user, _) = ca.leaf("user", &["client"]);
    config.admins = vec![pem(&user).into()];
    config.root_certs.push(pem(renewed.der()).into());
    let why = msp_of(&config, MspVersion::V1_4_3).unwrap_err().to_string();
    assert_eq!(why, "this MSP only supports a single validation chain, got 2");
}

#[test]
fn m11_exactly_one_role_from_the_right_certifier() {
    let (ca, other) = (Ca::root("ca"), Ca::root("other"));
    let manager = manager_of(&node_ou_config(&[&ca, &other]), MspVersion::V1_4_3);
    let none =
        "the identity does not have an OU that resolves to client, peer, orderer, or admin role";
    let several = "the identity must have a client, a peer, an orderer, or an admin OU role to be \
                   valid, not a combination of them";
    for (name, issuer, ous, expected) in [
        ("one role", &ca, &["client"][..], None),
        ("a role and another unit", &ca, &["sales", "peer"], None),
        ("no unit", &ca, &[], Some(none)),
        ("no role", &ca, &["sales"], Some(none)),
        ("two roles", &ca, &["client", "admin"], Some(several)),
        ("one role twice", &ca, &["client", "client"], Some(several)),
        ("another certifier", &other, &["client"], Some("certifiersIdentifier does not match")),
    ] {
        let got = verdict(&manager, &serialized(ORG1, pem(&with_units(issuer, ous))));
        match expected {
            None => assert_eq!(got, Ok(()), "{name}"),
            Some(part) => {
                assert!(got.as_ref().is_err_and(|why| why.contains(part)), "{name}: {got:?}")
            }
        }
    }
}

/// A leaf with several units. rcgen holds each attribute once, so units get other numbers first and are renamed.
fn with_units(issuer: &Ca, ous: &[&str]) -> Vec<u8> {
    const FIRST_PLACEHOLDER: u8 = 90;
    const ORGANIZATIONAL_UNIT: u8 = 11;
    let mut params = params("u", &[]);
    for (i, ou) in ous.iter().enumerate() {
        let placeholder = vec![2, 5, 4, u64::from(FIRST_PLACEHOLDER) + i as u64];
        params.distinguished_name.push(rcgen::DnType::CustomDnType(placeholder), *ou);
    }
    let der = issuer.issue(&params, &p256());
    resign(issuer, &der, |tbs| {
        for i in 0..ous.len() {
            let oid = [0x06, 0x03, 0x55, 0x04, FIRST_PLACEHOLDER + i as u8];
            let at = tbs.windows(oid.len()).position(|w| w == oid).unwrap();
            tbs[at + 4] = ORGANIZATIONAL_UNIT;
        }
    })
}

/// Changes the signed part of a certificate and signs it again.
fn resign(issuer: &Ca, der: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    use rcgen::SigningKey;
    let mut tbs = signed_part(der).to_vec();
    change(&mut tbs);
    assembled(&tbs, &issuer.key.sign(&tbs).unwrap())
}

#[test]
fn m12_a_certificate_is_not_an_identity_of_another_organisation() {
    let (ca1, ca2) = (Ca::root("ca1"), Ca::root("ca2"));
    let mut config2 = node_ou_config(&[&ca2]);
    config2.name = "Org2MSP".into();
    let msps = [node_ou_config(&[&ca1]), config2]
        .map(|config| Arc::new(msp_of(&config, MspVersion::V1_4_3).unwrap()));
    let (der, _) = ca1.leaf("user", &["client"]);
    let spoofed = serialized("Org2MSP", pem(&der));
    let why = msps[0].identity(&spoofed).unwrap_err().to_string();
    assert_eq!(why, "expected MSP ID Org1MSP, received Org2MSP");
    let manager = carecord_msp::MspManager::new(msps.to_vec());
    assert!(verdict(&manager, &spoofed).is_err());
    assert_eq!(verdict(&manager, &serialized(ORG1, pem(&der))), Ok(()));
    let why = verdict(&manager, &serialized("Org3MSP", pem(&der))).unwrap_err();
    assert_eq!(why, "MSP Org3MSP is not defined on channel");
}

#[test]
fn m13_kinds_of_keys_are_taken_as_the_version_says() {
    let ca = Ca::root("ca");
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    for (name, key, version, expected) in [
        ("Ed25519 before V3_0", &ed25519, MspVersion::V1_4_3, Some("Ed25519 is not supported")),
        ("Ed25519 from V3_0", &ed25519, MspVersion::V3_0, None),
        ("P-384", &p384, MspVersion::V1_4_3, None),
        ("P-521", &p521, MspVersion::V1_4_3, None),
    ] {
        let der = ca.issue(&params("user", &["client"]), key);
        let signer = signer(&der, key);
        let identity = manager_of(&node_ou_config(&[&ca]), version).identity(&signer.serialized());
        let identity = identity.unwrap();
        let verdict = identity.validate().map_err(|why| why.to_string());
        match expected {
            Some(part) => {
                assert!(verdict.as_ref().is_err_and(|w| w.ends_with(part)), "{name}: {verdict:?}")
            }
            None => assert_eq!(verdict, Ok(()), "{name}"),
        }
        let signature = signer.sign(b"message").unwrap();
        identity.verify(b"message", &signature).unwrap();
        identity.verify_strict(b"message", &signature).unwrap();
        assert!(identity.verify(b"messagf", &signature).is_err(), "{name}");
    }
}

#[test]
fn m14_bloated_certificates_are_answered_quickly() {
    let ca = Ca::root("ca");
    let manager = manager(&ca);
    let mut many_names = params("user", &["client"]);
    many_names.subject_alt_names = (0..10_000)
        .map(|i| rcgen::SanType::DnsName(format!("host{i}.example.com").try_into().unwrap()))
        .collect();
    let mut large = params("user", &["client"]);
    large.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![7; 1 << 20])];
    for (name, params) in [("10,000 names", many_names), ("1 MiB", large)] {
        let id = serialized(ORG1, pem(&ca.issue(&params, &p256())));
        let start = Instant::now();
        let first = manager.identity(&id).unwrap();
        first.validate().unwrap();
        assert!(
            start.elapsed().as_millis() < 500,
            "{name}: {:?} in a debug build",
            start.elapsed()
        );
        // what is too large is not kept
        assert!(!Arc::ptr_eq(&first, &manager.identity(&id).unwrap()), "{name}");
    }
}

#[test]
fn m14_chains_and_constraints_without_end_are_given_up() {
    // Two hundred CAs one below the other: no more signatures are checked than Go checks.
    let mut chain = vec![Ca::root("root")];
    for depth in 1..=200 {
        let below = chain.last().unwrap().intermediate(&format!("ca{depth}"));
        chain.push(below);
    }
    let mut config = node_ou_config(&[&chain[0]]);
    config.intermediate_certs = chain[1..].iter().map(Ca::pem).collect();
    let start = Instant::now();
    let why = msp_of(&config, MspVersion::V1_4_3).unwrap_err().to_string();
    assert!(why.contains("signature check attempts limit reached"), "{why}");
    assert!(start.elapsed().as_secs() < 10, "{:?} in a debug build", start.elapsed());

    // A thousand constraints over a thousand names: a million comparisons are not made.
    let excluded = |i| rcgen::GeneralSubtree::DnsName(format!("x{i}.example.org"));
    let constrained = rcgen::NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: (0..1_000).map(excluded).collect(),
    };
    let mut ca = ca_params("constrained");
    ca.name_constraints = Some(constrained);
    let root = Ca::root_with(ca, &rcgen::PKCS_ECDSA_P256_SHA256);
    let manager = manager(&root);
    let mut bomb = params("user", &["client"]);
    bomb.subject_alt_names = (0..1_000)
        .map(|i| rcgen::SanType::DnsName(format!("host{i}.example.com").try_into().unwrap()))
        .collect();
    let id = serialized(ORG1, pem(&root.issue(&bomb, &p256())));
    let start = Instant::now();
    let why = verdict(&manager, &id).unwrap_err();
    assert!(why.contains("too many name constraints"), "{why}");
    assert!(start.elapsed().as_millis() < 500, "{:?} in a debug build", start.elapsed());
}

#[test]
fn an_msp_of_another_kind_is_refused() {
    let config = carecord_proto::msp::MspConfig { r#type: 1, ..Default::default() };
    let why = carecord_msp::Msp::new(&config, MspVersion::V1_4_3).unwrap_err();
    assert_eq!(why.to_string(), "Setup error: unsupported msp type 1");
}

#[test]
fn m15_a_ca_needs_a_key_identifier() {
    let ca = Ca::root("ca");
    let broken = resign(&ca, &ca.der, |tbs| {
        let at = tbs.windows(5).position(|w| w == [0x06, 0x03, 0x55, 0x1d, 14]).unwrap();
        tbs[at + 4] = 99;
    });
    let mut config = node_ou_config(&[&ca]);
    config.root_certs = vec![pem(&broken).into()];
    let why = msp_of(&config, MspVersion::V1_4_3).unwrap_err().to_string();
    assert!(
        why.starts_with("CA Certificate problem with Subject Key Identifier extension, (SN: "),
        "{why}"
    );
}
