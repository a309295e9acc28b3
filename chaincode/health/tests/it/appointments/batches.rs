//! Batches: frozen, run, proven.

use carecord_chaincode::serde_json::{self, Value, json};
use carecord_health::appointments::{
    BATCH_SECONDS, BatchPart,
    matching::{Batch, Solution, assign},
    model::{BatchResult, Handed},
};

use super::clinic::{Clinic, DAY, HOUR, Who};
use crate::town::random_id;

fn frozen(clinic: &mut Clinic, batch: &str) -> Batch {
    let admin = clinic.town_admin();
    let part: BatchPart = clinic.town.ok(&admin, &["appointments:GetBatchPart", batch, "0"]);
    Batch::new(part.demands, part.supplies)
}

/// A matching as the two arguments of `SubmitMatching`.
fn lists(solution: &Solution) -> [String; 2] {
    let handed = carecord_health::appointments::handed(solution);
    [json!(handed.slots).to_string(), json!(handed.prices).to_string()]
}

#[test]
fn a_batch_gives_the_only_slot_to_the_more_urgent_request() {
    let mut clinic = Clinic::new();
    let (patient, urgent) = (clinic.new_patient(), clinic.new_patient());
    let later = clinic.request(&patient, 4);
    clinic.pass(HOUR);
    let first = clinic.request(&urgent, 1);
    clinic.publish(Who::Doctor, &[DAY]);
    let (batch, result) = clinic.run();
    assert_eq!(clinic.request_of(&urgent, &first)["status"], "matched");
    assert_eq!(clinic.request_of(&patient, &later)["status"], "open");
    assert_eq!(result["solvedHere"], true);
    let made = clinic.last_match(&urgent);
    assert_eq!(made.batch.unwrap().as_str(), batch);
    assert_eq!(made.score.total(), 300 + 100 + 100 + 90 + 70);
    let proven: Value =
        clinic.town.ok(&clinic.town_admin(), &["appointments:VerifyMatching", &batch]);
    assert_eq!(proven["total"], result["total"]);
    assert_eq!(proven["fairness"]["matched"], 1);
}

#[test]
fn anyone_can_repeat_a_batch_from_what_was_frozen() {
    let mut clinic = Clinic::new();
    for urgency in [1, 2, 3, 4, 2, 3] {
        let patient = clinic.new_patient();
        clinic.request(&patient, urgency);
        clinic.pass(HOUR);
    }
    clinic.publish(Who::Doctor, &[DAY, DAY + HOUR]);
    clinic.publish(Who::Other, &[DAY, 2 * DAY]);
    let (batch, result) = clinic.run();
    let result: BatchResult = serde_json::from_value(result).unwrap();
    let again = assign(&frozen(&mut clinic, &batch));
    assert_eq!(carecord_health::appointments::handed(&again), result.proof);
    assert_eq!(result.proof.slots.iter().flatten().count(), 4);
    assert!(result.lapsed.is_empty());
}

#[test]
fn a_matching_from_elsewhere_counts_if_its_prices_prove_it() {
    let mut clinic = Clinic::new();
    for urgency in [2, 2, 3] {
        let patient = clinic.new_patient();
        clinic.request(&patient, urgency);
    }
    clinic.publish(Who::Doctor, &[DAY, DAY + HOUR]);
    let batch = clinic.freeze();
    let solution = assign(&frozen(&mut clinic, &batch));
    let admin = clinic.town_admin();
    let hand_in = |clinic: &mut Clinic, solution: &Solution, code: &str| {
        let [slots, prices] = lists(solution);
        let args = ["appointments:SubmitMatching", &batch, &slots, &prices];
        clinic.town.refused(&clinic.town_admin(), &args, code);
    };
    // Two requests change places, one is left out, a price is off: none of it is proven.
    let mut swapped = solution.clone();
    swapped.slots.swap(0, 1);
    if swapped.slots == solution.slots {
        swapped.slots.swap(0, 2);
    }
    hand_in(&mut clinic, &swapped, "CR-CC-070 PROOF_INVALID at /prices");
    let mut fewer = solution.clone();
    *fewer.slots.iter_mut().find(|slot| slot.is_some()).unwrap() = None;
    hand_in(&mut clinic, &fewer, "CR-CC-070");
    let mut cheaper = solution.clone();
    cheaper.prices.iter_mut().for_each(|price| *price = 0);
    hand_in(&mut clinic, &cheaper, "CR-CC-070");
    let nothing = Solution { slots: vec![], prices: vec![] };
    hand_in(&mut clinic, &nothing, "CR-CC-070");
    let handed: Handed = carecord_health::appointments::handed(&solution);
    let [slots, prices] = lists(&solution);
    let args = ["appointments:SubmitMatching", &batch, &slots, &prices];
    let result: BatchResult = clinic.town.ok(&admin, &args);
    assert!(!result.solved_here && result.proof == handed);
    clinic.town.refused(&admin, &args, "CR-CC-050");
    clinic.town.refused(&admin, &["appointments:RunMatching", &batch], "CR-CC-050");
}

#[test]
fn a_pool_has_one_batch_at_a_time_and_a_batch_one_hour() {
    let mut clinic = Clinic::new();
    let batch = clinic.freeze();
    let admin = clinic.town_admin();
    let again = |clinic: &Clinic| {
        vec![
            "appointments:FreezeBatch".to_owned(),
            random_id(),
            "internal".to_owned(),
            clinic.now().to_string(),
        ]
    };
    let args = again(&clinic);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    clinic.town.refused(&admin, &args, "CR-CC-050");
    clinic.pass(BATCH_SECONDS);
    clinic.town.refused(&admin, &["appointments:RunMatching", &batch], "CR-CC-050");
    let args = again(&clinic);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let _: Value = clinic.town.ok(&admin, &args);
}

#[test]
fn what_is_gone_between_freezing_and_running_lapses_and_the_rest_holds() {
    let mut clinic = Clinic::new();
    let (stays, leaves) = (clinic.new_patient(), clinic.new_patient());
    let kept = clinic.request(&stays, 2);
    let gone = clinic.request(&leaves, 2);
    clinic.publish(Who::Doctor, &[DAY, DAY + HOUR]);
    let batch = clinic.freeze();
    clinic.act(&leaves, "Cancel", &gone);
    let admin = clinic.town_admin();
    let result: Value = clinic.town.ok(&admin, &["appointments:RunMatching", &batch]);
    assert_eq!(result["lapsed"], json!([gone]));
    assert_eq!(clinic.request_of(&stays, &kept)["status"], "matched");
    assert_eq!(clinic.request_of(&leaves, &gone)["status"], "closed");
}

#[test]
fn a_day_is_never_filled_beyond_its_cap() {
    let mut clinic = Clinic::new();
    let profile = json!({"languages": ["en"], "inNetwork": [], "rate": 2, "dailyCap": 60});
    let doctor = clinic.doctor.identity.clone();
    let _: Value = clinic.town.ok(&doctor, &["appointments:SetProfile", &profile.to_string()]);
    clinic.town.ledger.now = 1_700_000_000 / DAY * DAY;
    let slots = clinic.publish(Who::Doctor, &[DAY, DAY + HOUR, DAY + 2 * HOUR, DAY + 3 * HOUR]);
    let mut ids = Vec::new();
    for _ in 0..4 {
        let patient = clinic.new_patient();
        ids.push(clinic.request(&patient, 2));
    }
    let (_, result) = clinic.run();
    assert_eq!(result["fairness"]["matched"], 2);
    let open: Value = clinic.town.ok(&doctor, &["appointments:ListOpen", "internal", "", "100"]);
    let open = open["items"].as_array().unwrap();
    assert_eq!(open.len(), 2);
    let args = ["appointments:Claim", open[0]["id"].as_str().unwrap(), &slots[3]];
    clinic.town.refused(&doctor, &args, "CR-CC-060");
}
