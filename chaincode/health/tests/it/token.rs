//! Money: who may issue and move it, and that none appears or vanishes.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::Verdict,
};
use carecord_health::{
    ids::Id,
    token::{NewReceipt, network_name, receipt_statement},
};

use crate::{
    money::{Bank, CAP, assert_conserved},
    town::{Person, random_bytes, random_id},
};

#[test]
fn new_money_needs_the_same_words_of_two_organisations() {
    let mut bank = Bank::new();
    let id = random_id();
    let mint = |amount: &str, to: &str| {
        json!({"id": id, "to": to, "currency": "CARE", "amount": amount}).to_string()
    };
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    let good = mint("100", &patient);
    let first: Value = bank.town.ok(&bank.admin_a, &["token:Mint", &good]);
    assert_eq!(first["done"], false);
    assert_eq!(bank.balance(&patient), 0);
    bank.town.refused(&bank.admin_a, &["token:Mint", &good], "CR-CC-050");
    bank.town.refused(&bank.admin_b, &["token:Mint", &mint("101", &patient)], "CR-CC-040");
    bank.town.refused(&bank.admin_b, &["token:Mint", &mint("100", &doctor)], "CR-CC-040");
    bank.town.refused(&bank.doctor.identity, &["token:Mint", &good], "CR-CC-020");
    let second: Value = bank.town.ok(&bank.admin_b, &["token:Mint", &good]);
    assert_eq!(second["done"], true);
    assert_eq!(bank.balance(&patient), 100);
    bank.town.refused(&bank.admin_b, &["token:Mint", &good], "CR-CC-050");
    assert_conserved(&bank.town.ledger);
}

#[test]
fn a_motion_waits_a_week_and_no_longer() {
    let mut bank = Bank::new();
    let mint = json!({"id": random_id(), "to": bank.patient.id, "currency": "CARE", "amount": "1"});
    let mint = mint.to_string();
    let _: Value = bank.town.ok(&bank.admin_a, &["token:Mint", &mint]);
    bank.town.ledger.now += carecord_health::token::MOTION_SECONDS_MAX + 1;
    bank.town.refused(&bank.admin_b, &["token:Mint", &mint], "CR-CC-050");
    bank.town.ledger.now -= 1;
    let _: Value = bank.town.ok(&bank.admin_b, &["token:Mint", &mint]);
}

#[test]
fn never_more_than_the_cap_is_issued_and_the_rules_are_set_once() {
    let mut bank = Bank::new();
    let patient = bank.patient.id.clone();
    bank.mint(&patient, "CARE", CAP);
    let mint = json!({"id": random_id(), "to": patient, "currency": "CARE", "amount": "1"});
    let mint = mint.to_string();
    let _: Value = bank.town.ok(&bank.admin_a, &["token:Mint", &mint]);
    bank.town.refused(&bank.admin_b, &["token:Mint", &mint], "CR-CC-060");
    let settings = json!({"id": random_id(), "network": random_id(), "careCap": "1",
                          "creditCap": "1"});
    bank.town.refused(&bank.admin_a, &["token:Init", &settings.to_string()], "CR-CC-050");
}

#[test]
fn a_transfer_takes_from_one_and_gives_to_the_other() {
    let mut bank = Bank::with(100);
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Transfer", &doctor, "CARE", "30"]);
    assert_eq!((bank.balance(&patient), bank.balance(&doctor)), (70, 130));
    for (args, code) in [
        (["token:Transfer", &doctor, "CARE", "71"], "CR-CC-062"),
        (["token:Transfer", &doctor, "CARE", "0"], "CR-CC-010"),
        (["token:Transfer", &doctor, "CARE", "-1"], "CR-CC-003"),
        (["token:Transfer", &doctor, "CREDIT", "1"], "CR-CC-026"),
        (["token:Transfer", &doctor, "USD", "1"], "CR-CC-026"),
        (["token:Transfer", &patient, "CARE", "1"], "CR-CC-010"),
        (["token:Transfer", &random_id(), "CARE", "1"], "CR-CC-030"),
        (["token:Transfer", &bank.auditor.id, "CARE", "1"], "CR-CC-030"),
    ] {
        bank.town.refused(&bank.patient.identity, &args, code);
    }
    assert_conserved(&bank.town.ledger);
}

#[test]
fn credits_are_issued_and_redeemed_and_never_given_away() {
    let mut bank = Bank::new();
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    bank.mint(&patient, "CREDIT", 10);
    let allowance =
        json!({"spender": doctor, "currency": "CREDIT", "expected": "0", "amount": "1"});
    let hold = json!({"id": random_id(), "beneficiary": doctor, "currency": "CREDIT",
                      "amount": "1", "until": bank.town.ledger.now + 9});
    for args in [
        vec!["token:Transfer", &doctor, "CREDIT", "1"],
        vec!["token:Approve", &allowance.to_string()],
        vec!["token:Hold", &hold.to_string()],
    ] {
        bank.town.refused(&bank.patient.identity, &args, "CR-CC-026");
    }
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Burn", "CREDIT", "4"]);
    bank.town.refused(&bank.patient.identity, &["token:Burn", "CREDIT", "7"], "CR-CC-062");
    let supply = ["token:TotalSupply", "CREDIT"];
    let before: Value = bank.town.ok(&bank.patient.identity, &supply);
    assert_eq!(before["amount"], "6");
    let burnt: Vec<Value> = bank.town.ok(&bank.patient.identity, &["token:Burnt", "CREDIT", "9"]);
    let fold = json!({"currency": "CREDIT", "transactions": [burnt[0]["tx"]]}).to_string();
    bank.town.refused(&bank.patient.identity, &["token:CompactBurnt", &fold], "CR-CC-020");
    let _: Value = bank.town.ok(&bank.admin_a, &["token:CompactBurnt", &fold]);
    bank.town.refused(&bank.admin_a, &["token:CompactBurnt", &fold], "CR-CC-030");
    let after: Value = bank.town.ok(&bank.patient.identity, &supply);
    assert_eq!(before, after);
    assert_conserved(&bank.town.ledger);
}

#[test]
fn an_allowance_is_spent_once_and_changed_only_by_who_knows_it() {
    let mut bank = Bank::with(100);
    let (patient, other) = (bank.patient.id.clone(), bank.other.id.clone());
    let doctor = bank.doctor.id.clone();
    let allow = |expected: &str, amount: &str| {
        json!({"spender": doctor, "currency": "CARE", "expected": expected, "amount": amount})
            .to_string()
    };
    let take = |amount: &str| {
        json!({"from": patient, "to": other, "currency": "CARE", "amount": amount}).to_string()
    };
    bank.town.refused(&bank.doctor.identity, &["token:TransferFrom", &take("1")], "CR-CC-030");
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Approve", &allow("0", "50")]);
    let _: Value = bank.town.ok(&bank.doctor.identity, &["token:TransferFrom", &take("20")]);
    bank.town.refused(&bank.doctor.identity, &["token:TransferFrom", &take("31")], "CR-CC-062");
    bank.town.refused(&bank.other.identity, &["token:TransferFrom", &take("1")], "CR-CC-030");
    // The owner believed that nothing was spent.
    bank.town.refused(&bank.patient.identity, &["token:Approve", &allow("50", "60")], "CR-CC-050");
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Approve", &allow("30", "0")]);
    bank.town.refused(&bank.doctor.identity, &["token:TransferFrom", &take("1")], "CR-CC-062");
    assert_eq!((bank.balance(&patient), bank.balance(&other)), (80, 120));
    assert_conserved(&bank.town.ledger);
}

#[test]
fn money_set_apart_goes_where_its_table_says() {
    let mut bank = Bank::with(100);
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    let now = bank.town.ledger.now;
    let new_hold = || {
        let id = random_id();
        let hold = json!({"id": id, "beneficiary": doctor, "currency": "CARE", "amount": "40",
                          "until": now + 100});
        (id, hold.to_string())
    };
    let (id, hold) = new_hold();
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Hold", &hold]);
    bank.town.refused(&bank.patient.identity, &["token:Hold", &hold], "CR-CC-040");
    assert_eq!((bank.balance(&patient), bank.balance(&doctor)), (60, 100));
    assert_conserved(&bank.town.ledger);
    bank.town.refused(&bank.patient.identity, &["token:ReleaseHold", &id, "refund"], "CR-CC-050");
    bank.town.refused(&bank.doctor.identity, &["token:ReleaseHold", &id, "pay"], "CR-CC-050");
    bank.town.refused(&bank.other.identity, &["token:ReleaseHold", &id, "refund"], "CR-CC-030");
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:ReleaseHold", &id, "pay"]);
    bank.town.refused(&bank.patient.identity, &["token:ReleaseHold", &id, "pay"], "CR-CC-050");
    assert_eq!((bank.balance(&patient), bank.balance(&doctor)), (60, 140));
    let (id, hold) = new_hold();
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Hold", &hold]);
    bank.town.ledger.now = now + 100;
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:ReleaseHold", &id, "refund"]);
    assert_eq!((bank.balance(&patient), bank.balance(&doctor)), (60, 140));
    assert_conserved(&bank.town.ledger);
}

#[test]
fn payments_of_all_others_fit_into_one_block_and_beyond_a_hundred_are_folded_by_hand() {
    let mut bank = Bank::with(1_000);
    let doctor = bank.doctor.id.clone();
    let people = [&bank.patient, &bank.other, &bank.insurer];
    // All are simulated on the same state; each payer pays once per block, the payee is the hot account.
    let simulations: Vec<_> = people
        .iter()
        .map(|p| {
            let args = ["token:Transfer", &doctor, "CARE", "1"];
            bank.town.ledger.simulate("health", &p.identity, &args)
        })
        .collect();
    for simulation in simulations {
        assert_eq!(bank.town.ledger.commit(simulation).verdict, Verdict::Valid);
    }
    for _ in 0..97 {
        let _: Value =
            bank.town.ok(&bank.patient.identity, &["token:Transfer", &doctor, "CARE", "1"]);
    }
    // One credit more than a debit folds: the account has to be compacted, without stopping payments meanwhile.
    let _: Value = bank.town.ok(&bank.other.identity, &["token:Transfer", &doctor, "CARE", "1"]);
    let all = (1_000 + 101_u32).to_string();
    let args = ["token:Burn", "CARE", &all];
    bank.town.refused(&bank.doctor.identity, &args, "CR-CC-062");
    let waiting: Vec<Value> =
        bank.town.ok(&bank.doctor.identity, &["token:Incoming", "CARE", "100"]);
    let transactions: Vec<&Value> = waiting.iter().map(|w| &w["tx"]).collect();
    let fold = json!({"currency": "CARE", "transactions": transactions}).to_string();
    let compact =
        bank.town.ledger.simulate("health", &bank.doctor.identity, &["token:Compact", &fold]);
    let _: Value = bank.town.ok(&bank.insurer.identity, &["token:Transfer", &doctor, "CARE", "1"]);
    assert_eq!(bank.town.ledger.commit(compact).verdict, Verdict::Valid);
    bank.town.refused(&bank.doctor.identity, &["token:Compact", &fold], "CR-CC-030");
    let _: Value = bank.town.ok(&bank.doctor.identity, &args);
    assert_eq!(bank.balance(&doctor), 1);
    assert_conserved(&bank.town.ledger);
}

#[test]
fn two_debits_of_one_account_never_both_commit() {
    let mut bank = Bank::with(10);
    let (doctor, other) = (bank.doctor.id.clone(), bank.other.id.clone());
    let [one, two] = [doctor, other].map(|to| {
        let args = ["token:Transfer", &to, "CARE", "10"];
        bank.town.ledger.simulate("health", &bank.patient.identity, &args)
    });
    assert_eq!(bank.town.ledger.commit(one).verdict, Verdict::Valid);
    assert_ne!(bank.town.ledger.commit(two).verdict, Verdict::Valid);
    assert_conserved(&bank.town.ledger);
}

#[test]
fn a_statement_tells_every_movement_to_its_owner_only() {
    let mut bank = Bank::with(100);
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    for amount in ["1", "2", "3"] {
        bank.town.ledger.now += 1;
        let args = ["token:Transfer", &doctor, "CARE", amount];
        let _: Value = bank.town.ok(&bank.patient.identity, &args);
    }
    let args = ["token:Statement", "CARE", "", "2"];
    let first: Value = bank.town.ok(&bank.doctor.identity, &args);
    let next = first["next"].as_str().unwrap().to_owned();
    let args = ["token:Statement", "CARE", &next, "10"];
    let second: Value = bank.town.ok(&bank.doctor.identity, &args);
    let entries =
        first["items"].as_array().unwrap().iter().chain(second["items"].as_array().unwrap());
    let told: Vec<(&str, &str)> =
        entries.map(|e| (e["movement"].as_str().unwrap(), e["amount"].as_str().unwrap())).collect();
    assert_eq!(told, [("mint", "100"), ("transfer", "1"), ("transfer", "2"), ("transfer", "3")]);
    let own: Value = bank.town.ok(&bank.doctor.identity, &["token:BalanceOf", &doctor, "CARE"]);
    assert_eq!(own["amount"], "106");
    bank.town.refused(&bank.doctor.identity, &["token:BalanceOf", &patient, "CARE"], "CR-CC-030");
    bank.town.refused(&bank.auditor.identity, &["token:BalanceOf", &doctor, "CARE"], "CR-CC-030");
    let seen: Value = bank.town.ok(&bank.auditor.identity, &["token:BalanceOf", &patient, "CARE"]);
    assert_eq!(seen["amount"], "94");
}

pub(crate) fn receipt(bank: &Bank, payer: &Person, payee: &Person, network: &str) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut receipt = json!({
        "id": random_id(), "payer": payer.id, "payee": payee.id, "currency": "USD",
        "amount": "12345", "reference": hex::encode(random_bytes::<32>()),
        "paid": bank.town.ledger.now - 5, "payerSignature": "", "payeeSignature": ""});
    let unsigned: NewReceipt = carecord_chaincode::serde_json::from_value(receipt.clone()).unwrap();
    let network = network_name("care", &Id::new(network).unwrap());
    let statement = receipt_statement(&network, &unsigned);
    receipt["payerSignature"] = json!(STANDARD.encode(payer.identity.sign(&statement)));
    receipt["payeeSignature"] = json!(STANDARD.encode(payee.identity.sign(&statement)));
    receipt
}

#[test]
fn a_receipt_of_fiat_money_counts_with_the_signatures_of_both_sides() {
    let mut bank = Bank::new();
    let good = receipt(&bank, &bank.patient, &bank.doctor, &bank.network);
    let elsewhere = receipt(&bank, &bank.patient, &bank.doctor, &random_id());
    let mut bad = vec![(elsewhere, "CR-CC-070")];
    for (field, value, code) in [
        ("amount", json!("12346"), "CR-CC-070"),
        ("amount", json!("0"), "CR-CC-010"),
        ("currency", json!("EUR"), "CR-CC-070"),
        ("currency", json!("CARE"), "CR-CC-010"),
        ("payee", json!(bank.other.id), "CR-CC-070"),
        ("payee", json!(bank.patient.id), "CR-CC-010"),
        ("reference", json!(hex::encode(random_bytes::<32>())), "CR-CC-070"),
        ("paid", json!(bank.town.ledger.now + 1), "CR-CC-010"),
        ("payerSignature", good["payeeSignature"].clone(), "CR-CC-070"),
        ("payeeSignature", json!("AAAA"), "CR-CC-070"),
    ] {
        let mut changed = good.clone();
        changed[field] = value;
        bad.push((changed, code));
    }
    for (receipt, code) in bad {
        let args = ["token:RecordReceipt", &receipt.to_string()];
        bank.town.refused(&bank.patient.identity, &args, code);
    }
    let args = ["token:RecordReceipt", &good.to_string()];
    bank.town.refused(&bank.other.identity, &args, "CR-CC-030");
    let _: Value = bank.town.ok(&bank.doctor.identity, &args);
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-040");
    let id = good["id"].as_str().unwrap();
    let found: Value = bank.town.ok(&bank.patient.identity, &["token:Receipt", id]);
    assert_eq!(found["spent"], Value::Null);
    bank.town.refused(&bank.other.identity, &["token:Receipt", id], "CR-CC-030");
}

#[test]
fn an_account_is_under_its_owners_home_and_one_other_organisation() {
    let mut bank = Bank::with(5);
    let _: Value = bank.town.ok(&bank.patient.identity, &["token:Burn", "CARE", "1"]);
    let mut seen = 0;
    for ((_, key), value) in bank.town.ledger.state() {
        let kind = key.split('\0').nth(1).unwrap();
        if ["acct", "acctin", "supply", "tokenconf", "motion"].contains(&kind) {
            assert!(value.policy.is_some(), "{key}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}
