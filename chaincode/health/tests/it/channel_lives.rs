//! Random lives of channels: whatever is tried, the deposits come out once and whole.

use carecord_chaincode::serde_json::{self, json};
use carecord_health::{
    channels::{
        Channel, Mode, Side, State, Status,
        machine::{Clock, Payout},
    },
    token::Amount,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::conservation::{SEED, asked};

/// Random lives of channels; `CARECORD_RUNS` asks for more.
const RUNS: usize = 100_000;

/// A random channel, with amounts up to the largest.
fn channel(rng: &mut ChaCha8Rng) -> Channel {
    let bits = rng.random_range(1..127);
    let mode = if rng.random() { Mode::Uni } else { Mode::Bi };
    let payer = rng.random_range(1..=1_u128 << bits);
    let payee = if mode == Mode::Bi { rng.random_range(0..=1_u128 << bits) } else { 0 };
    let json = json!({
        "id": "0".repeat(64), "payer": "0".repeat(32), "payee": "1".repeat(32), "payerHome": "A",
        "payeeHome": "B", "payerKey": "", "payeeKey": "", "mode": mode, "currency": "CARE",
        "rate": "7", "depositPayer": payer.to_string(), "depositPayee": payee.to_string(),
        "funding": 0, "base": {"funding": 0, "seq": 0, "balPayer": payer.to_string(),
        "balPayee": payee.to_string(), "meterSeconds": 0, "invoice": null},
        "penaltyBps": rng.random_range(1..=10_000), "windowSeconds": 10, "windowBlocks": 2,
        "opened": 0, "expires": rng.random_range(1..40), "status": if mode == Mode::Bi { "proposed" } else { "open" }});
    serde_json::from_value(json).unwrap()
}

fn random_state(rng: &mut ChaCha8Rng, channel: &Channel) -> State {
    let all = channel.deposits().unwrap().0;
    // Some do not add up, some are of another funding.
    let all = if rng.random_range(0..10) == 0 { all / 2 } else { all };
    let payee = rng.random_range(0..=all);
    State {
        funding: if rng.random_range(0..10) == 0 { 7 } else { channel.funding },
        seq: rng.random_range(0..6),
        bal_payer: Amount(all - payee),
        bal_payee: Amount(payee),
        meter_seconds: 0,
        invoice: None,
    }
}

/// One random step; what it pays out.
fn step(rng: &mut ChaCha8Rng, channel: &mut Channel, clock: Clock) -> Option<Payout> {
    let by = if rng.random() { Side::Payer } else { Side::Payee };
    let state = random_state(rng, channel);
    let some = Some(&state).filter(|_| rng.random_range(0..5) > 0);
    match rng.random_range(0..12) {
        0 | 10 => channel.accept(clock.now).ok().and(None),
        1 => channel.cancel().ok(),
        2 => channel.close_cooperative(&state).ok(),
        3 => channel.close_unilateral(by, some, rng.random(), clock.now).ok().flatten(),
        4 => channel.challenge(by, &state, clock.now, || Ok(clock.blocks)).ok(),
        5 | 11 => channel.finalize(clock).ok(),
        6 | 9 => channel.expire(by, clock.now).ok().and(None),
        7 => {
            let minutes: u64 = rng.random_range(0..40);
            let extras = rng.random_range(0..50_u128);
            let invoice = json!({"hash": "0".repeat(64), "meterSeconds": minutes * 60,
                                 "extras": extras.to_string(),
                                 "total": (u128::from(minutes) * 7 + extras).to_string()});
            let issued = channel.issue(serde_json::from_value(invoice).unwrap());
            issued.ok().and_then(|()| channel.pay().ok())
        }
        _ => {
            let mut next = channel.clone();
            let amount = Amount(rng.random_range(1..1_000));
            let base = State { funding: next.funding + 1, seq: 0, ..state };
            let deposits = next.deposits().unwrap().plus(amount).unwrap();
            let base = State { bal_payer: deposits.minus(base.bal_payee).unwrap(), ..base };
            if next.top_up(by, amount, &base).is_ok() {
                *channel = next;
            }
            None
        }
    }
}

#[test]
fn a_channel_pays_out_its_deposits_once_whatever_is_tried() {
    let runs = asked("CARECORD_RUNS", RUNS);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let (mut ended, mut statuses) = (0, std::collections::BTreeMap::new());
    for run in 0..runs {
        let mut channel = channel(&mut rng);
        let mut clock = Clock { now: 0, blocks: 0 };
        let mut paid: Option<Payout> = None;
        for _ in 0..30 {
            let before = channel.clone();
            let payout = step(&mut rng, &mut channel, clock);
            if let Some(payout) = payout {
                assert_eq!(paid, None, "run {run} pays twice");
                let payee_in = before.status != Status::Proposed;
                let deposits =
                    if payee_in { channel.deposits() } else { Some(channel.deposit_payer) };
                assert_eq!(payout.payer.plus(payout.payee), deposits, "run {run}: {channel:?}");
                paid = Some(payout);
            }
            assert_eq!(paid.is_some(), !channel.is_live(), "run {run}: {channel:?}");
            if !before.is_live() {
                assert_eq!(before, channel, "run {run}: an ended channel changed");
            }
            clock.now += rng.random_range(0..8);
            clock.blocks = rng.random_range(0..6);
        }
        ended += usize::from(paid.is_some());
        *statuses.entry(channel.status.as_str()).or_insert(0) += 1;
    }
    println!("channels: {runs} random lives from seed {SEED:#x}, {ended} ended, {statuses:?}");
    assert!(ended * 2 > runs, "{ended}");
    for end in ["closed", "penalised", "expired", "cancelled"] {
        assert!(statuses.contains_key(end), "{end} never happened");
    }
}
