//! Organisations, people and keys.

use base64::{Engine, engine::general_purpose::STANDARD};
use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{KeyKind, TestIdentity},
};
use carecord_health::{
    ids::{Id, Kid},
    keys::{self, EncryptionKey},
    model::Subject,
};
use carecord_msp::{Signer, SigningIdentity};

use crate::{
    people,
    town::{Town, key_registration, random_bytes, random_id, registration_of, signed_registration},
};

#[test]
fn an_organisation_registers_itself_once() {
    let mut town = Town::new();
    let stranger = TestIdentity::new("HospitalCMSP", "hospital-admin");
    let org: Value = town.ok(&stranger, &["identity:RegisterOrg", "hospital"]);
    assert_eq!(org["msp"], "HospitalCMSP");
    town.refused(&stranger, &["identity:RegisterOrg", "insurer"], "CR-CC-040");
    let orgs: Vec<Value> = town.ok(&stranger, &["identity:Orgs"]);
    assert_eq!(orgs.len(), 5);
}

#[test]
fn a_person_needs_an_administrator_of_a_registered_organisation_of_the_right_kind() {
    let mut town = Town::new();
    let (id, hash) = (random_id(), hex::encode(random_bytes::<32>()));
    let stranger = TestIdentity::new("NewMSP", "hospital-admin");
    town.refused(&stranger, &["identity:RegisterPatient", &id, &hash], "CR-CC-021");
    let insurer = std::mem::replace(&mut town.admin_i, TestIdentity::new("X", "x"));
    town.refused(&insurer, &["identity:RegisterPatient", &id, &hash], "CR-CC-021");
    town.refused(&insurer, &["identity:RegisterPractitioner", &id, &hash], "CR-CC-021");
    town.refused(&insurer, &["identity:RegisterMember", &id, &hash, "researcher"], "CR-CC-021");
    town.refused(&insurer, &["identity:RegisterMember", &id, &hash, "patient"], "CR-CC-010");
    let doctor = TestIdentity::new("HospitalAMSP", "practitioner");
    town.refused(&doctor, &["identity:RegisterPatient", &id, &hash], "CR-CC-020");
}

#[test]
fn neither_pseudonym_nor_key_can_be_registered_twice() {
    let mut town = Town::new();
    let admin = std::mem::replace(&mut town.admin_b, TestIdentity::new("X", "x"));
    let taken = town.patient.id.clone();
    let key = town.patient.identity.caller().key_hash.clone();
    let fresh = hex::encode(random_bytes::<32>());
    town.refused(&admin, &["identity:RegisterPatient", &taken, &fresh], "CR-CC-040");
    town.refused(&admin, &["identity:RegisterPatient", &random_id(), &key], "CR-CC-040");
}

#[test]
fn ids_and_hashes_have_to_look_like_random_bits() {
    let mut town = Town::new();
    let admin = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    let hash = hex::encode(random_bytes::<32>());
    for bad in ["", "john-doe", "0123456789ABCDEF0123456789ABCDEF", "123"] {
        town.refused(&admin, &["identity:RegisterPatient", bad, &hash], "CR-CC-003");
    }
    town.refused(&admin, &["identity:RegisterPatient", &random_id(), "abc"], "CR-CC-003");
}

#[test]
fn a_key_counts_only_with_its_owners_signature_over_everything() {
    let mut town = Town::new();
    let admin = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    let identity = TestIdentity::new("HospitalAMSP", "patient");
    let id = random_id();
    let _: Value = town.ok(&admin, &["identity:RegisterPatient", &id, &identity.caller().key_hash]);
    let good = key_registration(&identity, &id, "care", 1, None);
    let mut bad = vec![
        key_registration(&admin, &id, "care", 1, None),
        key_registration(&identity, &random_id(), "care", 1, None),
        key_registration(&identity, &id, "other", 1, None),
    ];
    for (field, value) in [
        ("key", key_registration(&identity, &id, "care", 1, None)["key"].clone()),
        ("kid", json!(random_id())),
        ("suite", json!(2)),
        ("signature", json!("AAAA")),
        ("key", json!("not base64!")),
    ] {
        let mut changed = good.clone();
        changed[field] = value;
        bad.push(changed);
    }
    for registration in bad {
        let args = ["identity:RegisterKey", &registration.to_string()];
        town.refused(&identity, &args, "CR-CC-070");
    }
    let late = key_registration(&identity, &id, "care", 2, None).to_string();
    town.refused(&identity, &["identity:RegisterKey", &late], "CR-CC-050");
    let _: Value = town.ok(&identity, &["identity:RegisterKey", &good.to_string()]);
    let again = key_registration(&identity, &id, "care", 1, None).to_string();
    town.refused(&identity, &["identity:RegisterKey", &again], "CR-CC-050");
}

#[test]
fn a_key_of_small_order_is_neither_registered_nor_rotated_to_even_if_signed() {
    let mut town = Town::new();
    let admin = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    let identity = TestIdentity::new("HospitalAMSP", "patient");
    let id = random_id();
    let _: Value = town.ok(&admin, &["identity:RegisterPatient", &id, &identity.caller().key_hash]);
    let sign = |statement: &[u8]| identity.sign(statement);
    let zero = registration_of(&[0; 32], &sign, &id, "care", 1, None).to_string();
    town.refused(&identity, &["identity:RegisterKey", &zero], "CR-CC-070");
    let good = key_registration(&identity, &id, "care", 1, None);
    let _: Value = town.ok(&identity, &["identity:RegisterKey", &good.to_string()]);
    let zero = registration_of(&[0; 32], &sign, &id, "care", 2, good["kid"].as_str()).to_string();
    town.refused(&identity, &["identity:RotateKey", &zero], "CR-CC-070");
}

#[test]
fn a_key_id_that_its_owner_made_up_is_refused_even_if_signed() {
    let mut town = Town::new();
    people!(town: patient);
    let me: Subject = town.ok(&patient.identity, &["identity:Me"]);
    let first = me.encryption_key.unwrap().registration.kid;
    let mut next =
        key_registration(&patient.identity, &patient.id, "care", 2, Some(first.as_str()));
    let made_up = Kid::new(random_id()).unwrap();
    let key = STANDARD.decode(next["key"].as_str().unwrap()).unwrap();
    let id = Id::new(patient.id.as_str()).unwrap();
    let statement = keys::statement("care", &id, &made_up, 1, &key, 2, Some(&first));
    next["signature"] = json!(STANDARD.encode(patient.identity.sign(&statement)));
    next["kid"] = json!(made_up);
    town.refused(&patient.identity, &["identity:RotateKey", &next.to_string()], "CR-CC-070");
}

#[test]
fn nobody_can_register_a_key_for_somebody_else() {
    let mut town = Town::new();
    let victim = town.patient.id.clone();
    people!(town: doctor);
    let current: Subject = town.ok(&doctor.identity, &["identity:Me"]);
    let kid = current.encryption_key.unwrap().registration.kid;
    // The caller is always the subject: a statement for another subject never fits.
    let forged = key_registration(&doctor.identity, &victim, "care", 2, Some(kid.as_str()));
    town.refused(&doctor.identity, &["identity:RotateKey", &forged.to_string()], "CR-CC-070");
}

#[test]
fn a_rotated_key_follows_on_the_one_before_and_the_chain_can_be_read() {
    let mut town = Town::new();
    people!(town: patient);
    let me: Subject = town.ok(&patient.identity, &["identity:Me"]);
    let first = me.encryption_key.unwrap().registration.kid;
    let wrong = key_registration(&patient.identity, &patient.id, "care", 2, None).to_string();
    town.refused(&patient.identity, &["identity:RotateKey", &wrong], "CR-CC-050");
    let next = key_registration(&patient.identity, &patient.id, "care", 2, Some(first.as_str()));
    let args = ["identity:RotateKey", &next.to_string()];
    let done = town.ledger.submit("health", &patient.identity, &args);
    let (name, payload) = done.event.unwrap();
    assert_eq!(name, "RewrapNeeded");
    let change: Value = carecord_chaincode::serde_json::from_slice(&payload).unwrap();
    assert_eq!((&change["previous"], &change["seq"]), (&json!(first), &json!(2)));
    let chain: Vec<EncryptionKey> = town.ok(&patient.identity, &["identity:Keys", &patient.id]);
    let seqs: Vec<u64> = chain.iter().map(|k| k.registration.seq).collect();
    assert_eq!(seqs, [1, 2]);
    let kid = next["kid"].as_str().unwrap();
    town.refused(&patient.identity, &["identity:RevokeKey", first.as_str()], "CR-CC-050");
    let _: Value = town.ok(&patient.identity, &["identity:RevokeKey", kid]);
    town.refused(&patient.identity, &["identity:RevokeKey", kid], "CR-CC-050");
}

#[test]
fn a_suspended_person_can_do_nothing_until_reinstated() {
    let mut town = Town::new();
    people!(town: doctor);
    let admin_a = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    let admin_b = std::mem::replace(&mut town.admin_b, TestIdentity::new("X", "x"));
    town.refused(&admin_a, &["identity:Suspend", &doctor.id], "CR-CC-023");
    town.refused(&admin_b, &["identity:Suspend", &random_id()], "CR-CC-030");
    let _: Value = town.ok(&admin_b, &["identity:Suspend", &doctor.id]);
    town.refused(&admin_b, &["identity:Suspend", &doctor.id], "CR-CC-050");
    town.refused(&doctor.identity, &["identity:Me"], "CR-CC-022");
    town.refused(&doctor.identity, &["records:Open", &random_id(), "TREAT"], "CR-CC-022");
    let _: Value = town.ok(&admin_b, &["identity:Reinstate", &doctor.id]);
    let _: Value = town.ok(&doctor.identity, &["identity:Me"]);
}

#[test]
fn a_certificate_of_another_role_or_unknown_key_is_nobody() {
    let mut town = Town::new();
    let unknown = TestIdentity::new("HospitalAMSP", "practitioner");
    town.refused(&unknown, &["identity:Me"], "CR-CC-022");
    // Registered as a practitioner, but the certificate says patient.
    let identity = TestIdentity::new("HospitalAMSP", "patient");
    let admin = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    let hash = identity.caller().key_hash.clone();
    let _: Value = town.ok(&admin, &["identity:RegisterPractitioner", &random_id(), &hash]);
    town.refused(&identity, &["identity:Me"], "CR-CC-022");
}

#[test]
fn all_three_kinds_of_certificate_keys_can_vouch_for_an_encryption_key() {
    let mut town = Town::new();
    let admin = std::mem::replace(&mut town.admin_a, TestIdentity::new("X", "x"));
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let identity = TestIdentity::with("HospitalAMSP", Some("patient"), kind);
        let caller = identity.caller();
        let pem = |tag, der: &[u8]| pem::encode(&pem::Pem::new(tag, der)).into_bytes();
        let certificate = pem("CERTIFICATE", &caller.certificate);
        let key = pem("PRIVATE KEY", &identity.private_key());
        let signer = SigningIdentity::from_pem(&caller.msp_id, &certificate, &key).unwrap();
        let id = random_id();
        let _: Value = town.ok(&admin, &["identity:RegisterPatient", &id, &caller.key_hash]);
        let sign = |statement: &[u8]| signer.sign(statement).unwrap();
        let key = signed_registration(&sign, &id, "care", 1, None).to_string();
        let _: Value = town.ok(&identity, &["identity:RegisterKey", &key]);
        let me: Subject = town.ok(&identity, &["identity:Me"]);
        assert!(me.encryption_key.is_some(), "{kind:?}");
    }
}

#[test]
fn a_profile_is_a_commitment_and_nothing_else() {
    let mut town = Town::new();
    people!(town: patient);
    let commitment = hex::encode(random_bytes::<32>());
    let _: Value = town.ok(&patient.identity, &["identity:UpsertProfile", &commitment]);
    town.refused(&patient.identity, &["identity:UpsertProfile", "Jane Roe"], "CR-CC-003");
    // Others see the person, not the profile.
    people!(town: doctor);
    let public: Value = town.ok(&doctor.identity, &["identity:Get", &patient.id]);
    assert_eq!(public.get("profile"), None);
    town.refused(&doctor.identity, &["identity:Get", &random_id()], "CR-CC-030");
}
