//! Rows M3 to M5 in the words of the strict form, and M13 for keys that rcgen does not make by itself.

use carecord_msp::{MspVersion, is_well_formed};
use rcgen::{KeyPair, SigningKey};

use crate::hostile::{assembled, signed_part};
use crate::made::{
    Ca, ORG1, ca_params, manager, manager_of, node_ou_config, params, pem, serialized,
};

#[test]
fn m3_m4_m5_the_strict_form_says_what_it_minds() {
    let ca = Ca::root("ca");
    let (der, _) = ca.leaf("user", &["client"]);
    let text = pem(&der);
    for (shown, expected) in [
        (format!("{text}x"), " has trailing bytes"),
        (text.replace("CERTIFICATE", "X"), "pem type is X, should be 'CERTIFICATE' or missing"),
        (pem(&long_signature(&der)), " has a non canonical signature"),
        ("x".to_owned(), "PEM decoding resulted in an empty block"),
    ] {
        let why = is_well_formed(&serialized(ORG1, shown)).unwrap_err().to_string();
        assert!(why.contains(expected), "{why} lacks {expected}");
    }
    is_well_formed(&serialized(ORG1, text)).unwrap();
}

/// The certificate with two bytes more behind the numbers of its signature.
fn long_signature(der: &[u8]) -> Vec<u8> {
    let start = (der.len() - 74..der.len() - 68)
        .find(|at| der[*at] == 0x30 && *at + 2 + usize::from(der[*at + 1]) == der.len())
        .expect("it ends with a sequence");
    let mut signature = der[start..].to_vec();
    signature[1] += 2;
    signature.extend_from_slice(&[0x05, 0x00]);
    let mut longer = [&der[..start], &signature].concat();
    longer[start - 2] += 2;
    let length = u16::from_be_bytes([longer[2], longer[3]]) + 2;
    longer[2..4].copy_from_slice(&length.to_be_bytes());
    longer
}

/// The base point of P-224, as somebody's public key.
fn p224() -> Vec<u8> {
    const ALGORITHM: [u8; 18] = [
        0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
        0x04, 0x00, 0x21,
    ];
    const POINT: &str = "04b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21\
                         bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34";
    let string = [&[0x03, 58, 0x00][..], &hex::decode(POINT).unwrap()].concat();
    let length = (ALGORITHM.len() + string.len()) as u8;
    [&[0x30, length][..], &ALGORITHM, &string].concat()
}

/// The certificate with another public key in place of its P-256 one, signed again.
fn with_key(ca: &Ca, der: &[u8], key: &[u8]) -> Vec<u8> {
    const P256_KEY: [u8; 4] = [0x30, 0x59, 0x30, 0x13];
    let old = signed_part(der);
    let at = old.windows(4).position(|window| window == P256_KEY).unwrap();
    let inside = [&old[4..at], key, &old[at + 2 + usize::from(P256_KEY[1])..]].concat();
    let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
    let tbs = [&[0x30, 0x82][..], &length, &inside].concat();
    assembled(&tbs, &ca.key.sign(&tbs).unwrap())
}

#[test]
fn m13_a_signer_with_an_rsa_key_is_refused_with_the_algorithm_named() {
    let ca = Ca::root("ca");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let der = ca.issue(&params("user", &["client"]), &rsa);
    let identity = manager(&ca).identity(&serialized(ORG1, pem(&der))).unwrap();
    let why = identity.validate().unwrap_err().to_string();
    assert_eq!(why, "could not validate identity's public key algorithm: RSA is not supported");
    let why = identity.verify(b"message", b"signature").unwrap_err().to_string();
    assert!(why.contains("Unsupported 'VerifyKey' provided"), "{why}");
}

/// Fabric takes it, so a validator that refused it would fork the chain; we have no way to sign with it.
#[test]
fn m13_a_p224_key_is_judged_as_fabric_judges_it() {
    let ca = Ca::root("ca");
    let der = with_key(&ca, &ca.leaf(&"user".repeat(15), &["client"]).0, &p224());
    let identity = manager(&ca).identity(&serialized(ORG1, pem(&der))).unwrap();
    assert_eq!(identity.validate(), Ok(()));
    assert!(identity.verify(b"message", b"signature").is_err());
}

#[test]
fn m13_an_rsa_authority_above_an_ecdsa_signer_is_accepted() {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let params = ca_params("ca");
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let ca = Ca { params, key, der };
    let (leaf, _) = ca.leaf("user", &["client"]);
    let manager = manager_of(&node_ou_config(&[&ca]), MspVersion::V1_4_3);
    let identity = manager.identity(&serialized(ORG1, pem(&leaf))).unwrap();
    assert_eq!(identity.validate(), Ok(()));
}
