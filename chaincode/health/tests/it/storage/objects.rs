//! Quotas and objects.

use carecord_chaincode::serde_json::{Value, json};
use carecord_health::storage::{GRACE_EPOCHS, KEEP_SECONDS};

use super::fleet::{Fleet, PRICE, text};
use crate::{
    money::{assert_conserved, held},
    town::{random_bytes, random_cid, random_id},
};

#[test]
fn an_object_lies_with_three_organisations_in_two_regions() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 5000);
    for _ in 0..5 {
        let stored = fleet.draft(&quota, 5000, &[]);
        let args = ["storage:Place", &stored.object.to_string()];
        let placed: Value = fleet.bank.town.ok(&fleet.patient.identity, &args);
        let keepers = fleet.keepers(&placed);
        let mut regions: Vec<_> = keepers
            .iter()
            .map(|&at| fleet.provider(at)["terms"]["region"].clone())
            .map(|r| text(&r))
            .collect();
        regions.sort();
        regions.dedup();
        assert!(keepers.len() == 3 && regions.len() >= 2, "{regions:?}");
    }
}

#[test]
fn residency_is_kept_or_the_object_is_refused() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 1000);
    // Germany alone has one region, and so have Germany and France.
    for residency in [&["de"][..], &["de", "fr"], &["jp"]] {
        let stored = fleet.draft(&quota, 5000, residency);
        let args = ["storage:Place", &stored.object.to_string()];
        fleet.bank.town.refused(&fleet.patient.identity, &args, "CR-CC-050");
    }
    let stored = fleet.draft(&quota, 5000, &["de", "fr", "se"]);
    let args = ["storage:Place", &stored.object.to_string()];
    let placed: Value = fleet.bank.town.ok(&fleet.patient.identity, &args);
    for at in fleet.keepers(&placed) {
        assert_ne!(fleet.provider(at)["terms"]["jurisdiction"], "us");
    }
}

#[test]
fn a_quota_is_neither_overfilled_nor_overdrawn() {
    let mut fleet = Fleet::new();
    // Three copies at 10 an epoch for 10 epochs cost 300.
    let quota = fleet.quota(10, 2 * 300);
    let place = |fleet: &mut Fleet, size: usize| {
        let stored = fleet.draft(&quota, size, &[]);
        ["storage:Place".to_owned(), stored.object.to_string()]
    };
    let large = place(&mut fleet, (1 << 24) + 1);
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    fleet.bank.town.refused(&fleet.patient.identity, &large, "CR-CC-060");
    fleet.place(&quota, 5000);
    let (stored, _) = fleet.place(&quota, 5000);
    let third = place(&mut fleet, 5000);
    let third: Vec<&str> = third.iter().map(String::as_str).collect();
    fleet.bank.town.refused(&fleet.patient.identity, &third, "CR-CC-062");
    // Removing one frees what the epochs after this one would cost.
    let _: Value = fleet.bank.town.ok(&fleet.patient.identity, &["storage:Remove", &stored.id]);
    let found: Value = fleet.bank.town.ok(&fleet.patient.identity, &["storage:GetQuota", &quota]);
    assert_eq!(found["committed"], (300 + 30).to_string());
    let twice = ["storage:Remove", stored.id.as_str()];
    fleet.bank.town.refused(&fleet.patient.identity, &twice, "CR-CC-050");
}

#[test]
fn a_quota_and_its_objects_are_their_owners() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 1000);
    let (stored, keepers) = fleet.place(&quota, 5000);
    let doctor = fleet.bank.doctor.identity.clone();
    let foreign = fleet.draft(&quota, 10, &[]).object.to_string();
    for args in [
        ["storage:Place", foreign.as_str()],
        ["storage:GetQuota", &quota],
        ["storage:CloseQuota", &quota],
        ["storage:Remove", &stored.id],
        ["storage:GetObject", &stored.id],
    ] {
        fleet.bank.town.refused(&doctor, &args, "CR-CC-030");
    }
    let outsider = (0..5).find(|at| !keepers.contains(at)).unwrap();
    let outsider = fleet.providers[outsider].identity.clone();
    for function in ["storage:Keep", "storage:GetObject", "storage:Drop"] {
        fleet.bank.town.refused(&outsider, &[function, &stored.id], "CR-CC-030");
    }
}

#[test]
fn lost_copies_move_and_the_others_stay() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 1000);
    let (stored, keepers) = fleet.place(&quota, 5000);
    let anyone = fleet.bank.doctor.identity.clone();
    let repair = ["storage:Repair", stored.id.as_str()];
    fleet.bank.town.refused(&anyone, &repair, "CR-CC-050");
    let leaver = fleet.providers[keepers[0]].identity.clone();
    let _: Value = fleet.bank.town.ok(&leaver, &["storage:Exit"]);
    let repaired: Value = fleet.bank.town.ok(&anyone, &repair);
    let now = fleet.keepers(&repaired);
    assert!(now.len() == 3 && !now.contains(&keepers[0]));
    assert!(keepers[1..].iter().all(|kept| now.contains(kept)));
    assert_eq!(fleet.provider(keepers[0])["used"], 0);
    // The new one never answers: after a day its copy moves on, and it is not asked again for this one.
    let silent = now[2];
    fleet.bank.town.ledger.now += KEEP_SECONDS - 1;
    fleet.bank.town.refused(&anyone, &repair, "CR-CC-050");
    fleet.bank.town.ledger.now += 1;
    let repaired: Value = fleet.bank.town.ok(&anyone, &repair);
    assert!(!fleet.keepers(&repaired).contains(&silent));
    assert_eq!(fleet.provider(silent)["used"], 0);
}

#[test]
fn after_its_grace_a_quota_gives_the_rest_back_and_providers_may_drop() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(2, 1000);
    let (stored, keepers) = fleet.place(&quota, 5000);
    let home = fleet.auditor.identity.caller().msp_id.clone();
    let foreign = |keeper: &&usize| fleet.providers[**keeper].identity.caller().msp_id != home;
    let keeper = *keepers.iter().find(foreign).unwrap();
    fleet.pass(&stored, keeper);
    let epoch = fleet.epoch();
    fleet.next_epoch();
    let provider = fleet.providers[keeper].identity.clone();
    let paid: String = fleet.bank.town.ok(&provider, &["storage:Settle", &stored.id, &epoch]);
    assert_eq!(paid, PRICE.to_string());
    let patient = fleet.patient.identity.clone();
    for _ in 0..GRACE_EPOCHS {
        fleet.bank.town.refused(&patient, &["storage:CloseQuota", &quota], "CR-CC-050");
        fleet.bank.town.refused(&provider, &["storage:Drop", &stored.id], "CR-CC-050");
        fleet.next_epoch();
    }
    fleet.next_epoch();
    let _: Value = fleet.bank.town.ok(&patient, &["storage:CloseQuota", &quota]);
    fleet.bank.town.refused(&patient, &["storage:CloseQuota", &quota], "CR-CC-050");
    let _: Value = fleet.bank.town.ok(&provider, &["storage:Drop", &stored.id]);
    let accounts = held(&fleet.bank.town.ledger, "CARE");
    let escrow: u128 =
        accounts.iter().filter(|(k, _)| k.starts_with("e:storage:")).map(|(_, v)| v).sum();
    assert_eq!(escrow, 0);
    assert_eq!(accounts[&format!("p:{}", fleet.patient.id)], 100_000 - u128::from(PRICE));
    assert_conserved(&fleet.bank.town.ledger);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut fleet = Fleet::new();
    let patient = fleet.patient.identity.clone();
    let quota = json!({"id": random_id(), "bytes": 10, "epochs": 1, "deposit": "5"});
    for (field, bad) in [
        ("bytes", json!(0)),
        ("bytes", json!((1_u64 << 40) + 1)),
        ("epochs", json!(0)),
        ("epochs", json!(3661)),
        ("deposit", json!("0")),
    ] {
        let mut body = quota.clone();
        body[field] = bad;
        let code = format!("CR-CC-010 INVALID_ARGUMENT at /quota/{field}");
        fleet.bank.town.refused(&patient, &["storage:BuyQuota", &body.to_string()], &code);
    }
    let mut poor = quota;
    poor["deposit"] = json!("100001");
    fleet.bank.town.refused(&patient, &["storage:BuyQuota", &poor.to_string()], "CR-CC-062");
    let id = fleet.quota(5, 5000);
    let object = fleet.draft(&id, 5000, &[]).object;
    for (field, bad) in [
        ("size", json!(0)),
        ("copies", json!(2)),
        ("copies", json!(6)),
        ("residency", json!(vec!["de"; 33])),
    ] {
        let mut body = object.clone();
        body[field] = bad;
        let code = format!("CR-CC-010 INVALID_ARGUMENT at /object/{field}");
        fleet.bank.town.refused(&patient, &["storage:Place", &body.to_string()], &code);
    }
    let provider = fleet.providers[0].identity.clone();
    let good = json!({"region": "eu-west", "jurisdiction": "de", "capacity": 5, "price": 5});
    for (field, bad, code) in [
        ("region", json!("Europe"), "CR-CC-003"),
        ("jurisdiction", json!("DE"), "CR-CC-003"),
        ("capacity", json!(0), "CR-CC-010"),
        ("price", json!(0), "CR-CC-010"),
    ] {
        let mut body = good.clone();
        body[field] = bad;
        fleet.bank.town.refused(&provider, &["storage:RegisterProvider", &body.to_string()], code);
    }
}

#[test]
fn a_provider_that_keeps_objects_cannot_move_and_reports_on_it_come_from_others_once_a_day() {
    let mut fleet = Fleet::new();
    let quota = fleet.quota(10, 1000);
    let (_, keepers) = fleet.place(&quota, 5000);
    let provider = fleet.providers[keepers[0]].identity.clone();
    let terms = json!({"region": "us-west", "jurisdiction": "us", "capacity": 1 << 30, "price": 1});
    let move_away = ["storage:RegisterProvider", &terms.to_string()];
    fleet.bank.town.refused(&provider, &move_away, "CR-CC-050");
    let researcher = fleet.bank.town.researcher.identity.clone();
    let id = fleet.providers[0].id.clone();
    let report = ["storage:ReportLatency", id.as_str(), "100"];
    let before = fleet.provider(0)["latencyMs"].as_u64().unwrap();
    let _: Value = fleet.bank.town.ok(&researcher, &report);
    assert!(fleet.provider(0)["latencyMs"].as_u64().unwrap() < before);
    fleet.bank.town.refused(&researcher, &report, "CR-CC-050");
    // The first provider is of hospital A, like the patient.
    fleet.bank.town.refused(&fleet.patient.identity, &report, "CR-CC-023");
    let absurd = ["storage:ReportLatency", id.as_str(), "60001"];
    fleet.bank.town.refused(&fleet.bank.doctor.identity.clone(), &absurd, "CR-CC-010");
    fleet.next_epoch();
    let _: Value = fleet.bank.town.ok(&researcher, &report);
}

#[test]
fn no_free_text_gets_into_storage_or_onto_the_ledger() {
    let mut fleet = Fleet::new();
    let quota = json!({"id": random_id(), "bytes": 100_000, "epochs": 3, "deposit": "500"});
    let id = quota["id"].as_str().unwrap();
    let object = json!({"id": random_id(), "quota": id, "cid": random_cid(), "size": 2000, "copies": 3,
                        "root": hex::encode(random_bytes::<32>()), "residency": ["de", "fr", "se", "us"]});
    let provider = fleet.providers[0].identity.clone();
    let terms = json!({"region": "eu-west", "jurisdiction": "de", "capacity": 5000, "price": 5});
    let patient = fleet.patient.identity.clone();
    let tried = crate::leak::refuses_free_text(
        &mut fleet.bank.town,
        &[
            (&patient, "storage:BuyQuota", &quota),
            (&patient, "storage:Place", &object),
            (&provider, "storage:RegisterProvider", &terms),
        ],
    );
    assert!(tried > 100, "{tried}");
}
