//! Picking: first commit wins, the best first, and what giving back costs.

use carecord_chaincode::{serde_json::Value, test_util::Verdict};
use carecord_health::appointments::{
    ANSWER_SECONDS, FREE_PICKS, MEMORY_SECONDS, words::PickReason,
};

use super::clinic::{Clinic, DAY, HOUR, Who};
use crate::town::{Person, assert_valid};

/// So many patients with one request each, made an hour apart, oldest first.
fn queue(clinic: &mut Clinic, requests: usize) -> Vec<(Person, String)> {
    let mut made = Vec::new();
    for _ in 0..requests {
        let patient = clinic.new_patient();
        let id = clinic.request(&patient, 3);
        made.push((patient, id));
        clinic.pass(HOUR);
    }
    made
}

#[test]
fn two_doctors_pick_the_same_request_and_exactly_one_gets_it() {
    let mut clinic = Clinic::new();
    let patient = clinic.new_patient();
    let request = clinic.request(&patient, 2);
    let (one, two) = (clinic.publish(Who::Doctor, &[DAY]), clinic.publish(Who::Other, &[DAY]));
    let pick = |clinic: &mut Clinic, who: Who, slot: &str| {
        let doctor = clinic.doctor(who).identity.clone();
        let args = ["appointments:Claim", request.as_str(), slot];
        clinic.town.ledger.simulate("health", &doctor, &args)
    };
    let (first, second) =
        (pick(&mut clinic, Who::Doctor, &one[0]), pick(&mut clinic, Who::Other, &two[0]));
    assert_valid(&clinic.town.ledger.commit(first));
    let late = clinic.town.ledger.commit(second);
    assert!(matches!(late.verdict, Verdict::ReadConflict | Verdict::PhantomRead));
    let other = clinic.other_doctor.identity.clone();
    clinic.town.refused(&other, &["appointments:Claim", &request, &two[0]], "CR-CC-050");
    let made = clinic.last_match(&patient);
    assert_eq!(made.practitioner.as_str(), clinic.doctor.id);
    assert_eq!(made.pick.unwrap().rank, 1);
}

#[test]
fn a_pick_beyond_the_best_needs_a_reason_that_stays() {
    let mut clinic = Clinic::new();
    let queue = queue(&mut clinic, FREE_PICKS as usize + 1);
    let slots = clinic.publish(Who::Doctor, &[2 * DAY, 3 * DAY]);
    let doctor = clinic.doctor.identity.clone();
    let newest = &queue.last().unwrap().1;
    let args = ["appointments:Claim", newest, &slots[0]];
    clinic.town.refused(&doctor, &args, "CR-CC-051");
    // The third best is free to pick, and then the newest is among the best.
    let third: Value = clinic.town.ok(&doctor, &["appointments:Claim", &queue[2].1, &slots[1]]);
    assert_eq!((&third["pick"]["rank"], &third["pick"]["reason"]), (&3.into(), &Value::Null));
    let third: Value = clinic.town.ok(&doctor, &args);
    assert_eq!(third["pick"]["rank"], 3);
    assert_eq!(third["status"], "accepted");
}

#[test]
fn a_reason_is_kept_with_the_match_only_where_it_was_needed() {
    let mut clinic = Clinic::new();
    let queue = queue(&mut clinic, 5);
    let slots = clinic.publish(Who::Doctor, &[2 * DAY, 3 * DAY]);
    let doctor = clinic.doctor.identity.clone();
    let because = |clinic: &mut Clinic, request: &str, slot: &str| -> Value {
        let reason = PickReason::Expertise.as_str();
        clinic.town.ok(&doctor, &["appointments:ClaimBecause", request, slot, reason])
    };
    let made = because(&mut clinic, &queue[4].1, &slots[0]);
    assert_eq!((&made["pick"]["rank"], &made["pick"]["reason"]), (&5.into(), &"expertise".into()));
    let made = because(&mut clinic, &queue[0].1, &slots[1]);
    assert_eq!((&made["pick"]["rank"], &made["pick"]["reason"]), (&1.into(), &Value::Null));
}

#[test]
fn urgency_comes_before_a_long_wait_when_picking() {
    let mut clinic = Clinic::new();
    let queue = queue(&mut clinic, 3);
    let urgent = clinic.new_patient();
    let first = clinic.request(&urgent, 1);
    let slots = clinic.publish(Who::Doctor, &[2 * DAY, 3 * DAY]);
    let doctor = clinic.doctor.identity.clone();
    let made: Value = clinic.town.ok(&doctor, &["appointments:Claim", &first, &slots[0]]);
    assert_eq!(made["pick"]["rank"], 1);
    let made: Value = clinic.town.ok(&doctor, &["appointments:Claim", &queue[0].1, &slots[1]]);
    assert_eq!(made["pick"]["rank"], 1);
}

#[test]
fn giving_back_costs_free_choice_for_a_month_and_lifts_the_request() {
    let mut clinic = Clinic::new();
    let queue = queue(&mut clinic, 4);
    let slots = clinic.publish(Who::Doctor, &[2 * DAY, 3 * DAY]);
    let doctor = clinic.doctor.identity.clone();
    for (expected, release) in [(FREE_PICKS, true), (FREE_PICKS - 1, true), (1, false)] {
        // The request that was given back excludes the doctor, so each time it is another one.
        let open: Value =
            clinic.town.ok(&doctor, &["appointments:ListOpen", "internal", "", "100"]);
        let excluded = serde_excludes(&open, &clinic.doctor.id);
        let next = queue.iter().find(|(_, id)| !excluded.contains(id)).unwrap();
        let args = ["appointments:Claim", next.1.as_str(), slots[0].as_str()];
        let made: Value = clinic.town.ok(&doctor, &args);
        assert_eq!(made["pick"]["free"], expected);
        if release {
            let id = made["id"].as_str().unwrap().to_owned();
            let _: Value = clinic.town.ok(&doctor, &["appointments:Release", &id]);
            let request = clinic.request_of(&next.0, &next.1);
            assert_eq!((&request["status"], &request["bumps"]), (&"open".into(), &1.into()));
        }
    }
    let stats = ["appointments:Stats", &clinic.doctor.id.clone(), "0", "1000"];
    let found: Value = clinic.town.ok(&doctor, &stats);
    assert_eq!(found["released"], 2);
    clinic.pass(MEMORY_SECONDS + DAY);
    let found: Value = clinic.town.ok(&doctor, &stats);
    assert_eq!(found["released"], 0);
}

fn serde_excludes(open: &Value, doctor: &str) -> Vec<String> {
    let items = open["items"].as_array().unwrap().iter();
    items
        .filter(|r| r["excluded"].as_array().unwrap().iter().any(|id| id == doctor))
        .map(|r| r["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_patient_who_does_not_confirm_in_time_bears_it_and_not_the_doctor() {
    let mut clinic = Clinic::new();
    let patient = clinic.new_patient();
    let request = clinic.request(&patient, 2);
    let slots = clinic.publish(Who::Doctor, &[5 * DAY]);
    let doctor = clinic.doctor.identity.clone();
    let made: Value = clinic.town.ok(&doctor, &["appointments:Claim", &request, &slots[0]]);
    clinic.pass(ANSWER_SECONDS);
    let id = made["id"].as_str().unwrap().to_owned();
    let _: Value = clinic.town.ok(&doctor, &["appointments:Release", &id]);
    let found = clinic.request_of(&patient, &request);
    assert_eq!((&found["bumps"], &found["declines"]), (&0.into(), &1.into()));
    let args = ["appointments:Stats", &clinic.doctor.id.clone(), "0", "1000"];
    let stats: Value = clinic.town.ok(&doctor, &args);
    assert_eq!(stats["released"], 0);
}
