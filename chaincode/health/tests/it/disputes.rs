//! Closing without the other side: windows, objections, penalties, and who can hold what up.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::Verdict,
};
use carecord_health::channels::{Channel, Status, update_statement};

use crate::{
    money::Bank,
    town::{key_registration, nobody, random_bytes},
    visits::{assert_no_residue, close, new_channel, open, purses, sign, state},
};

#[test]
fn a_cheating_doctor_loses_everything_in_the_channel() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 1_500, 300);
    assert_eq!(purses(&mut bank), (500, 1_700));
    // Twenty minutes were metered by mistake; both sign that it was seventeen.
    let old = bank.signed(&channel.id, &state(&channel, 20, 300 + 1_200));
    let new = bank.signed(&channel.id, &state(&channel, 21, 300 + 1_020));
    let id = channel.id.as_str();
    let args = ["channels:CloseUnilateral", id, &close(Some(&old))];
    let waiting: Channel = bank.town.ok(&bank.doctor.identity, &args);
    assert_eq!(waiting.status, Status::Closing);
    bank.town.refused(&bank.doctor.identity, &args, "CR-CC-050");
    let challenge = ["channels:Challenge", id, &new.to_string()];
    bank.town.refused(&bank.doctor.identity, &challenge, "CR-CC-050");
    bank.town.refused(&bank.other.identity, &challenge, "CR-CC-030");
    let done: Channel = bank.town.ok(&bank.patient.identity, &challenge);
    assert_eq!(done.status, Status::Penalised);
    assert_eq!(purses(&mut bank), (2_300, 1_700));
    assert_no_residue(&bank);
    bank.town.refused(&bank.patient.identity, &challenge, "CR-CC-050");
    bank.town.refused(&bank.doctor.identity, &["channels:Finalize", id], "CR-CC-050");
}

#[test]
fn a_close_needs_both_the_time_and_the_blocks_of_its_window() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 1_500, 300);
    let id = channel.id.as_str();
    let signed = bank.signed(&channel.id, &state(&channel, 5, 600));
    let args = ["channels:CloseUnilateral", id, &close(Some(&signed))];
    bank.town.refused(&bank.patient.identity, &["channels:Witness", id], "CR-CC-050");
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
    let finalize = ["channels:Finalize", id];
    for _ in 0..channel.window_blocks {
        bank.town.refused(&bank.patient.identity, &finalize, "CR-CC-050");
        let _: Value = bank.town.ok(&bank.patient.identity, &["channels:Witness", id]);
    }
    bank.town.refused(&bank.patient.identity, &["channels:Witness", id], "CR-CC-050");
    bank.town.ledger.now += channel.window_seconds - 1;
    bank.town.refused(&bank.patient.identity, &finalize, "CR-CC-050");
    bank.town.ledger.now += 1;
    // The window is over: a newer state comes too late.
    let late = bank.signed(&channel.id, &state(&channel, 6, 700)).to_string();
    bank.town.refused(&bank.doctor.identity, &["channels:Challenge", id, &late], "CR-CC-050");
    bank.town.refused(&bank.other.identity, &finalize, "CR-CC-030");
    let done: Channel = bank.town.ok(&bank.doctor.identity, &finalize);
    assert_eq!(done.status, Status::Closed);
    assert_eq!(purses(&mut bank), (500 + 1_200, 1_700 + 600));
    bank.town.refused(&bank.doctor.identity, &finalize, "CR-CC-050");
    assert_no_residue(&bank);
}

#[test]
fn while_blocks_are_missing_a_challenge_is_in_time_whatever_the_clock_says() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 1_500, 300);
    let id = channel.id.as_str();
    let _: Value =
        bank.town.ok(&bank.patient.identity, &["channels:CloseUnilateral", id, &close(None)]);
    bank.town.ledger.now += 10 * channel.window_seconds;
    bank.town.refused(&bank.patient.identity, &["channels:Finalize", id], "CR-CC-050");
    let newer = bank.signed(&channel.id, &state(&channel, 1, 360)).to_string();
    let done: Channel = bank.town.ok(&bank.doctor.identity, &["channels:Challenge", id, &newer]);
    assert_eq!(done.status, Status::Penalised);
    assert_eq!(purses(&mut bank), (500, 3_500));
}

#[test]
fn two_blocks_cannot_be_counted_in_one() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 100, 0);
    let id = channel.id.as_str();
    let _: Value =
        bank.town.ok(&bank.patient.identity, &["channels:CloseUnilateral", id, &close(None)]);
    let args = ["channels:Witness", id];
    let [one, two] = [&bank.patient, &bank.doctor]
        .map(|who| bank.town.ledger.simulate("health", &who.identity, &args));
    assert_eq!(bank.town.ledger.commit(one).verdict, Verdict::Valid);
    assert_eq!(bank.town.ledger.commit(two).verdict, Verdict::ReadConflict);
}

#[test]
fn nothing_that_the_closer_does_makes_a_challenge_void() {
    let mut bank = Bank::with(2_000);
    let new = {
        let mut new = new_channel(&bank, "bi", 1_500, 300);
        new["penaltyBps"] = json!(5_000);
        new.to_string()
    };
    let channel: Channel = bank.town.ok(&bank.patient.identity, &["channels:Open", &new]);
    let id = channel.id.as_str();
    let channel: Channel = bank.town.ok(&bank.doctor.identity, &["channels:Accept", id]);
    let old = bank.signed(&channel.id, &state(&channel, 1, 1_500));
    let newer = bank.signed(&channel.id, &state(&channel, 2, 900)).to_string();
    let args = ["channels:CloseUnilateral", id, &close(Some(&old))];
    let _: Value = bank.town.ok(&bank.doctor.identity, &args);
    let challenge = bank.town.ledger.simulate(
        "health",
        &bank.patient.identity,
        &["channels:Challenge", id, &newer],
    );
    // Everything that the doctor can still write, in front of the challenge.
    let commitment = hex::encode(random_bytes::<32>());
    let me: Value = bank.town.ok(&bank.doctor.identity, &["identity:Me"]);
    let kid = me["encryptionKey"]["registration"]["kid"].as_str();
    let key = key_registration(&bank.doctor.identity, &bank.doctor.id, "care", 2, kid).to_string();
    let patient = bank.patient.id.clone();
    for args in [
        vec!["channels:Witness", id],
        vec!["identity:UpsertProfile", &commitment],
        vec!["identity:RotateKey", &key],
        vec!["token:Transfer", &patient, "CARE", "1"],
        vec!["token:Burn", "CARE", "1"],
    ] {
        let _: Value = bank.town.ok(&bank.doctor.identity, &args);
    }
    let tower = bank.other.id.clone();
    for args in [
        vec!["channels:Delegate", id, &tower],
        vec!["channels:CloseUnilateral", id, &close(None)],
        vec!["channels:Expire", id],
    ] {
        bank.town.refused(&bank.doctor.identity, &args, "CR-CC-050");
    }
    assert_eq!(bank.town.ledger.commit(challenge).verdict, Verdict::Valid);
    // Half of the doctor's 900 is forfeited.
    assert_eq!(purses(&mut bank), (500 + 1 + 900 + 450, 1_700 - 2 + 450));
    assert_no_residue(&bank);
}

#[test]
fn equal_numbers_settle_at_the_one_worse_for_the_closer() {
    for (posted, shown) in [(900, 600), (600, 900)] {
        let mut bank = Bank::with(2_000);
        let channel = open(&mut bank, "bi", 1_500, 300);
        let id = channel.id.as_str();
        let [posted, shown] =
            [posted, shown].map(|payee| bank.signed(&channel.id, &state(&channel, 3, payee)));
        let args = ["channels:CloseUnilateral", id, &close(Some(&posted))];
        let _: Value = bank.town.ok(&bank.doctor.identity, &args);
        let same = posted.to_string();
        bank.town.refused(&bank.patient.identity, &["channels:Challenge", id, &same], "CR-CC-050");
        let args = ["channels:Challenge", id, &shown.to_string()];
        let done: Channel = bank.town.ok(&bank.patient.identity, &args);
        assert_eq!(done.status, Status::Closed);
        assert_eq!(purses(&mut bank), (500 + 1_200, 1_700 + 600));
    }
}

#[test]
fn who_signed_first_and_got_no_answer_announces_it_and_is_not_punished() {
    for (shown, status, payee) in [(3, Status::Closed, 900), (4, Status::Penalised, 0)] {
        let mut bank = Bank::with(2_000);
        let channel = open(&mut bank, "bi", 1_500, 300);
        let id = channel.id.as_str();
        let posted = bank.signed(&channel.id, &state(&channel, 2, 600));
        let shown = bank.signed(&channel.id, &state(&channel, shown, 900)).to_string();
        let announced = json!({"state": posted, "pending": true}).to_string();
        let args = ["channels:CloseUnilateral", id, &announced];
        let _: Value = bank.town.ok(&bank.doctor.identity, &args);
        let args = ["channels:Challenge", id, &shown];
        let done: Channel = bank.town.ok(&bank.patient.identity, &args);
        assert_eq!(done.status, status);
        assert_eq!(purses(&mut bank), (500 + 1_800 - payee, 1_700 + payee));
    }
}

#[test]
fn in_one_way_channels_the_payee_closes_at_once_and_the_payer_cannot_go_back() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "uni", 1_500, 0);
    let id = channel.id.as_str();
    let by_payer = |bank: &Bank, seq: u64, payee: u128| {
        let state = state(&channel, seq, payee);
        let message = update_statement(&bank.network_name(), &channel.id, &state);
        json!({"state": state, "payerSignature": sign(&bank.patient.identity, &message)})
    };
    let newest = by_payer(&bank, 17, 1_020);
    let args = ["channels:CloseUnilateral", id, &close(Some(&newest))];
    let simulated = bank.town.ledger.simulate("health", &bank.doctor.identity, &args);
    assert!(simulated.response.as_ref().unwrap().is_endorsable());
    // The payer signs a smaller amount under a far larger number, which costs nothing to make.
    let forged = by_payer(&bank, 1_000, 60);
    let cheat = ["channels:CloseUnilateral", id, &close(Some(&forged))];
    let _: Value = bank.town.ok(&bank.patient.identity, &cheat);
    let args = ["channels:Challenge", id, &newest.to_string()];
    let done: Channel = bank.town.ok(&bank.doctor.identity, &args);
    assert_eq!(done.status, Status::Penalised);
    assert_eq!(purses(&mut bank), (500, 3_500));
}

#[test]
fn no_organisation_alone_can_keep_a_dispute_from_being_endorsed() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 600, 300);
    let orgs = ["HospitalAMSP", "HospitalBMSP", "InsurerMSP", "ResearchMSP"]
        .map(|msp| carecord_health::ids::MspId::new(msp).unwrap());
    let joint = carecord_health::policy::majority(&orgs);
    let mut seen = 0;
    for ((_, key), value) in bank.town.ledger.state() {
        let escrow = key.contains("e:channel:");
        if escrow || (key.contains("channel\0") && key.contains(channel.id.as_str())) {
            assert_eq!(value.policy, joint, "{key}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn an_expired_channel_ends_at_its_base_unless_somebody_shows_a_state() {
    let mut bank = Bank::with(2_000);
    for shown in [false, true] {
        let before = purses(&mut bank);
        let channel = open(&mut bank, "uni", 600, 0);
        let id = channel.id.as_str();
        bank.town.refused(&bank.patient.identity, &["channels:Expire", id], "CR-CC-050");
        bank.town.ledger.now = channel.expires;
        let _: Value = bank.town.ok(&bank.patient.identity, &["channels:Expire", id]);
        let signed = bank.signed(&channel.id, &state(&channel, 1, 60));
        let args = ["channels:Challenge", id, &signed.to_string()];
        bank.town.refused(&bank.doctor.identity, &args, "CR-CC-050");
        let (after, status) = if shown {
            let args = ["channels:CloseUnilateral", id, &close(Some(&signed))];
            let done: Channel = bank.town.ok(&bank.doctor.identity, &args);
            ((before.0 - 60, before.1 + 60), done.status)
        } else {
            let patient = std::mem::replace(&mut bank.patient, nobody());
            bank.let_window_pass(&patient, &channel);
            bank.patient = patient;
            let done: Channel = bank.town.ok(&bank.patient.identity, &["channels:Finalize", id]);
            (before, done.status)
        };
        assert_eq!(status, if shown { Status::Closed } else { Status::Expired });
        assert_eq!(purses(&mut bank), after);
    }
    assert_no_residue(&bank);
}

#[test]
fn a_watchtower_objects_for_who_appointed_it() {
    let mut bank = Bank::with(2_000);
    let channel = open(&mut bank, "bi", 1_500, 300);
    let id = channel.id.as_str();
    let tower = bank.insurer.id.clone();
    bank.town.refused(&bank.insurer.identity, &["channels:Get", id], "CR-CC-030");
    let own = bank.doctor.id.clone();
    let args = ["channels:Delegate", id, &own];
    bank.town.refused(&bank.patient.identity, &args, "CR-CC-010");
    let args = ["channels:Delegate", id, &tower];
    let _: Value = bank.town.ok(&bank.patient.identity, &args);
    let listed: Value = bank.town.ok(&bank.insurer.identity, &["channels:ListMine", "", "10"]);
    assert_eq!(listed["items"][0]["id"], id);
    let old = bank.signed(&channel.id, &state(&channel, 1, 1_500));
    let newer = bank.signed(&channel.id, &state(&channel, 2, 900)).to_string();
    let args = ["channels:CloseUnilateral", id, &close(Some(&old))];
    bank.town.refused(&bank.insurer.identity, &args, "CR-CC-030");
    let _: Value = bank.town.ok(&bank.doctor.identity, &args);
    let args = ["channels:Challenge", id, &newer];
    let done: Channel = bank.town.ok(&bank.insurer.identity, &args);
    assert_eq!(done.status, Status::Penalised);
    assert_eq!(purses(&mut bank), (2_300, 1_700));
}
