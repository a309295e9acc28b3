//! How fast the signed states of payment channels are verified.
//!
//! `cargo bench -p carecord-health --bench channel_states` makes [`STATES`] different states of one channel of mode `uni`
//! (one signature each), then verifies all of them one after the other on one thread, as `channels:CloseUnilateral` and
//! a payee's device do: base64, DER and low S, the statement's bytes, SHA-256, ECDSA over P-256. It prints the states per
//! second of the slowest and the fastest of [`RUNS`] runs; making and signing them is not counted. A second figure is
//! the same with both signatures.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use carecord_chaincode::serde_json::{from_value, json};
use carecord_health::channels::{
    Channel, Mode, SignedState, State, state::is_low_s, update_statement,
};
use carecord_health::token::Amount;

const STATES: u64 = 20_000;
const RUNS: usize = 5;
const NETWORK: &str = "care/00112233445566778899aabbccddeeff";

fn main() {
    let keys: [EcdsaKeyPair; 2] =
        std::array::from_fn(|_| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());
    let channel = channel(&keys);
    let states: Vec<SignedState> = (1..=STATES).map(|seq| signed(&channel, &keys, seq)).collect();
    report("one signature", &channel, &states);
    let both = Channel { mode: Mode::Bi, ..channel };
    report("both signatures", &both, &states);
}

fn report(what: &str, channel: &Channel, states: &[SignedState]) {
    let times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            for state in states {
                state.verify(NETWORK, channel).unwrap();
            }
            start.elapsed()
        })
        .collect();
    let rate = |time: &Duration| states.len() as f64 / time.as_secs_f64();
    println!(
        "{what}: {:.0} to {:.0} states per second on one thread, {} states, {RUNS} runs",
        rate(times.iter().max().unwrap()),
        rate(times.iter().min().unwrap()),
        states.len()
    );
}

fn channel(keys: &[EcdsaKeyPair; 2]) -> Channel {
    let [payer, payee] = keys.each_ref().map(|key| STANDARD.encode(key.public_key().as_ref()));
    from_value(json!({
        "id": "1".repeat(64), "payer": "0".repeat(32), "payee": "1".repeat(32), "payerHome": "A",
        "payeeHome": "B", "payerKey": payer, "payeeKey": payee, "mode": "uni", "currency": "CARE",
        "rate": "60", "depositPayer": STATES.to_string(), "depositPayee": "0", "funding": 0,
        "base": {"funding": 0, "seq": 0, "balPayer": STATES.to_string(), "balPayee": "0",
                 "meterSeconds": 0},
        "penaltyBps": 10_000, "windowSeconds": 7_200, "windowBlocks": 6, "opened": 0,
        "expires": 1, "status": "open"}))
    .unwrap()
}

fn signed(channel: &Channel, keys: &[EcdsaKeyPair; 2], seq: u64) -> SignedState {
    let paid = Amount(u128::from(seq));
    let bal_payer = channel.deposit_payer.minus(paid).unwrap();
    let state =
        State { funding: 0, seq, bal_payer, bal_payee: paid, meter_seconds: seq, invoice: None };
    let message = update_statement(NETWORK, &channel.id, &state);
    let sign = |key: &EcdsaKeyPair| {
        let one = || key.sign(&SystemRandom::new(), &message).unwrap().as_ref().to_vec();
        STANDARD.encode(std::iter::repeat_with(one).find(|s| is_low_s(s)).unwrap())
    };
    let (payer_signature, payee_signature) = (Some(sign(&keys[0])), Some(sign(&keys[1])));
    SignedState { state, payer_signature, payee_signature }
}
