//! Callers are read from certificates.

use carecord_chaincode::{
    Caller,
    test_util::{KeyKind, TestIdentity},
};

#[test]
fn role_organisation_and_key_come_from_the_creator() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let identity = TestIdentity::with("HospitalAMSP", Some("practitioner"), kind);
        let caller = Caller::from_creator(identity.creator()).unwrap();
        assert_eq!(caller.msp_id, "HospitalAMSP");
        assert_eq!(caller.role(), Some("practitioner"));
        assert_eq!(caller.key_hash.len(), 64);
        assert!(caller.subject.contains("a random pseudonym"));
    }
}

#[test]
fn a_certificate_without_attributes_has_no_role() {
    let identity = TestIdentity::with("HospitalAMSP", None, KeyKind::P256);
    assert_eq!(identity.caller().role(), None);
}

#[test]
fn what_is_no_certificate_is_refused() {
    for bad in [b"".as_slice(), b"\xff\xff", b"\x0a\x03abc\x12\x03xyz"] {
        assert!(Caller::from_creator(bad).is_err());
    }
}
