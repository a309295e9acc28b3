//! Payment channels on the ledger: who may do what, what each signature is worth, and where the money goes.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::KeyKind,
};
use carecord_health::channels::{Channel, State, Status, machine::billed, update_statement};
use carecord_health::token::Amount;

use crate::{
    money::Bank,
    town::{nobody, random_bytes, random_id, register},
    visits::{assert_no_residue, close, new_channel, open, purses, sign, state},
};

#[test]
fn each_begun_minute_is_billed_whole() {
    let rate = Amount(60);
    for (seconds, price) in [
        (0, 0),
        (1, 60),
        (59, 60),
        (60, 60),
        (61, 120),
        (17 * 60, 1_020),
        (u64::MAX, 307_445_734_561_825_861 * 60),
    ] {
        assert_eq!(billed(seconds, rate), Some(Amount(price)), "{seconds}");
    }
    assert_eq!(billed(61, Amount(u128::MAX)), None);
}

#[test]
fn a_visit_is_two_transactions_and_leaves_nothing_behind() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "uni", 1_500, 0);
    assert_eq!(purses(&mut bank), (500, 2_000));
    let price = billed(17 * 60, channel.rate).unwrap().0;
    let last = state(&channel, 17, price);
    let signed = bank.signed_final(&channel.id, &last).to_string();
    let args = ["channels:CloseCooperative", channel.id.as_str(), &signed];
    let closed: Channel = bank.town.ok(&bank.doctor.identity, &args);
    assert_eq!(closed.status, Status::Closed);
    assert_eq!(purses(&mut bank), (980, 3_020));
    assert_no_residue(&bank);
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-050");
}

#[test]
fn an_invoice_is_paid_out_of_the_deposit_and_the_rest_comes_back() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "uni", 1_500, 0);
    let id = channel.id.as_str();
    let hash = hex::encode(random_bytes::<32>());
    let invoice = |seconds: u64, extras: u128, total: u128| {
        json!({"hash": hash, "meterSeconds": seconds, "extras": extras.to_string(),
               "total": total.to_string()})
        .to_string()
    };
    let good = invoice(1_001, 100, 17 * 60 + 100);
    bank.town.refused(&bank.patient.identity, &["channels:PayInvoice", id, &hash], "CR-CC-050");
    bank.town.refused(&bank.patient.identity, &["channels:Invoice", id, &good], "CR-CC-020");
    bank.town.refused(&bank.other.identity, &["channels:Invoice", id, &good], "CR-CC-030");
    for (bad, code) in [
        (invoice(1_001, 100, 17 * 60 + 99), "CR-CC-010"),
        (invoice(1_021, 100, 17 * 60 + 100), "CR-CC-010"),
        (invoice(1_001, 481, 1_501), "CR-CC-062"),
        (invoice(u64::MAX, u128::MAX, 0), "CR-CC-010"),
    ] {
        bank.town.refused(&bank.doctor.identity, &["channels:Invoice", id, &bad], code);
    }
    let _: Value = bank.town.ok(&bank.doctor.identity, &["channels:Invoice", id, &good]);
    bank.town.refused(&bank.doctor.identity, &["channels:Invoice", id, &good], "CR-CC-040");
    let other = hex::encode(random_bytes::<32>());
    bank.town.refused(&bank.patient.identity, &["channels:PayInvoice", id, &other], "CR-CC-070");
    let _: Value = bank.town.ok(&bank.patient.identity, &["channels:PayInvoice", id, &hash]);
    bank.town.refused(&bank.patient.identity, &["channels:PayInvoice", id, &hash], "CR-CC-050");
    assert_eq!(purses(&mut bank), (880, 3_120));
    assert_no_residue(&bank);
}

#[test]
fn a_one_way_channel_never_pays_less_than_what_both_signed_at_its_top_up() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "uni", 600, 0);
    let id = channel.id.as_str();
    let base = State { funding: 1, bal_payer: Amount(700), ..state(&channel, 0, 300) };
    let signed = bank.signed(&channel.id, &base).to_string();
    let args = ["channels:TopUp", id, "400", &signed];
    let channel: Channel = bank.town.ok(&bank.patient.identity, &args);
    let less = bank.signed(&channel.id, &state(&channel, 9, 299));
    let args = ["channels:CloseUnilateral", id, &close(Some(&less))];
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-050");
    let _: Value = bank.town.ok(&bank.doctor.identity, &["channels:CloseUnilateral", id, "{}"]);
    assert_eq!(purses(&mut bank), (1_700, 2_300));
}

#[test]
fn a_state_counts_for_its_network_channel_funding_contract_and_signers_only() {
    let mut bank = Bank::with(9_000);
    let channel = open(&mut bank, "bi", 1_500, 300);
    let twin = open(&mut bank, "bi", 1_500, 300);
    let id = channel.id.as_str();
    let good = state(&channel, 3, 600);
    let signed = bank.signed(&channel.id, &good);
    let foreign_network = {
        let message = update_statement("care/other", &channel.id, &good);
        json!({"state": good, "payerSignature": sign(&bank.patient.identity, &message),
               "payeeSignature": sign(&bank.doctor.identity, &message)})
    };
    let changed = |field: &str, value: Value| {
        let mut changed = signed.clone();
        changed["state"][field] = value;
        changed
    };
    let without = |field: &str, value: Value| {
        let mut changed = signed.clone();
        changed[field] = value;
        changed
    };
    let final_one = bank.signed_final(&channel.id, &good);
    for bad in [
        bank.signed(&twin.id, &good),
        foreign_network,
        final_one,
        changed("funding", json!(1)),
        changed("seq", json!(4)),
        changed("meterSeconds", json!(0)),
        changed("invoice", json!("0".repeat(64))),
        without("payerSignature", Value::Null),
        without("payeeSignature", Value::Null),
        without("payeeSignature", signed["payerSignature"].clone()),
        without("payerSignature", json!("AAAA")),
        without("payerSignature", json!("!")),
        without("payerSignature", high_s(&signed["payerSignature"])),
    ] {
        let args = ["channels:CloseUnilateral", id, &close(Some(&bad))];
        bank.town.refused(&bank.patient.identity, &args, "CR-CC-070");
    }
    // An ordinary state does not close at once, however well it is signed.
    let args = ["channels:CloseCooperative", id, &signed.to_string()];
    bank.town.refused(&bank.doctor.identity, &args, "CR-CC-070");
    let too_much = State { bal_payee: Amount(601), ..good.clone() };
    let zero = State { seq: 0, ..good };
    for (bad, code) in [(too_much, "CR-CC-010"), (zero, "CR-CC-050")] {
        let args = ["channels:CloseUnilateral", id, &close(Some(&bank.signed(&channel.id, &bad)))];
        bank.town.refused(&bank.patient.identity, &args, code);
    }
    let args = ["channels:CloseUnilateral", id, &close(Some(&signed))];
    bank.town.refused(&bank.other.identity, &args, "CR-CC-030");
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
}

/// The other signature that holds whenever this one does: S replaced by the order minus S.
fn high_s(signature: &Value) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let der = STANDARD.decode(signature.as_str().unwrap()).unwrap();
    let r_bytes = usize::from(der[3]);
    let (r, s) = (&der[2..4 + r_bytes], &der[4 + r_bytes + 2..]);
    let mut high = hex::decode(ORDER).unwrap();
    let mut borrow = 0_i16;
    let padded = [vec![0; 33 - s.len()], s.to_vec()].concat();
    for (place, digit) in high.iter_mut().enumerate().rev() {
        let value = i16::from(*digit) - i16::from(padded[place + 1]) - borrow;
        borrow = i16::from(value < 0);
        *digit = u8::try_from(value.rem_euclid(256)).unwrap();
    }
    let body = [r, &[0x02, 33, 0], &high].concat();
    let der = [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat();
    json!(STANDARD.encode(der))
}

#[test]
fn a_top_up_begins_a_funding_in_which_older_states_are_worth_nothing() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 600, 300);
    let id = channel.id.as_str();
    let old = bank.signed(&channel.id, &state(&channel, 9, 900));
    let base = State {
        funding: 1,
        seq: 0,
        bal_payer: Amount(500),
        bal_payee: Amount(800),
        meter_seconds: 540,
        invoice: None,
    };
    let signed = bank.signed(&channel.id, &base);
    let wrong_sum = bank.signed(&channel.id, &State { bal_payer: Amount(499), ..base.clone() });
    let later = bank.signed(&channel.id, &State { seq: 1, ..base.clone() });
    let skipped = bank.signed(&channel.id, &State { funding: 2, ..base });
    let mut one_sided = signed.clone();
    one_sided["payeeSignature"] = Value::Null;
    for (bad, amount, code) in [
        (&wrong_sum, "400", "CR-CC-010"),
        (&signed, "401", "CR-CC-010"),
        (&signed, "0", "CR-CC-010"),
        (&later, "400", "CR-CC-050"),
        (&skipped, "400", "CR-CC-050"),
        (&one_sided, "400", "CR-CC-070"),
    ] {
        let args = ["channels:TopUp", id, amount, &bad.to_string()];
        bank.town.refused(&bank.patient.identity, &args, code);
    }
    let args = ["channels:TopUp", id, "400", &signed.to_string()];
    let channel: Channel = bank.town.ok(&bank.patient.identity, &args);
    assert_eq!((channel.funding, purses(&mut bank)), (1, (1_000, 1_700)));
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-050");
    let args = ["channels:CloseUnilateral", id, &close(Some(&old))];
    bank.town.refused(&bank.doctor.identity, &args, "CR-CC-050");
    // Without a newer state the base holds.
    let _: Value =
        bank.town.ok(&bank.doctor.identity, &["channels:CloseUnilateral", id, &close(None)]);
    let args = ["channels:Challenge", id, &old.to_string()];
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-050");
    let doctor = std::mem::replace(&mut bank.doctor, nobody());
    bank.let_window_pass(&doctor, &channel);
    bank.doctor = doctor;
    let _: Value = bank.town.ok(&bank.doctor.identity, &["channels:Finalize", id]);
    assert_eq!(purses(&mut bank), (1_500, 2_500));
}

#[test]
fn a_channel_that_was_topped_up_more_often_than_a_debit_folds_can_still_be_closed() {
    let mut bank = Bank::with(2_000);
    let mut channel = open(&mut bank, "bi", 600, 300);
    let id = channel.id.to_string();
    for _ in 0..carecord_health::token::FOLD_MAX + 5 {
        let bal_payer = channel.deposit_payer.plus(Amount(1)).unwrap();
        let base = State { funding: channel.funding + 1, bal_payer, ..state(&channel, 0, 300) };
        let signed = bank.signed(&channel.id, &base).to_string();
        let args = ["channels:TopUp", id.as_str(), "1", &signed];
        channel = bank.town.ok(&bank.patient.identity, &args);
    }
    let signed = bank.signed_final(&channel.id, &state(&channel, 1, 500)).to_string();
    let args = ["channels:CloseCooperative", id.as_str(), &signed];
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
    assert_eq!(purses(&mut bank), (1_800, 2_200));
    assert_no_residue(&bank);
}

#[test]
fn a_channel_that_nobody_accepts_is_taken_back() {
    let mut bank = Bank::with(2_000);
    let new = new_channel(&bank, "bi", 600, 300).to_string();
    let channel: Channel = bank.town.ok(&bank.patient.identity, &["channels:Open", &new]);
    let id = channel.id.as_str();
    assert_eq!((channel.status, purses(&mut bank)), (Status::Proposed, (1_400, 2_000)));
    for args in [
        vec!["channels:CloseUnilateral", id, r#"{}"#],
        vec!["channels:Expire", id],
        vec!["channels:Finalize", id],
    ] {
        bank.town.refused(&bank.patient.identity, &args, "CR-CC-050");
    }
    bank.town.refused(&bank.other.identity, &["channels:Accept", id], "CR-CC-030");
    bank.town.refused(&bank.patient.identity, &["channels:Accept", id], "CR-CC-020");
    let _: Value = bank.town.ok(&bank.patient.identity, &["channels:Cancel", id]);
    assert_eq!(purses(&mut bank), (2_000, 2_000));
    bank.town.refused(&bank.doctor.identity, &["channels:Accept", id], "CR-CC-050");
    bank.town.refused(&bank.patient.identity, &["channels:Cancel", id], "CR-CC-050");
    assert_no_residue(&bank);
}

#[test]
fn what_a_channel_is_opened_with_is_checked() {
    let mut bank = Bank::with(2_000);
    let good = new_channel(&bank, "uni", 100, 0);
    for (field, value, code) in [
        ("payee", json!(random_id()), "CR-CC-030"),
        ("payee", json!(bank.insurer.id), "CR-CC-030"),
        ("payee", json!(bank.patient.id), "CR-CC-030"),
        ("currency", json!("CREDIT"), "CR-CC-026"),
        ("currency", json!("USD"), "CR-CC-026"),
        ("mode", json!("both"), "CR-CC-003"),
        ("rate", json!(60), "CR-CC-003"),
        ("depositPayer", json!("0"), "CR-CC-010"),
        ("depositPayer", json!("2001"), "CR-CC-062"),
        ("depositPayee", json!("1"), "CR-CC-010"),
        ("penaltyBps", json!(0), "CR-CC-010"),
        ("penaltyBps", json!(10_001), "CR-CC-010"),
        ("windowSeconds", json!(7_199), "CR-CC-010"),
        ("windowBlocks", json!(5), "CR-CC-010"),
        ("windowBlocks", json!(101), "CR-CC-010"),
        ("expires", json!(bank.town.ledger.now), "CR-CC-010"),
        ("expires", json!(i64::MAX), "CR-CC-010"),
        ("status", json!("closed"), "CR-CC-003"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let args = ["channels:Open", &bad.to_string()];
        bank.town.refused(&bank.patient.identity, &args, code);
    }
    let args = ["channels:Open", &good.to_string()];
    bank.town.refused(&bank.doctor.identity, &args, "CR-CC-020");
    // Only P-256 keys sign states.
    let edwards = register(&mut bank.town.ledger, &bank.admin_a, "patient", KeyKind::Ed25519);
    bank.town.refused(&edwards.identity, &args, "CR-CC-050");
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
}
