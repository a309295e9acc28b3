//! What is refused, and that nothing that means something reaches the ledger.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::Verdict,
};

use super::clinic::{Clinic, DAY, HOUR, Who};
use crate::town::{nobody, random_cid, random_id};

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut clinic = Clinic::new();
    let patient = std::mem::replace(&mut clinic.patient, nobody());
    let now = clinic.now();
    let good = clinic.new_request(2);
    let period = |start: i64, end: i64| json!({"start": start, "end": end});
    for (place, bad, code) in [
        ("/id", json!("mine"), "CR-CC-003 INVALID_ARGUMENT at /request/id"),
        ("/specialty", json!("witchcraft"), "CR-CC-003 INVALID_ARGUMENT at /request/specialty"),
        ("/urgency", json!(0), "CR-CC-010 INVALID_ARGUMENT at /request/urgency"),
        ("/urgency", json!(5), "CR-CC-010 INVALID_ARGUMENT at /request/urgency"),
        ("/terms/periods", json!([]), "CR-CC-010 INVALID_ARGUMENT at /request/terms/periods"),
        ("/terms/periods", json!([period(now - 5, now)]), "CR-CC-010"),
        ("/terms/periods", json!([period(now + 9, now + 5)]), "CR-CC-010"),
        ("/terms/periods", json!([period(now, now + 9), period(now + 8, now + 20)]), "CR-CC-010"),
        ("/terms/pay", json!({"budget": -1}), "CR-CC-003 INVALID_ARGUMENT at /request/terms/pay"),
        ("/terms/pay", json!({"budget": 5, "insurance": "InsurerMSP"}), "CR-CC-003"),
        ("/terms/minutes", json!(0), "CR-CC-010 INVALID_ARGUMENT at /request/terms/minutes"),
        ("/terms/minutes", json!(481), "CR-CC-010"),
        ("/terms/languages", json!(["english"]), "CR-CC-003"),
        ("/terms/languages", json!(vec!["en"; 17]), "CR-CC-010"),
        ("/terms/reach", json!([{"org": "HospitalBMSP", "bucket": 3}]), "CR-CC-010"),
        ("/terms/reach", json!([{"org": "NobodyMSP", "bucket": 0}]), "CR-CC-030"),
        ("/terms/pay", json!({"insurance": "E11.9"}), "CR-CC-030 NOT_FOUND at /request/terms/pay"),
        ("/terms/prefs", json!(vec![random_id(); 17]), "CR-CC-010"),
        ("/terms/mode", json!("by owl"), "CR-CC-003"),
        ("/patient", json!(clinic.other_patient.id), "CR-CC-003 INVALID_ARGUMENT at /request"),
        ("/condition", json!({"cid": random_cid(), "commitment": "E11.9"}), "CR-CC-003"),
    ] {
        let mut body = good.clone();
        match body.pointer_mut(place) {
            Some(field) => *field = bad,
            None => body[&place[1..]] = bad,
        }
        clinic.town.refused(&patient.identity, &["appointments:Request", &body.to_string()], code);
    }
    let args = ["appointments:Request", &good.to_string()];
    let _: Value = clinic.town.ok(&patient.identity, &args);
    clinic.town.refused(&patient.identity, &args, "CR-CC-040");
    let second = clinic.new_request(1).to_string();
    clinic.town.refused(&patient.identity, &["appointments:Request", &second], "CR-CC-050");
}

#[test]
fn slots_that_make_no_sense_or_overlap_are_refused() {
    let mut clinic = Clinic::new();
    let doctor = clinic.doctor.identity.clone();
    let now = clinic.now();
    let slot = |start: i64, end: i64| json!({"id": random_id(), "start": now + start, "end": now + end, "mode": "video"});
    clinic.publish(Who::Doctor, &[DAY]);
    for (slots, code) in [
        (json!([]), "CR-CC-010"),
        (json!([slot(0, 1800)]), "CR-CC-010"),
        (json!([slot(HOUR, HOUR + 299)]), "CR-CC-010"),
        (json!([slot(HOUR, 10 * HOUR)]), "CR-CC-010"),
        (json!([slot(400 * DAY, 400 * DAY + HOUR)]), "CR-CC-010"),
        (
            json!([slot(HOUR, 2 * HOUR), slot(HOUR, 2 * HOUR)]),
            "CR-CC-010 INVALID_ARGUMENT at /slots/1",
        ),
        (json!([slot(DAY - 60, DAY + 600)]), "CR-CC-050 FAILED_PRECONDITION at /slots/0"),
        (json!([slot(DAY + 1799, DAY + 3600)]), "CR-CC-050"),
    ] {
        clinic.town.refused(&doctor, &["appointments:PublishSlots", &slots.to_string()], code);
    }
    // Next to each other is fine, and another doctor's calendar is another one.
    clinic.publish(Who::Doctor, &[DAY - 1800, DAY + 1800]);
    clinic.publish(Who::Other, &[DAY]);
}

#[test]
fn nobody_serves_a_specialty_that_their_own_organisation_does_not_vouch_for() {
    let mut clinic = Clinic::new();
    let other_doctor = clinic.other_doctor.id.clone();
    let author = std::mem::replace(&mut clinic.town.author, nobody());
    let admin_a = clinic.town.admin_a.clone();
    let qualify =
        |id: &str| vec!["appointments:Qualify".to_owned(), id.to_owned(), "[\"eyes\"]".to_owned()];
    let args = qualify(&other_doctor);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    clinic.town.refused(&admin_a, &args, "CR-CC-023");
    clinic.town.refused(&clinic.doctor.identity.clone(), &args, "CR-CC-020");
    let args = qualify(&clinic.patient.id);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    clinic.town.refused(&admin_a, &args, "CR-CC-030");
    // Without it there are no slots, no list and no pick.
    let profile = r#"{"languages":["en"],"inNetwork":[],"rate":1,"dailyCap":480}"#;
    let _: Value = clinic.town.ok(&author.identity, &["appointments:SetProfile", profile]);
    let start = clinic.now() + DAY;
    let slots = json!([{"id": random_id(), "start": start, "end": start + 1800, "mode": "video"}]);
    let publish = ["appointments:PublishSlots", &slots.to_string()];
    clinic.town.refused(&author.identity, &publish, "CR-CC-027");
    let list = ["appointments:ListOpen", "internal", "", "10"];
    clinic.town.refused(&author.identity, &list, "CR-CC-027");
    let patient = clinic.new_patient();
    let request = clinic.request(&patient, 2);
    let _: Value = clinic.town.ok(&admin_a, &["appointments:Qualify", &author.id, "[\"eyes\"]"]);
    let _: Value = clinic.town.ok(&author.identity, &publish);
    let slot = slots[0]["id"].as_str().unwrap();
    let claim = ["appointments:Claim", &request, slot];
    clinic.town.refused(&author.identity, &claim, "CR-CC-027");
    let strangers = ["appointments:Claim", &request, &clinic.publish(Who::Doctor, &[DAY])[0]];
    clinic.town.refused(&author.identity, &strangers, "CR-CC-030");
}

#[test]
fn only_the_patient_amends_and_cancels_and_waiting_goes_on() {
    let mut clinic = Clinic::new();
    let patient = std::mem::replace(&mut clinic.patient, nobody());
    let other = std::mem::replace(&mut clinic.other_patient, nobody());
    let request = clinic.request(&patient, 2);
    let created = clinic.request_of(&patient, &request)["created"].clone();
    clinic.pass(HOUR);
    let terms = clinic.terms().to_string();
    let amend = ["appointments:Amend", request.as_str(), terms.as_str()];
    clinic.town.refused(&other.identity, &amend, "CR-CC-030");
    clinic.refuse(&other, "Cancel", &request, "CR-CC-030");
    clinic.refuse(&other, "Cancel", &random_id(), "CR-CC-030");
    let amended: Value = clinic.town.ok(&patient.identity, &amend);
    assert_eq!(amended["created"], created);
    clinic.act(&patient, "Cancel", &request);
    clinic.town.refused(&patient.identity, &amend, "CR-CC-050");
    clinic.refuse(&patient, "Cancel", &request, "CR-CC-050");
}

#[test]
fn stats_are_for_the_practitioner_and_their_own_administrators() {
    let mut clinic = Clinic::new();
    let patient = clinic.new_patient();
    clinic.request(&patient, 2);
    clinic.publish(Who::Doctor, &[DAY, DAY + HOUR, DAY + 2 * HOUR, DAY + 3 * HOUR]);
    clinic.run();
    let (from, until) = (clinic.now().to_string(), (clinic.now() + 2 * DAY).to_string());
    let doctor = clinic.doctor.id.clone();
    let args = ["appointments:Stats", &doctor, &from, &until];
    let admin = clinic.town_admin();
    let stats: Value = clinic.town.ok(&admin, &args);
    assert_eq!(
        (&stats["slots"], &stats["taken"], &stats["utilisation"]),
        (&4.into(), &1.into(), &250.into())
    );
    let admin_a = clinic.town.admin_a.clone();
    clinic.town.refused(&admin_a, &args, "CR-CC-030");
    let other = clinic.other_doctor.identity.clone();
    clinic.town.refused(&other, &args, "CR-CC-030");
}

#[test]
fn no_free_text_gets_into_any_argument_or_onto_the_ledger() {
    let mut clinic = Clinic::new();
    let patient = std::mem::replace(&mut clinic.patient, nobody());
    let mut request = clinic.new_request(2);
    request["condition"] = json!({"cid": random_cid(), "commitment": "ab".repeat(32)});
    request["terms"]["prefs"] = json!([clinic.doctor.id]);
    let start = clinic.now() + DAY;
    let slots = json!([{"id": random_id(), "start": start, "end": start + 1800, "mode": "video"}]);
    let profile =
        json!({"languages": ["en"], "inNetwork": ["InsurerMSP"], "rate": 2, "dailyCap": 480});
    let doctor = clinic.doctor.identity.clone();
    let tried = crate::leak::refuses_free_text(
        &mut clinic.town,
        &[
            (&patient.identity, "appointments:Request", &request),
            (&doctor, "appointments:PublishSlots", &slots),
            (&doctor, "appointments:SetProfile", &profile),
        ],
    );
    assert!(tried > 150, "{tried}");
    let claim =
        ["appointments:Claim", request["id"].as_str().unwrap(), slots[0]["id"].as_str().unwrap()];
    let done = clinic.town.ledger.submit("health", &doctor, &claim);
    assert_eq!(done.verdict, Verdict::Valid, "{}", done.response.message);
    crate::leak::assert_no_free_text(&clinic.town);
}
