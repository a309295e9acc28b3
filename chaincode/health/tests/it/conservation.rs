//! Money is neither made nor lost: random operations on ledgers.

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{Simulation, Verdict},
};
use carecord_health::{
    channels::{Channel, Mode, State, Status},
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
pub(crate) const SEED: u64 = 0x5EED_0000;

pub(crate) fn asked(variable: &str, usual: usize) -> usize {
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
