//! From a match to a visit, and P7: what happens when somebody does not come.

use carecord_chaincode::serde_json::{Value, json};
use carecord_health::appointments::{
    DECLINES_MAX, EARLY_SECONDS, GRACE_SECONDS, words::MatchStatus,
};

use super::clinic::{Clinic, DAY, HOUR, Who};
use crate::town::{Person, nobody};

/// A patient with a match of a batch for a slot in two days.
fn matched(clinic: &mut Clinic) -> (Person, String, String) {
    let patient = clinic.new_patient();
    let request = clinic.request(&patient, 2);
    clinic.publish(Who::Doctor, &[2 * DAY]);
    clinic.run();
    let made = clinic.last_match(&patient);
    assert_eq!(made.status, MatchStatus::Offered);
    (patient, request, made.id.to_string())
}

fn doctor(clinic: &mut Clinic) -> Person {
    std::mem::replace(&mut clinic.doctor, nobody())
}

fn status(clinic: &mut Clinic, person: &Person, id: &str) -> MatchStatus {
    let found: carecord_health::appointments::model::Match =
        clinic.town.ok(&person.identity, &["appointments:GetMatch", id]);
    found.status
}

#[test]
fn a_visit_goes_through_its_states_and_no_step_can_be_skipped() {
    let mut clinic = Clinic::new();
    let (patient, request, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    let start = clinic.last_match(&patient).start;
    let steps = [
        ("Accept", true, start - DAY),
        ("Confirm", false, start - DAY),
        ("CheckIn", false, start - EARLY_SECONDS),
        ("Start", true, start + 60),
        ("Stop", true, start + 60 + 17 * 60),
    ];
    for (at, (function, by_doctor, when)) in steps.iter().enumerate() {
        clinic.town.ledger.now = *when;
        for (later, by_doctor, _) in &steps[at + 1..] {
            refuse_step(&mut clinic, if *by_doctor { &doctor } else { &patient }, later, &id);
        }
        let caller = if *by_doctor { &doctor } else { &patient };
        match *function {
            "Confirm" => drop(clinic.confirm(caller, &id)),
            _ => drop(clinic.act(caller, function, &id)),
        }
    }
    assert_eq!(status(&mut clinic, &doctor, &id), MatchStatus::Done);
    assert_eq!(clinic.request_of(&patient, &request)["status"], "served");
    for (function, by_doctor, _) in steps {
        refuse_step(&mut clinic, if by_doctor { &doctor } else { &patient }, function, &id);
    }
    // The next request of the patient knows the doctor.
    clinic.request(&patient, 2);
    clinic.doctor = doctor;
    clinic.publish(Who::Doctor, &[DAY]);
    clinic.run();
    assert_eq!(clinic.last_match(&patient).score.continuity, 100);
}

fn refuse_step(clinic: &mut Clinic, caller: &Person, function: &str, id: &str) {
    match function {
        "Confirm" => {
            let args = ["appointments:Confirm", id, DEPOSIT];
            clinic.town.refused(&caller.identity, &args, "CR-CC-050");
        }
        _ => clinic.refuse(caller, function, id, "CR-CC-050"),
    }
}

const DEPOSIT: &str = r#"{"mode":"uni","amount":"60"}"#;

#[test]
fn each_step_belongs_to_one_side_and_strangers_see_nothing() {
    let mut clinic = Clinic::new();
    let (patient, _, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    let stranger = clinic.new_patient();
    let other = std::mem::replace(&mut clinic.other_doctor, nobody());
    clinic.refuse(&patient, "Accept", &id, "CR-CC-020");
    let confirm = ["appointments:Confirm", id.as_str(), DEPOSIT];
    clinic.town.refused(&doctor.identity, &confirm, "CR-CC-020");
    clinic.town.refused(&stranger.identity, &confirm, "CR-CC-030");
    for function in ["Decline", "CheckIn", "Stop", "NoShow", "GetMatch"] {
        clinic.refuse(&stranger, function, &id, "CR-CC-030");
    }
    for function in ["Accept", "Decline", "Release", "Start", "Stop", "NoShow", "GetMatch"] {
        clinic.refuse(&other, function, &id, "CR-CC-030");
    }
}

#[test]
fn p7_a_doctor_who_declines_bumps_the_request_which_is_matched_with_another() {
    let mut clinic = Clinic::new();
    let (patient, request, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Decline", &id);
    let open = clinic.request_of(&patient, &request);
    assert_eq!((&open["status"], &open["bumps"]), (&"open".into(), &1.into()));
    clinic.pass(HOUR);
    clinic.publish(Who::Other, &[3 * DAY]);
    clinic.run();
    let made = clinic.last_match(&patient);
    assert_eq!(made.practitioner.as_str(), clinic.other_doctor.id);
    // The slot that was declined is free for the next patient.
    let next = clinic.new_patient();
    clinic.request(&next, 3);
    clinic.run();
    assert_eq!(clinic.last_match(&next).practitioner.as_str(), doctor.id);
}

#[test]
fn p7_a_doctor_who_does_not_come_bumps_the_request() {
    let mut clinic = Clinic::new();
    let (patient, request, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Accept", &id);
    clinic.confirm(&patient, &id);
    let start = clinic.last_match(&patient).start;
    clinic.town.ledger.now = start;
    clinic.refuse(&patient, "NoShow", &id, "CR-CC-050");
    clinic.act(&patient, "CheckIn", &id);
    clinic.pass(GRACE_SECONDS - 1);
    clinic.refuse(&patient, "NoShow", &id, "CR-CC-050");
    clinic.refuse(&doctor, "NoShow", &id, "CR-CC-050");
    clinic.pass(1);
    clinic.act(&patient, "NoShow", &id);
    let open = clinic.request_of(&patient, &request);
    assert_eq!((&open["status"], &open["bumps"]), (&"open".into(), &1.into()));
    clinic.publish(Who::Other, &[DAY]);
    clinic.run();
    assert_eq!(clinic.last_match(&patient).practitioner.as_str(), clinic.other_doctor.id);
}

#[test]
fn p7_a_patient_who_does_not_come_loses_the_request() {
    let mut clinic = Clinic::new();
    let (patient, request, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Accept", &id);
    clinic.confirm(&patient, &id);
    clinic.town.ledger.now = clinic.last_match(&patient).start + GRACE_SECONDS - 1;
    clinic.refuse(&doctor, "NoShow", &id, "CR-CC-050");
    clinic.pass(1);
    clinic.act(&doctor, "NoShow", &id);
    assert_eq!(clinic.request_of(&patient, &request)["status"], "closed");
    clinic.refuse(&patient, "CheckIn", &id, "CR-CC-050");
}

#[test]
fn p7_a_cancelled_visit_gives_its_slot_to_who_waits() {
    let mut clinic = Clinic::new();
    let (patient, request, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Accept", &id);
    clinic.confirm(&patient, &id);
    let waiting = clinic.new_patient();
    clinic.request(&waiting, 3);
    clinic.run();
    clinic.act(&patient, "Cancel", &request);
    assert_eq!(status(&mut clinic, &patient, &id), MatchStatus::Cancelled);
    clinic.pass(HOUR);
    clinic.run();
    let made = clinic.last_match(&waiting);
    assert_eq!(made.practitioner.as_str(), doctor.id);
    clinic.refuse(&patient, "Cancel", &request, "CR-CC-050");
}

#[test]
fn a_patient_who_turns_three_matches_down_has_to_ask_again() {
    let mut clinic = Clinic::new();
    let patient = clinic.new_patient();
    let request = clinic.request(&patient, 2);
    for turned_down in 1..=DECLINES_MAX {
        // A doctor who was turned down is not offered again: each time another one.
        let kind = carecord_chaincode::test_util::KeyKind::P256;
        let admin = clinic.town_admin();
        let doctor = crate::town::register(&mut clinic.town.ledger, &admin, "practitioner", kind);
        let args = ["appointments:Qualify", &doctor.id, "[\"internal\"]"];
        let _: Value = clinic.town.ok(&admin, &args);
        let profile = r#"{"languages":["en"],"inNetwork":[],"rate":1,"dailyCap":480}"#;
        let _: Value = clinic.town.ok(&doctor.identity, &["appointments:SetProfile", profile]);
        clinic.doctor = doctor;
        clinic.publish(Who::Doctor, &[2 * DAY]);
        clinic.run();
        let id = clinic.last_match(&patient).id.to_string();
        clinic.act(&patient, "Decline", &id);
        let found = clinic.request_of(&patient, &request);
        let expected = if turned_down == DECLINES_MAX { "closed" } else { "open" };
        assert_eq!((&found["status"], &found["bumps"]), (&expected.into(), &0.into()));
        clinic.pass(60);
    }
}

#[test]
fn confirming_puts_the_deposit_in_or_changes_nothing() {
    let mut clinic = Clinic::new();
    let (patient, _, id) = matched(&mut clinic);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Accept", &id);
    // Without money, or with less than the visit costs, nothing happens at all: `refused` compares the whole state.
    let confirm = |deposit: &'static str| ["appointments:Confirm", &id, deposit].map(str::to_owned);
    for (deposit, code) in [
        (DEPOSIT, "CR-CC-062"),
        (r#"{"mode":"uni","amount":"39"}"#, "CR-CC-010 INVALID_ARGUMENT at /deposit/amount"),
        (r#"{"mode":"uni","amount":"0"}"#, "CR-CC-010"),
        (r#"{"mode":"uni","amount":"60","payeeAmount":"5"}"#, "CR-CC-010"),
    ] {
        let args = confirm(deposit);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        clinic.town.refused(&patient.identity, &args, code);
    }
    let confirmed = clinic.confirm(&patient, &id);
    let held = crate::money::held(&clinic.town.ledger, "CARE");
    assert_eq!(held[&format!("p:{}", patient.id)], 40);
    let escrow: u128 =
        held.iter().filter(|(k, _)| k.starts_with("e:channel:")).map(|(_, v)| v).sum();
    assert_eq!(escrow, 60);
    let channel = confirmed.channel.unwrap();
    let found: Value = clinic.town.ok(&doctor.identity, &["channels:Get", channel.as_str()]);
    assert_eq!(found["appointment"], json!(id));
    assert_eq!((&found["rate"], &found["status"]), (&json!("2"), &json!("open")));
    crate::money::assert_conserved(&clinic.town.ledger);
}

#[test]
fn an_insured_visit_needs_no_deposit() {
    let mut clinic = Clinic::new();
    let patient = clinic.new_patient();
    let mut body = clinic.new_request(2);
    body["terms"]["pay"] = json!({"insurance": "InsurerMSP"});
    let _: Value = clinic.town.ok(&patient.identity, &["appointments:Request", &body.to_string()]);
    clinic.publish(Who::Doctor, &[2 * DAY]);
    clinic.run();
    let made = clinic.last_match(&patient);
    assert_eq!(made.score.cost, 150);
    let doctor = doctor(&mut clinic);
    clinic.act(&doctor, "Accept", made.id.as_str());
    let args = ["appointments:Confirm", made.id.as_str(), r#"{"mode":"uni","amount":"0"}"#];
    let confirmed: Value = clinic.town.ok(&patient.identity, &args);
    assert_eq!((&confirmed["status"], &confirmed["channel"]), (&json!("confirmed"), &Value::Null));
}
