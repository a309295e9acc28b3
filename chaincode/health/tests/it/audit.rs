//! The trail.

use carecord_chaincode::serde_json::Value;
use carecord_health::{
    audit::{Act, Entry},
    page::Page,
    vocabulary::Decision,
};

use crate::{
    people,
    town::{Town, add_record, grant_to, open, random_id, register},
};

fn trail(town: &mut Town, who: &crate::town::Person, function: &str) -> Vec<Entry> {
    let page: Page<Entry> = town.ok(&who.identity, &[function, "", "100"]);
    page.items
}

#[test]
fn each_act_and_each_attempt_is_on_the_patients_trail_in_order() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let tick = |town: &mut Town| town.ledger.now += 1;
    let record = add_record(&mut town, &author, &patient.id);
    tick(&mut town);
    let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    tick(&mut town);
    open(&mut town, &doctor, &record, "TREAT");
    tick(&mut town);
    open(&mut town, &other_doctor, &record, "TREAT");
    tick(&mut town);
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &grant]);
    tick(&mut town);
    open(&mut town, &doctor, &record, "TREAT");
    let entries = trail(&mut town, &patient, "audit:ListMine");
    let told: Vec<_> = entries.iter().map(|e| (e.act, e.actor.as_str(), e.decision)).collect();
    let (permit, deny) = (Decision::Permit, Decision::Deny);
    assert_eq!(
        told,
        [
            (Act::Add, author.id.as_str(), permit),
            (Act::Grant, patient.id.as_str(), permit),
            (Act::Open, doctor.id.as_str(), permit),
            (Act::Open, other_doctor.id.as_str(), deny),
            (Act::Revoke, patient.id.as_str(), permit),
            (Act::Open, doctor.id.as_str(), deny),
        ]
    );
    assert_eq!(entries[2].grants.iter().map(|g| g.as_str()).collect::<Vec<_>>(), [grant]);
}

#[test]
fn a_patient_sees_their_own_trail_only() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author);
    add_record(&mut town, &author, &patient.id);
    assert_eq!(trail(&mut town, &other_patient, "audit:ListMine"), []);
    assert_eq!(trail(&mut town, &patient, "audit:ListMine").len(), 1);
}

#[test]
fn an_auditor_sees_what_concerns_their_organisation() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, auditor);
    let admin_b = std::mem::replace(&mut town.admin_b, crate::town::nobody().identity);
    let kind = carecord_chaincode::test_util::KeyKind::P256;
    let auditor_b = register(&mut town.ledger, &admin_b, "auditor", kind);
    let record = add_record(&mut town, &author, &patient.id);
    // A doctor of hospital B tries a patient of hospital A, and an id that is nobody's.
    open(&mut town, &doctor, &record, "TREAT");
    open(&mut town, &doctor, &random_id(), "TREAT");
    let a: Vec<_> =
        trail(&mut town, &auditor, "audit:ListForAuditor").iter().map(|e| e.act).collect();
    assert_eq!(a, [Act::Add, Act::Open]);
    let b = trail(&mut town, &auditor_b, "audit:ListForAuditor");
    assert_eq!(b.len(), 2);
    assert!(b.iter().all(|e| e.act == Act::Open && e.decision == Decision::Deny));
    assert_eq!(b.iter().filter(|e| e.patient.is_none()).count(), 1);
}

#[test]
fn one_entry_can_be_fetched_by_those_it_concerns() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor, insurer, auditor);
    let record = add_record(&mut town, &author, &patient.id);
    let args = ["records:Open", &record, "TREAT"];
    let tx = town.ledger.submit("health", &doctor.identity, &args).tx_id;
    let args = ["audit:Get", &tx, &record];
    for who in [&patient, &doctor, &auditor] {
        let entry: Entry = town.ok(&who.identity, &args);
        assert_eq!(entry.tx, tx);
    }
    for who in [&other_doctor, &insurer, &author] {
        town.refused(&who.identity, &args, "CR-CC-030");
    }
    town.refused(&patient.identity, &["audit:Get", "last week", &record], "CR-CC-003");
}

#[test]
fn every_open_leaves_exactly_one_entry() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    for i in 0..30 {
        let reader = if i % 3 == 0 { &doctor } else { &other_doctor };
        open(&mut town, reader, &record, "TREAT");
    }
    let opens: Vec<_> = trail(&mut town, &patient, "audit:ListMine")
        .into_iter()
        .filter(|e| e.act == Act::Open)
        .collect();
    assert_eq!(opens.len(), 30);
    assert_eq!(opens.iter().filter(|e| e.decision == Decision::Permit).count(), 10);
}
