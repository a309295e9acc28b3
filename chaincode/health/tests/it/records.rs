//! Adding, opening, hiding and listing records.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{KeyKind, Verdict},
};
use carecord_health::{model::Record, page::Page, vocabulary::Decision};

use crate::{
    people,
    town::{
        Town, YEAR, add_record, grant_to, new_record, open, random_bytes, random_cid, random_id,
        register,
    },
};

#[test]
fn a_practitioner_of_the_home_hospital_adds_and_the_patient_opens() {
    let mut town = Town::new();
    people!(town: patient, author);
    let record = add_record(&mut town, &author, &patient.id);
    let evidence = open(&mut town, &patient, &record, "PATRQT");
    assert_eq!(evidence.decision, Decision::Permit);
    assert_eq!(evidence.version, 1);
    assert!(evidence.data_key.is_some() && evidence.recipient.is_some());
}

#[test]
fn the_granted_doctor_opens_and_everyone_else_is_denied_by_a_valid_transaction() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor, other_patient, insurer, researcher);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Permit);
    for (reader, purpose) in [
        (&other_doctor, "TREAT"),
        (&author, "TREAT"),
        (&insurer, "HPAYMT"),
        (&researcher, "HRESCH"),
        (&other_patient, "PATRQT"),
        (&doctor, "ETREAT"),
        (&doctor, "HPAYMT"),
    ] {
        let evidence = open(&mut town, reader, &record, purpose);
        assert_eq!(evidence.decision, Decision::Deny);
        assert_eq!((evidence.data_key, evidence.recipient, evidence.version), (None, None, 0));
        assert_eq!(evidence.expires, evidence.at);
    }
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &grant]);
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
}

#[test]
fn no_consent_and_no_such_record_look_the_same() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let mut denied = open(&mut town, &doctor, &record, "TREAT");
    let absent = open(&mut town, &doctor, &random_id(), "TREAT");
    denied.record = absent.record.clone();
    assert_eq!(denied, absent);
    for (function, expected) in [("consent:Check", None), ("records:Get", Some("CR-CC-030"))] {
        let there = town.ledger.evaluate("health", &doctor.identity, &[function, &record, "TREAT"]);
        let nowhere =
            town.ledger.evaluate("health", &doctor.identity, &[function, &random_id(), "TREAT"]);
        assert_eq!(there, nowhere);
        if let Some(code) = expected {
            assert!(there.message.starts_with(code), "{}", there.message);
        }
    }
}

#[test]
fn strangers_cannot_add_records_and_cannot_tell_whether_the_patient_exists() {
    let mut town = Town::new();
    people!(town: patient, doctor, insurer);
    let there = new_record(&patient.id).to_string();
    let nowhere = new_record(&random_id()).to_string();
    let answers: Vec<_> = [&there, &nowhere]
        .map(|r| town.ledger.evaluate("health", &doctor.identity, &["records:Add", r]))
        .into();
    assert_eq!(answers[0], answers[1]);
    town.refused(&doctor.identity, &["records:Add", &there], "CR-CC-030");
    town.refused(&insurer.identity, &["records:Add", &there], "CR-CC-020");
}

#[test]
fn a_submit_grant_lets_a_foreign_practitioner_add_and_a_denial_stops_even_the_home_hospital() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let until = town.ledger.now + YEAR;
    let permit = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["submit"],
                        "purposes": ["TREAT"], "until": until});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &permit.to_string()]);
    add_record(&mut town, &doctor, &patient.id);
    add_record(&mut town, &author, &patient.id);
    let deny = json!({"id": random_id(), "effect": "deny", "grantee": {"subject": author.id},
                      "verbs": [], "purposes": [], "until": until});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &deny.to_string()]);
    let record = new_record(&patient.id).to_string();
    town.refused(&author.identity, &["records:Add", &record], "CR-CC-030");
}

#[test]
fn every_field_of_a_record_is_checked() {
    let mut town = Town::new();
    people!(town: patient, author);
    for (field, bad, code) in [
        ("id", json!("glucose-2024"), "CR-CC-003 INVALID_ARGUMENT at /record/id"),
        ("patient", json!("Jane"), "CR-CC-003 INVALID_ARGUMENT at /record/patient"),
        ("cid", json!("bafy"), "CR-CC-003 INVALID_ARGUMENT at /record/cid"),
        ("size", json!(0), "CR-CC-010 INVALID_ARGUMENT at /record/size"),
        ("size", json!(1.5), "CR-CC-003 INVALID_ARGUMENT at /record/size"),
        ("suite", json!(9), "CR-CC-010 INVALID_ARGUMENT at /record/suite"),
        ("dataKey", json!("00"), "CR-CC-003 INVALID_ARGUMENT at /record/dataKey"),
        ("commitment", json!("diabetes"), "CR-CC-003 INVALID_ARGUMENT at /record/commitment"),
        ("tags", json!(["psychiatry"]), "CR-CC-003 INVALID_ARGUMENT at /record/tags/0"),
        ("title", json!("HbA1c"), "CR-CC-003 INVALID_ARGUMENT at /record/title"),
        ("author", json!(random_id()), "CR-CC-003 INVALID_ARGUMENT at /record/author"),
    ] {
        let mut record = new_record(&patient.id);
        record[field] = bad;
        town.refused(&author.identity, &["records:Add", &record.to_string()], code);
    }
    let mut many = new_record(&patient.id);
    many["tags"] = (0..17).map(|_| json!(random_id())).collect();
    town.refused(&author.identity, &["records:Add", &many.to_string()], "CR-CC-010");
    let twice =
        format!("{{\"id\":\"{}\",{}", random_id(), &new_record(&patient.id).to_string()[1..]);
    town.refused(&author.identity, &["records:Add", &twice], "CR-CC-003");
    let huge = format!("{}{}", new_record(&patient.id), " ".repeat(70_000));
    town.refused(&author.identity, &["records:Add", &huge], "CR-CC-003");
}

#[test]
fn neither_record_id_nor_data_key_can_be_used_twice() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let first = new_record(&patient.id);
    let _: Value = town.ok(&author.identity, &["records:Add", &first.to_string()]);
    let mut same_id = new_record(&patient.id);
    same_id["id"] = first["id"].clone();
    town.refused(&author.identity, &["records:Add", &same_id.to_string()], "CR-CC-040");
    // The wrap of the first record's key must not be reachable through another record.
    let mut same_key = new_record(&patient.id);
    same_key["dataKey"] = first["dataKey"].clone();
    town.refused(&author.identity, &["records:Add", &same_key.to_string()], "CR-CC-040");
    people!(town: other_patient);
    same_key["patient"] = json!(other_patient.id);
    town.refused(&doctor.identity, &["records:Add", &same_key.to_string()], "CR-CC-040");
}

#[test]
fn versions_follow_on_each_other_and_bring_their_own_data_key() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let version = |number: u64| new_version(&record, number);
    for wrong in [0, 1, 3] {
        let args = ["records:AddVersion", &version(wrong).to_string()];
        town.refused(&author.identity, &args, "CR-CC-050");
    }
    let args = ["records:AddVersion", &version(2).to_string()];
    town.refused(&doctor.identity, &args, "CR-CC-030");
    // Two authors who both saw version 1: the second loses, nothing is overwritten.
    let first = town.ledger.simulate("health", &author.identity, &args);
    let other = version(2).to_string();
    let second = town.ledger.simulate("health", &author.identity, &["records:AddVersion", &other]);
    assert_eq!(town.ledger.commit(first).verdict, Verdict::Valid);
    assert_eq!(town.ledger.commit(second).verdict, Verdict::ReadConflict);
    let history: Vec<Value> = town.ok(&patient.identity, &["records:History", &record, "PATRQT"]);
    assert_eq!(history.len(), 2);
    assert_eq!(open(&mut town, &patient, &record, "PATRQT").version, 2);
}

#[test]
fn a_version_is_added_by_author_owner_or_whoever_may_submit_and_by_no_colleague() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let admin = std::mem::replace(&mut town.admin_a, crate::town::nobody().identity);
    let colleague = register(&mut town.ledger, &admin, "practitioner", KeyKind::P256);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = |effect: &str, grantee: &str, scope: Value, until: i64| {
        json!({"id": random_id(), "effect": effect, "grantee": {"subject": grantee},
               "verbs": ["submit"], "purposes": ["TREAT"], "scope": scope, "until": until})
        .to_string()
    };
    let until = town.ledger.now + YEAR;
    let here = grant("permit", &doctor.id, json!({"records": [record]}), until);
    let elsewhere = grant("permit", &other_doctor.id, json!({"records": [random_id()]}), until);
    for grant in [here, elsewhere] {
        let _: Value = town.ok(&patient.identity, &["consent:Grant", &grant]);
    }
    let mut number = 1;
    for who in [&author, &patient, &doctor] {
        number += 1;
        let version = new_version(&record, number).to_string();
        let _: Value = town.ok(&who.identity, &["records:AddVersion", &version]);
    }
    let next = new_version(&record, number + 1).to_string();
    for who in [&colleague, &other_doctor] {
        town.refused(&who.identity, &["records:AddVersion", &next], "CR-CC-030");
    }
    // The colleague may still add records, and cannot tell a record of others from none.
    add_record(&mut town, &colleague, &patient.id);
    let nowhere = new_version(&random_id(), 2).to_string();
    let answers = [&next, &nowhere].map(|version| {
        town.ledger.evaluate("health", &colleague.identity, &["records:AddVersion", version])
    });
    assert_eq!(answers[0], answers[1]);
    let denied = grant("deny", &author.id, Value::Null, until);
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &denied]);
    town.refused(&author.identity, &["records:AddVersion", &next], "CR-CC-030");
}

fn new_version(record: &str, number: u64) -> Value {
    json!({"id": record, "version": number, "cid": random_cid(), "size": 5, "suite": 1,
           "dataKey": random_id(), "commitment": hex::encode(random_bytes::<32>())})
}

#[test]
fn a_hidden_record_is_the_patients_alone_until_unhidden() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    town.refused(&doctor.identity, &["records:Hide", &record], "CR-CC-020");
    people!(town: other_patient);
    town.refused(&other_patient.identity, &["records:Hide", &record], "CR-CC-030");
    let _: Value = town.ok(&patient.identity, &["records:Hide", &record]);
    town.refused(&patient.identity, &["records:Hide", &record], "CR-CC-050");
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
    assert_eq!(open(&mut town, &patient, &record, "PATRQT").decision, Decision::Permit);
    let mine: Page<Record> = town.ok(&patient.identity, &["records:ListMine", "", "10"]);
    assert_eq!(mine.items.len(), 1);
    let _: Value = town.ok(&patient.identity, &["records:Unhide", &record]);
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Permit);
}

#[test]
fn a_retracted_record_opens_for_its_patient_only_and_takes_no_version() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    town.refused(&doctor.identity, &["records:Retract", &record], "CR-CC-030");
    let _: Value = town.ok(&author.identity, &["records:Retract", &record]);
    town.refused(&author.identity, &["records:Retract", &record], "CR-CC-050");
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
    assert_eq!(open(&mut town, &patient, &record, "PATRQT").decision, Decision::Permit);
}

#[test]
fn a_reader_without_a_usable_key_is_denied() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let kid = open(&mut town, &doctor, &record, "TREAT").recipient.unwrap();
    let _: Value = town.ok(&doctor.identity, &["identity:RevokeKey", kid.as_str()]);
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let mut expected: Vec<String> =
        (0..7).map(|_| add_record(&mut town, &author, &patient.id)).collect();
    expected.sort();
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    for (who, start) in
        [(&patient, vec!["records:ListMine"]), (&doctor, vec!["records:ListForMe", "TREAT"])]
    {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let mut args = start.clone();
            args.extend([after.as_str(), "3"]);
            let page: Page<Record> = town.ok(&who.identity, &args);
            seen.extend(page.items.iter().map(|r| r.id.to_string()));
            if page.next.is_empty() {
                break;
            }
            after = page.next;
        }
        assert_eq!(seen, expected);
    }
    for bad in ["0", "101", "-1", "many"] {
        let answer =
            town.ledger.evaluate("health", &patient.identity, &["records:ListMine", "", bad]);
        assert_eq!(answer.status, 500);
    }
}

#[test]
fn a_doctor_lists_only_what_the_grants_let_them_open() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let visible = add_record(&mut town, &author, &patient.id);
    let hidden = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let _: Value = town.ok(&patient.identity, &["records:Hide", &hidden]);
    let args = ["records:ListForMe", "TREAT", "", "100"];
    let page: Page<Record> = town.ok(&doctor.identity, &args);
    let ids: Vec<_> = page.items.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(ids, [visible]);
    let page: Page<Record> = town.ok(&other_doctor.identity, &args);
    assert_eq!(page.items, []);
}
