//! Money is neither made nor lost: random operations on ledgers, and random lives of channels.

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{Simulation, Verdict},
};
use carecord_health::{
    channels::{
        Channel, Mode, Side, State, Status,
        machine::{Clock, Payout},
    },
    token::Amount,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    money::{Bank, assert_conserved},
    town::{Person, random_id},
    visits::{self, close, state},
};

/// Valid operations of the random run on ledgers; `CARECORD_OPERATIONS` asks for more.
const OPERATIONS: usize = 10_000;
/// Operations after which a new ledger begins.
const PER_LEDGER: usize = 5_000;
/// Operations after which all accounts are summed up.
const PER_SUM: usize = 250;
/// Random lives of channels; `CARECORD_RUNS` asks for more.
const RUNS: usize = 100_000;
const SEED: u64 = 0x5EED_0000;

fn asked(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// One random life of a bank.
struct Life {
    bank: Bank,
    rng: ChaCha8Rng,
    holds: Vec<String>,
    channels: Vec<Channel>,
    valid: usize,
    refused: usize,
    voided: usize,
}

type Call = (usize, Vec<String>);

impl Life {
    fn new(seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let (holds, channels) = (vec![], vec![]);
        Self { bank: Bank::with(10_000), rng, holds, channels, valid: 0, refused: 0, voided: 0 }
    }

    fn person(&self, index: usize) -> &Person {
        [&self.bank.patient, &self.bank.doctor, &self.bank.other, &self.bank.insurer][index]
    }

    fn done(&self) -> usize {
        self.valid + self.refused + self.voided
    }

    /// Some calls on one state, then all of them into one block.
    fn block(&mut self) {
        let count = self.rng.random_range(1..=6);
        let calls: Vec<Call> = (0..count).map(|_| self.call()).collect();
        let simulations: Vec<(Vec<String>, Simulation)> = calls
            .into_iter()
            .map(|(who, args)| {
                let identity = match who {
                    0 => &self.bank.patient.identity,
                    1 => &self.bank.doctor.identity,
                    2 => &self.bank.other.identity,
                    _ => &self.bank.insurer.identity,
                };
                let simulation = self.bank.town.ledger.simulate("health", identity, &args);
                (args, simulation)
            })
            .collect();
        for (args, simulation) in simulations {
            let done = self.bank.town.ledger.commit(simulation);
            match done.verdict {
                Verdict::Valid => {
                    self.valid += 1;
                    self.learn(&args, &done.response.payload);
                }
                Verdict::NotEndorsed => self.refused += 1,
                Verdict::ReadConflict | Verdict::PhantomRead => self.voided += 1,
            }
        }
        self.bank.town.ledger.now += self.rng.random_range(0..1_000);
    }

    fn learn(&mut self, args: &[String], payload: &[u8]) {
        let answer: Option<Value> = serde_json::from_slice(payload).ok();
        match (args[0].as_str(), answer) {
            ("token:Hold", Some(hold)) => {
                self.holds.push(hold["id"].as_str().unwrap().to_owned());
            }
            (function, Some(channel)) if function.starts_with("channels:") => {
                let Ok(channel) = serde_json::from_value::<Channel>(channel) else { return };
                self.channels.retain(|known| known.id != channel.id);
                if channel.is_live() || self.rng.random_range(0..4) == 0 {
                    self.channels.push(channel);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self) -> Call {
        let who = self.rng.random_range(0..4);
        let whom = (who + self.rng.random_range(1..4)) % 4;
        let (from, to) = (self.person(who).id.clone(), self.person(whom).id.clone());
        let amount = self.amount().to_string();
        let text = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let args = match self.rng.random_range(0..14) {
            4 => text(&["token:Burn", "CARE", &self.rng.random_range(1..9).to_string()]),
            5 => {
                let hold = json!({"id": random_id(), "beneficiary": to, "currency": "CARE",
                                  "amount": amount, "until": self.bank.town.ledger.now + 500});
                text(&["token:Hold", &hold.to_string()])
            }
            6 => {
                let Some(hold) = self.holds.choose(&mut self.rng).cloned() else {
                    return (who, text(&["token:Transfer", &to, "CARE", &amount]));
                };
                let word = if self.rng.random() { "pay" } else { "refund" };
                text(&["token:ReleaseHold", &hold, word])
            }
            7 if self.rng.random_range(0..4) == 0 => {
                let allowance = json!({"spender": to, "currency": "CARE", "expected": "0",
                                       "amount": amount});
                text(&["token:Approve", &allowance.to_string()])
            }
            8 if self.rng.random_range(0..2) == 0 => {
                let transfer = json!({"from": to, "to": from, "currency": "CARE",
                                      "amount": amount});
                text(&["token:TransferFrom", &transfer.to_string()])
            }
            9 if self.rng.random_range(0..2) == 0 => {
                let waiting = text(&["token:Incoming", "CARE", "50"]);
                let rows = self.evaluate(who, &waiting);
                let rows = rows.as_array().cloned().unwrap_or_default();
                let transactions: Vec<&Value> = rows.iter().map(|row| &row["tx"]).collect();
                let fold = json!({"currency": "CARE", "transactions": transactions});
                text(&["token:Compact", &fold.to_string()])
            }
            10.. => return self.visit(),
            _ => text(&["token:Transfer", &to, "CARE", &amount]),
        };
        (who, args)
    }

    fn evaluate(&mut self, who: usize, args: &[String]) -> Value {
        let identity = match who {
            0 => &self.bank.patient.identity,
            1 => &self.bank.doctor.identity,
            2 => &self.bank.other.identity,
            _ => &self.bank.insurer.identity,
        };
        let answer = self.bank.town.ledger.evaluate("health", identity, args);
        serde_json::from_slice(&answer.payload).unwrap_or_default()
    }

    /// Something about a channel between the patient and the doctor.
    fn visit(&mut self) -> Call {
        let side = self.rng.random_range(0..2);
        let channel = self.channels.choose(&mut self.rng).cloned();
        let Some(channel) = channel.filter(|_| self.rng.random_range(0..8) > 0) else {
            let mode = if self.rng.random() { "uni" } else { "bi" };
            let payee = if mode == "bi" { self.amount() } else { 0 };
            let payer = self.amount();
            let new = visits::new_channel(&self.bank, mode, payer, payee);
            return (0, vec!["channels:Open".to_owned(), new.to_string()]);
        };
        let all = channel.deposits().unwrap().0;
        let divided = state(&channel, self.rng.random_range(1..9), self.rng.random_range(0..=all));
        let likely: &[usize] = match channel.status {
            Status::Proposed => &[0, 0, 0, 1],
            Status::Open => &[2, 3, 3, 7],
            Status::Closing => &[4, 5, 5, 6],
            _ => &[3],
        };
        let wild = self.rng.random_range(0..8) == 0;
        let number =
            if wild { self.rng.random_range(0..8) } else { *likely.choose(&mut self.rng).unwrap() };
        let side = match (number, &channel.closing) {
            _ if wild => side,
            (0, _) => 1,
            (1, _) => 0,
            (4, Some(closing)) => closing.closer.other() as usize,
            (7, _) if channel.mode == Mode::Uni => 0,
            _ => side,
        };
        let (function, argument) = match number {
            0 => ("Accept", None),
            1 => ("Cancel", None),
            2 => {
                let signed = self.bank.signed_final(&channel.id, &divided);
                ("CloseCooperative", Some(signed.to_string()))
            }
            3 => {
                let signed = self.bank.signed(&channel.id, &divided);
                ("CloseUnilateral", Some(close(Some(&signed))))
            }
            4 => {
                let signed = self.bank.signed(&channel.id, &divided);
                ("Challenge", Some(signed.to_string()))
            }
            5 => ("Witness", None),
            6 => ("Finalize", None),
            _ => return self.top_up(&channel, side),
        };
        let mut args = vec![format!("channels:{function}"), channel.id.to_string()];
        args.extend(argument);
        (side, args)
    }

    fn top_up(&mut self, channel: &Channel, side: usize) -> Call {
        let amount = self.amount();
        let total = channel.deposits().unwrap().0 + amount;
        let payee = self.rng.random_range(0..=total);
        let base = State {
            funding: channel.funding + 1,
            seq: 0,
            bal_payer: Amount(total - payee),
            bal_payee: Amount(payee),
            meter_seconds: 0,
            invoice: None,
        };
        let signed = self.bank.signed(&channel.id, &base).to_string();
        let id = channel.id.to_string();
        (side, vec!["channels:TopUp".to_owned(), id, amount.to_string(), signed])
    }

    fn amount(&mut self) -> u128 {
        self.rng.random_range(1..2_000)
    }
}

#[test]
fn money_is_conserved_whatever_people_do() {
    let operations = asked("CARECORD_OPERATIONS", OPERATIONS);
    let (mut valid, mut refused, mut voided, mut seed) = (0, 0, 0, SEED);
    while valid < operations {
        let mut life = Life::new(seed);
        seed += 1;
        let mut summed = 0;
        while life.done() < PER_LEDGER && life.valid < operations - valid {
            life.block();
            if life.done() - summed >= PER_SUM {
                summed = life.done();
                assert_conserved(&life.bank.town.ledger);
            }
        }
        assert_conserved(&life.bank.town.ledger);
        valid += life.valid;
        refused += life.refused;
        voided += life.voided;
    }
    println!(
        "token: {valid} random operations from seed {SEED:#x}, besides {refused} refused and {voided} \
         void for others in the same block; money conserved at every sum"
    );
    assert!(valid >= operations && refused > 0 && voided > 0, "{valid} {refused} {voided}");
}

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
