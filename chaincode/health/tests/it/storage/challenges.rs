//! Challenges: who may do what, in which order, and what comes of it.

use carecord_chaincode::serde_json::{Value, json};
use carecord_health::{
    ids::Id,
    merkle::{self, Hash},
    storage::{FAILED_MAX, STEP_SECONDS, seed},
};

use super::fleet::{Fleet, PRICE, Stored, leaves, text};
use crate::{
    money::assert_conserved,
    town::{random_bytes, random_id},
};

/// An object of some blocks, the last one short, and the first of its providers that is not of hospital A.
fn kept() -> (Fleet, Stored, usize) {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 5000);
    let (stored, keepers) = fleet.place(&quota, 20 * 1024 + 100);
    let at = keepers.into_iter().find(|&at| at != 0).unwrap();
    (fleet, stored, at)
}

#[test]
fn a_provider_that_has_the_block_passes_and_one_that_has_not_loses_reputation() {
    let (mut fleet, stored, at) = kept();
    let before = fleet.provider(at)["reputation"].as_u64().unwrap();
    fleet.pass(&stored, at);
    let risen = fleet.provider(at)["reputation"].as_u64().unwrap();
    assert!(risen > before);
    for failures in 1..=FAILED_MAX {
        let (challenge, _) = fleet.ask(&stored.id, at);
        let anyone = fleet.bank.doctor.identity.clone();
        let lapse = ["storage:Lapse", challenge.as_str()];
        fleet.bank.town.ledger.now += STEP_SECONDS - 1;
        fleet.bank.town.refused(&anyone, &lapse, "CR-CC-050");
        fleet.bank.town.ledger.now += 1;
        let over: Value = fleet.bank.town.ok(&anyone, &lapse);
        assert_eq!(over["status"], "failed");
        fleet.bank.town.refused(&anyone, &lapse, "CR-CC-050");
        let object = fleet.object(&stored.id);
        let replica = object["replicas"].as_array().unwrap().iter();
        let replica =
            replica.clone().find(|r| r["provider"] == json!(fleet.providers[at].id)).unwrap();
        assert_eq!(replica["failed"], failures);
    }
    assert!(fleet.provider(at)["reputation"].as_u64().unwrap() < risen);
    // What failed twice in a row counts as lost and goes to another.
    let anyone = fleet.bank.doctor.identity.clone();
    let repaired: Value = fleet.bank.town.ok(&anyone, &["storage:Repair", &stored.id]);
    assert!(!fleet.keepers(&repaired).contains(&at));
}

#[test]
fn a_wrong_block_is_refused_and_the_right_one_still_counts() {
    let (mut fleet, stored, at) = kept();
    let (challenge, block) = fleet.ask(&stored.id, at);
    let (right, proof) = Fleet::answer(&stored, &challenge, block);
    let provider = fleet.providers[at].identity.clone();
    let other = (block + 1) % 20;
    let (neighbour, neighbours_proof) = Fleet::answer(&stored, &challenge, other);
    let mut flipped = right.clone();
    flipped[7] ^= 1;
    let leaf_only = merkle::leaf(&right).to_vec();
    for (bytes, proof, code) in [
        (flipped, &proof, "CR-CC-070"),
        (random_bytes::<1024>()[..right.len()].to_vec(), &proof, "CR-CC-070"),
        (leaf_only, &proof, "CR-CC-010"),
        (vec![], &proof, "CR-CC-010"),
        (neighbour, &neighbours_proof, "CR-CC-0"),
    ] {
        fleet.with_block(bytes, |fleet| {
            fleet.bank.town.refused(&provider, &["storage:Respond", proof], code);
        });
    }
    fleet.bank.town.refused(&provider, &["storage:Respond", &proof], "CR-CC-010");
    let third = (0..5).find(|&n| n != at).unwrap();
    let third = fleet.providers[third].identity.clone();
    fleet.with_block(right, |fleet| {
        fleet.bank.town.refused(&third, &["storage:Respond", &proof], "CR-CC-030");
        let done: Value = fleet.bank.town.ok(&provider, &["storage:Respond", &proof]);
        assert_eq!(done["status"], "passed");
        fleet.bank.town.refused(&provider, &["storage:Respond", &proof], "CR-CC-050");
    });
}

#[test]
fn no_organisation_decides_the_block_alone() {
    let (mut fleet, stored, at) = kept();
    let (challenge, nonce) = (random_id(), random_id());
    // The provider's own organisation does not challenge it, and nobody draws for themselves or for the provider.
    let own = json!({"id": challenge, "object": stored.id, "provider": fleet.providers[at].id,
                     "commitment": Hash::of(&[0; 32])})
    .to_string();
    let provider = fleet.providers[at].identity.clone();
    fleet.bank.town.refused(&provider, &["storage:Challenge", &own], "CR-CC-023");
    fleet.open(&challenge, &nonce, &stored.id, at);
    let patient = fleet.patient.identity.clone();
    let draw = ["storage:Draw", challenge.as_str(), &random_id()].map(str::to_owned);
    let draw: Vec<&str> = draw.iter().map(String::as_str).collect();
    fleet.bank.town.refused(&patient, &draw, "CR-CC-023");
    fleet.bank.town.refused(&provider, &draw, "CR-CC-023");
    // Nothing can be revealed before the draw, and after it nothing but what was committed to.
    let auditor = fleet.auditor.identity.clone();
    let reveal = ["storage:Reveal", challenge.as_str(), nonce.as_str()];
    fleet.bank.town.refused(&auditor, &reveal, "CR-CC-050");
    let drawer = fleet.drawer(at);
    let drawn: Value = fleet.bank.town.ok(&drawer, &draw);
    fleet.bank.town.refused(&drawer, &draw, "CR-CC-050");
    let other = random_id();
    fleet.bank.town.refused(&auditor, &["storage:Reveal", &challenge, &other], "CR-CC-070");
    fleet.bank.town.refused(&patient, &reveal, "CR-CC-030");
    let asked: Value = fleet.bank.town.ok(&auditor, &reveal);
    let id = |text: &str| Id::new(text).unwrap();
    let bits = id(drawn["drawn"].as_str().unwrap());
    assert_eq!(asked["block"], seed::block(&id(&challenge), &id(&nonce), &bits, 21));
}

#[test]
fn who_stops_midway_makes_the_challenge_void_and_the_copy_free_for_another() {
    let (mut fleet, stored, at) = kept();
    let (challenge, nonce) = (random_id(), random_id());
    fleet.open(&challenge, &nonce, &stored.id, at);
    let again = json!({"id": random_id(), "object": stored.id, "provider": fleet.providers[at].id,
                       "commitment": Hash::of(&[0; 32])})
    .to_string();
    let auditor = fleet.auditor.identity.clone();
    fleet.bank.town.refused(&auditor, &["storage:Challenge", &again], "CR-CC-050");
    let reputation = fleet.provider(at)["reputation"].clone();
    fleet.bank.town.ledger.now += STEP_SECONDS;
    let draw = ["storage:Draw", challenge.as_str(), nonce.as_str()];
    fleet.bank.town.refused(&fleet.drawer(at), &draw, "CR-CC-050");
    let over: Value = fleet.bank.town.ok(&auditor, &["storage:Lapse", &challenge]);
    assert_eq!(over["status"], "void");
    assert_eq!(fleet.provider(at)["reputation"], reputation);
    fleet.pass(&stored, at);
}

#[test]
fn every_block_is_asked_for_in_time() {
    let ids: Vec<Id> = (0..3).map(|_| Id::new(random_id()).unwrap()).collect();
    let mut asked = [0_u32; 21];
    for _ in 0..4200 {
        let nonce = Id::new(random_id()).unwrap();
        asked[seed::block(&ids[0], &nonce, &ids[1], 21) as usize] += 1;
    }
    assert!(asked.iter().all(|times| (120..290).contains(times)), "{asked:?}");
    assert_ne!(seed::commitment(&ids[0], &ids[1]), seed::commitment(&ids[2], &ids[1]));
    assert_eq!(leaves(&[0; 1025]).len(), 2);
}

#[test]
fn an_epoch_is_paid_once_after_it_is_over_and_only_if_it_was_proven() {
    let (mut fleet, stored, at) = kept();
    let provider = fleet.providers[at].identity.clone();
    let first = fleet.epoch();
    let settle = |epoch: &str| ["storage:Settle".to_owned(), stored.id.clone(), epoch.to_owned()];
    let args = settle(&first);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fleet.bank.town.refused(&provider, &args, "CR-CC-030");
    fleet.pass(&stored, at);
    fleet.pass(&stored, at);
    fleet.bank.town.refused(&provider, &args, "CR-CC-050");
    fleet.next_epoch();
    let before = fleet.bank.balance(&fleet.providers[at].id.clone());
    let paid: Value = fleet.bank.town.ok(&provider, &args);
    assert_eq!(text(&paid), format!("\"{PRICE}\""));
    assert_eq!(fleet.bank.balance(&fleet.providers[at].id.clone()), before + u128::from(PRICE));
    fleet.bank.town.refused(&provider, &args, "CR-CC-050");
    // The second epoch was never proven; nobody else is paid for the first.
    let second = fleet.epoch();
    fleet.next_epoch();
    let unproven = settle(&second);
    let unproven: Vec<&str> = unproven.iter().map(String::as_str).collect();
    fleet.bank.town.refused(&provider, &unproven, "CR-CC-030");
    let other = (0..5).find(|&n| n != at).unwrap();
    let other = fleet.providers[other].identity.clone();
    fleet.bank.town.refused(&other, &args, "CR-CC-030");
    assert_conserved(&fleet.bank.town.ledger);
}

#[test]
fn a_copy_that_moved_is_still_paid_for_what_it_proved_and_its_successor_from_the_next_epoch_on() {
    let (mut fleet, stored, at) = kept();
    fleet.pass(&stored, at);
    let epoch = fleet.epoch();
    let provider = fleet.providers[at].identity.clone();
    let _: Value = fleet.bank.town.ok(&provider, &["storage:Exit"]);
    let before = fleet.object(&stored.id);
    let anyone = fleet.bank.doctor.identity.clone();
    let repaired: Value = fleet.bank.town.ok(&anyone, &["storage:Repair", &stored.id]);
    let old = fleet.keepers(&before);
    let new = fleet.keepers(&repaired).into_iter().find(|n| !old.contains(n)).unwrap();
    let successor = fleet.providers[new].identity.clone();
    let _: Value = fleet.bank.town.ok(&successor, &["storage:Keep", &stored.id]);
    if new != 0 {
        fleet.pass(&stored, new);
    }
    fleet.next_epoch();
    let settle = ["storage:Settle", stored.id.as_str(), epoch.as_str()];
    fleet.bank.town.refused(&successor, &settle, "CR-CC-030");
    let _: Value = fleet.bank.town.ok(&provider, &settle);
}
