//! Nothing that means something reaches the ledger with money: amounts, ids, signatures and fixed words only.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{TestIdentity, Verdict},
};
use carecord_health::channels::{State, update_statement};

use crate::{
    leak::{CANARIES, assert_no_free_text, places, plant, refuses_free_text},
    money::Bank,
    token::receipt,
    town::{nobody, random_bytes, random_id},
    visits::{close, new_channel, open, sign, state},
};

#[test]
fn free_text_in_any_place_of_what_moves_money_is_refused() {
    let mut bank = Bank::with(9_000);
    let doctor = bank.doctor.id.clone();
    let until = bank.town.ledger.now + 100;
    let mint = json!({"id": random_id(), "to": doctor, "currency": "CARE", "amount": "5"});
    let hold = json!({"id": random_id(), "beneficiary": doctor, "currency": "CARE", "amount": "5",
                      "until": until});
    let allowance = json!({"spender": doctor, "currency": "CARE", "expected": "0", "amount": "5"});
    let transfer =
        json!({"from": bank.patient.id, "to": bank.other.id, "currency": "CARE", "amount": "5"});
    let paid = receipt(&bank, &bank.patient, &bank.doctor, &bank.network);
    let mut channel = new_channel(&bank, "uni", 500, 0);
    channel["appointment"] = json!(random_id());
    let no_admin = TestIdentity::new("NobodyMSP", "nobody");
    let admin = std::mem::replace(&mut bank.admin_a, no_admin);
    let patient = std::mem::replace(&mut bank.patient, nobody());
    let doctor = std::mem::replace(&mut bank.doctor, nobody());
    let tried = refuses_free_text(
        &mut bank.town,
        &[
            (&admin, "token:Mint", &mint),
            (&patient.identity, "token:Hold", &hold),
            (&patient.identity, "token:Approve", &allowance),
            (&doctor.identity, "token:TransferFrom", &transfer),
            (&doctor.identity, "token:RecordReceipt", &paid),
            (&patient.identity, "channels:Open", &channel),
        ],
    );
    assert!(tried > 200, "{tried}");
    assert_no_free_text(&bank.town);
}

#[test]
fn free_text_beside_a_signed_state_is_refused_also_where_no_signature_is_needed() {
    let mut bank = Bank::with(9_000);
    let channel = open(&mut bank, "uni", 1_500, 0);
    let id = channel.id.as_str();
    let next: State = state(&channel, 3, 180);
    let message = update_statement(&bank.network_name(), &channel.id, &next);
    let signed = json!({"state": next, "payerSignature": sign(&bank.patient.identity, &message),
                        "payeeSignature": Value::Null});
    let good: Value = carecord_chaincode::serde_json::from_str(&close(Some(&signed))).unwrap();
    let invoice = json!({"hash": hex::encode(random_bytes::<32>()), "meterSeconds": 60,
                         "extras": "0", "total": "60"});
    let mut tried = 0;
    for canary in CANARIES {
        for (who, function, good) in [
            (&bank.doctor, "channels:Invoice", &invoice),
            (&bank.patient, "channels:CloseUnilateral", &good),
        ] {
            let mut all = Vec::new();
            places(good, "", &mut all);
            for place in all {
                let bad = plant(good, &place, canary).to_string();
                let done = bank.town.ledger.submit("health", &who.identity, &[function, id, &bad]);
                assert_eq!(done.verdict, Verdict::NotEndorsed, "{function} {place} {canary}");
                tried += 1;
            }
        }
        for function in ["token:Transfer", "token:Burn", "channels:Accept", "channels:Witness"] {
            let done =
                bank.town.ledger.submit("health", &bank.patient.identity, &[function, canary]);
            assert_eq!(done.verdict, Verdict::NotEndorsed, "{function}");
        }
    }
    assert!(tried > 80, "{tried}");
    let args = ["channels:CloseUnilateral", id, &good.to_string()];
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
    assert_no_free_text(&bank.town);
}

#[test]
fn events_tell_neither_who_nor_how_much() {
    let mut bank = Bank::with(9_000);
    let doctor = bank.doctor.id.clone();
    let new = new_channel(&bank, "uni", 777, 0).to_string();
    for args in [vec!["token:Transfer", &doctor, "CARE", "777"], vec!["channels:Open", &new]] {
        let done = bank.town.ledger.submit("health", &bank.patient.identity, &args);
        let (_, payload) = done.event.unwrap();
        let text = String::from_utf8(payload.to_vec()).unwrap();
        for hidden in [bank.patient.id.as_str(), &doctor, "777"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}
