//! Breaking the glass: who may, for how long, how often, what stays shut, and the review.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{KeyKind, TestIdentity},
};
use carecord_health::{
    audit::{Act, Entry},
    consent::{Emergency, Grant, REVIEW_SECONDS, SECONDS},
    page::Page,
    vocabulary::Decision,
};

use crate::town::{
    Person, Town, YEAR, add_record, nobody, open, random_bytes, random_id, register,
};

/// A doctor of hospital B with the right, a patient of hospital A with one record.
struct Ward {
    town: Town,
    admin_a: TestIdentity,
    admin_b: TestIdentity,
    patient: Person,
    doctor: Person,
    auditor: Person,
    record: String,
}

fn ward() -> Ward {
    let mut town = Town::new();
    crate::people!(town: patient, author, doctor, auditor);
    let admin_a = std::mem::replace(&mut town.admin_a, nobody().identity);
    let admin_b = std::mem::replace(&mut town.admin_b, nobody().identity);
    let record = add_record(&mut town, &author, &patient.id);
    let _: Value = town.ok(&admin_b, &["identity:NameEmergency", &doctor.id]);
    let _: Value = town.ok(&admin_a, &["identity:ApproveEmergency", &doctor.id]);
    Ward { town, admin_a, admin_b, patient, doctor, auditor, record }
}

fn stated(patient: &str, full: bool) -> Value {
    json!({"id": random_id(), "patient": patient, "reason": hex::encode(random_bytes::<32>()),
           "full": full})
}

impl Ward {
    fn break_glass(&mut self, full: bool) -> String {
        let body = stated(&self.patient.id, full);
        let args = ["consent:BreakGlass", &body.to_string()];
        let _: Grant = self.town.ok(&self.doctor.identity, &args);
        body["id"].as_str().unwrap().to_owned()
    }

    fn refused(&mut self, full: bool, code: &str) {
        let body = stated(&self.patient.id, full).to_string();
        self.town.refused(&self.doctor.identity, &["consent:BreakGlass", &body], code);
    }

    fn reads(&mut self) -> bool {
        let evidence = open(&mut self.town, &self.doctor, &self.record, "ETREAT");
        evidence.decision == Decision::Permit
    }

    fn set(&mut self, mode: &str, summary: Value) {
        let preset = json!({"mode": mode, "summary": summary}).to_string();
        let _: Value = self.town.ok(&self.patient.identity, &["consent:SetEmergency", &preset]);
    }
}

#[test]
fn the_right_takes_two_organisations_and_either_ends_it() {
    let mut town = Town::new();
    crate::people!(town: patient, doctor);
    let admin_a = std::mem::replace(&mut town.admin_a, nobody().identity);
    let admin_b = std::mem::replace(&mut town.admin_b, nobody().identity);
    let body = stated(&patient.id, true).to_string();
    let glass = ["consent:BreakGlass", &body];
    town.refused(&doctor.identity, &glass, "CR-CC-025");
    town.refused(&admin_a, &["identity:NameEmergency", &doctor.id], "CR-CC-023");
    town.refused(&admin_b, &["identity:NameEmergency", &patient.id], "CR-CC-030");
    town.refused(&admin_a, &["identity:ApproveEmergency", &doctor.id], "CR-CC-030");
    let _: Value = town.ok(&admin_b, &["identity:NameEmergency", &doctor.id]);
    town.refused(&doctor.identity, &glass, "CR-CC-025");
    town.refused(&admin_b, &["identity:ApproveEmergency", &doctor.id], "CR-CC-023");
    town.refused(&doctor.identity, &["identity:ApproveEmergency", &doctor.id], "CR-CC-020");
    let _: Value = town.ok(&admin_a, &["identity:ApproveEmergency", &doctor.id]);
    town.refused(&admin_a, &["identity:ApproveEmergency", &doctor.id], "CR-CC-050");
    let admin_i = std::mem::replace(&mut town.admin_i, nobody().identity);
    town.refused(&admin_i, &["identity:EndEmergency", &doctor.id], "CR-CC-023");
    let _: Value = town.ok(&admin_a, &["identity:EndEmergency", &doctor.id]);
    town.refused(&doctor.identity, &glass, "CR-CC-025");
}

#[test]
fn a_broken_glass_opens_for_four_hours_for_emergency_treatment_and_is_seen() {
    let mut ward = ward();
    assert!(!ward.reads());
    let id = ward.break_glass(true);
    assert!(ward.reads());
    let doctor = &ward.doctor;
    assert_eq!(open(&mut ward.town, doctor, &ward.record, "TREAT").decision, Decision::Deny);
    let trail: Page<Entry> = ward.town.ok(&ward.patient.identity, &["audit:ListMine", "", "100"]);
    let seen = trail.items.iter().find(|e| e.act == Act::BreakGlass).unwrap();
    assert_eq!((seen.actor.as_str(), seen.object.as_str()), (ward.doctor.id.as_str(), id.as_str()));
    ward.town.ledger.now += SECONDS - 1;
    assert!(ward.reads());
    ward.town.ledger.now += 1;
    assert!(!ward.reads());
}

#[test]
fn the_patient_can_end_it_at_once_and_what_they_hid_or_forbid_stays_shut() {
    let mut ward = ward();
    let id = ward.break_glass(true);
    let patient = &ward.patient.identity;
    let _: Value = ward.town.ok(patient, &["records:Hide", &ward.record]);
    assert!(!ward.reads());
    let _: Value = ward.town.ok(&ward.patient.identity, &["records:Unhide", &ward.record]);
    assert!(ward.reads());
    let _: Value = ward.town.ok(&ward.patient.identity, &["consent:Revoke", &id]);
    assert!(!ward.reads());
    let deny = json!({"id": random_id(), "effect": "deny", "grantee": {"subject": ward.doctor.id},
                      "verbs": [], "purposes": [], "until": ward.town.ledger.now + YEAR});
    let _: Value = ward.town.ok(&ward.patient.identity, &["consent:Grant", &deny.to_string()]);
    ward.break_glass(true);
    assert!(!ward.reads());
}

#[test]
fn the_patients_setting_decides_what_opens_and_forbidden_looks_like_nobody() {
    let mut ward = ward();
    let (tag, empty) = (random_id(), json!([]));
    let bad = json!({"mode": "summary", "summary": []}).to_string();
    let patient = &ward.patient.identity;
    ward.town.refused(patient, &["consent:SetEmergency", &bad], "CR-CC-010");
    // Nothing was said to be the summary.
    ward.refused(false, "CR-CC-030");
    ward.set("summary", json!([tag]));
    let id = ward.break_glass(true);
    assert!(!ward.reads(), "the record is not in the summary");
    let _: Value = ward.town.ok(&ward.patient.identity, &["consent:Revoke", &id]);
    ward.set("forbid", empty);
    ward.refused(true, "CR-CC-030");
    let message = |ward: &mut Ward, patient: &str| {
        let body = stated(patient, true).to_string();
        let args = ["consent:BreakGlass", &body];
        ward.town.ledger.submit("health", &ward.doctor.identity, &args).response.message
    };
    let known = ward.patient.id.clone();
    assert_eq!(message(&mut ward, &known), message(&mut ward, &random_id()));
}

#[test]
fn three_a_day_and_none_while_a_review_is_overdue() {
    let mut ward = ward();
    let first = ward.break_glass(true);
    ward.town.ledger.now += 3600;
    let rest = [ward.break_glass(true), ward.break_glass(true)];
    ward.refused(true, "CR-CC-060");
    // A day after the first, one more.
    ward.town.ledger.now += 23 * 3600 + 1;
    let last = ward.break_glass(true);
    ward.refused(true, "CR-CC-060");
    ward.town.ledger.now += REVIEW_SECONDS - 24 * 3600 - 1;
    let overdue = |ward: &mut Ward| -> Vec<String> {
        ward.town.ok(&ward.patient.identity, &["consent:Overdue", &ward.doctor.id])
    };
    assert_eq!(overdue(&mut ward), Vec::<String>::new());
    ward.town.ledger.now += 1;
    assert_eq!(overdue(&mut ward), std::slice::from_ref(&first));
    ward.refused(true, "CR-CC-050");
    for id in [&first, &rest[0], &rest[1], &last] {
        let args = ["consent:ReviewBreakGlass", id, "justified"];
        let _: Emergency = ward.town.ok(&ward.auditor.identity, &args);
        ward.town.refused(&ward.auditor.identity, &args, "CR-CC-050");
    }
    ward.break_glass(true);
}

#[test]
fn another_organisation_reviews_and_an_unjustified_use_ends_the_right() {
    let mut ward = ward();
    let id = ward.break_glass(true);
    let own = register(&mut ward.town.ledger, &ward.admin_b, "auditor", KeyKind::P256);
    let admin_i = std::mem::replace(&mut ward.town.admin_i, nobody().identity);
    let third = register(&mut ward.town.ledger, &admin_i, "auditor", KeyKind::P256);
    let args = ["consent:ReviewBreakGlass", &id, "unjustified"];
    for who in [&own, &third] {
        ward.town.refused(&who.identity, &args, "CR-CC-030");
        ward.town.refused(&who.identity, &["consent:GetEmergency", &id], "CR-CC-030");
    }
    ward.town.refused(&ward.doctor.identity, &args, "CR-CC-020");
    let seen: Emergency = ward.town.ok(&ward.patient.identity, &["consent:GetEmergency", &id]);
    assert_eq!(seen.review, None);
    let _: Emergency = ward.town.ok(&ward.auditor.identity, &args);
    ward.refused(true, "CR-CC-025");
    // Both organisations have to give it anew.
    let _: Value = ward.town.ok(&ward.admin_b, &["identity:NameEmergency", &ward.doctor.id]);
    ward.refused(true, "CR-CC-025");
    let _: Value = ward.town.ok(&ward.admin_a, &["identity:ApproveEmergency", &ward.doctor.id]);
    ward.break_glass(true);
}

#[test]
fn at_one_hospital_an_auditor_of_another_reviews() {
    let mut ward = ward();
    let patient = register(&mut ward.town.ledger, &ward.admin_b, "patient", KeyKind::P256);
    let body = stated(&patient.id, true);
    let args = ["consent:BreakGlass", &body.to_string()];
    let _: Grant = ward.town.ok(&ward.doctor.identity, &args);
    let own = register(&mut ward.town.ledger, &ward.admin_b, "auditor", KeyKind::P256);
    let args = ["consent:ReviewBreakGlass", body["id"].as_str().unwrap(), "justified"];
    ward.town.refused(&own.identity, &args, "CR-CC-030");
    let _: Emergency = ward.town.ok(&ward.auditor.identity, &args);
}
