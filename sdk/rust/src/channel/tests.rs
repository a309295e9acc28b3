//! Two sides of a channel in one process, with a ledger that does what the machine of the contract says.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use bytes::Bytes;
use carecord_health::channels::state::is_low_s;
use carecord_health::channels::{Channel, Mode, Side, SignedState, Status};
use carecord_health::token::Amount;
use carecord_msp::Signer;
use data_encoding::BASE64;
use tempfile::TempDir;

use super::*;

const NETWORK: &str = "care/0123";
const RATE: u128 = 60;

struct Key(EcdsaKeyPair);

impl Signer for Key {
    fn serialized(&self) -> Bytes {
        Bytes::new()
    }
    fn msp_id(&self) -> &str {
        "TestMSP"
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, carecord_msp::Error> {
        let sign = || self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Ok(std::iter::repeat_with(sign).find(|signature| is_low_s(signature)).unwrap())
    }
}

/// A channel, its two sides and their disks.
struct Visit {
    payer: Payer,
    payee: Payee,
    channel: Channel,
    keys: [Arc<Key>; 2],
    disks: [TempDir; 2],
}

fn key() -> Arc<Key> {
    Arc::new(Key(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()))
}

fn memory(disk: &Path, channel: &Channel) -> Memory {
    Memory::open(disk, NETWORK, channel.clone()).unwrap()
}

impl Visit {
    fn new(mode: Mode, payer: u128, payee: u128) -> Self {
        let keys = [key(), key()];
        let [payer_key, payee_key] =
            [&keys[0], &keys[1]].map(|key| BASE64.encode(key.0.public_key().as_ref()));
        let channel = serde_json::json!({
            "id": "1".repeat(64), "payer": "0".repeat(32), "payee": "1".repeat(32),
            "payerHome": "A", "payeeHome": "B", "payerKey": payer_key, "payeeKey": payee_key,
            "mode": mode, "currency": "CARE", "rate": RATE.to_string(),
            "depositPayer": payer.to_string(), "depositPayee": payee.to_string(), "funding": 0,
            "base": {"funding": 0, "seq": 0, "balPayer": payer.to_string(),
                     "balPayee": payee.to_string(), "meterSeconds": 0, "invoice": null},
            "penaltyBps": 10_000, "windowSeconds": 7_200, "windowBlocks": 6, "opened": 0,
            "expires": 100_000, "status": "open"});
        let channel: Channel = serde_json::from_value(channel).unwrap();
        let disks = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let payer = Payer::new(memory(disks[0].path(), &channel), keys[0].clone());
        let payee = Payee::new(memory(disks[1].path(), &channel), keys[1].clone());
        Self { payer, payee, channel, keys, disks }
    }

    /// One minute's message there and back; `least` is what the payee's own meter says.
    fn pay(&mut self, seconds: u64) {
        let offer = self.payer.pay_meter(seconds).unwrap();
        let least = self.payee.due(seconds).unwrap();
        if let Some(answer) = self.payee.take(&offer, least).unwrap() {
            assert_eq!(self.payer.take(answer).unwrap(), None);
        }
    }

    fn ending(&mut self) -> SignedState {
        let offer = self.payer.end().unwrap();
        let answer = self.payee.take(&offer, Amount::ZERO).unwrap().unwrap();
        self.payer.take(answer).unwrap().unwrap()
    }

    /// Both processes die and come back with what is on their disks.
    fn restart(&mut self) {
        let [payer, payee] = [0, 1].map(|side| memory(self.disks[side].path(), &self.channel));
        self.payer = Payer::new(payer, self.keys[0].clone());
        self.payee = Payee::new(payee, self.keys[1].clone());
    }
}

#[test]
fn seventeen_metered_minutes_are_paid_and_both_end_alike() {
    for mode in [Mode::Uni, Mode::Bi] {
        let mut visit = Visit::new(mode, 1_500, 0);
        for seconds in (10..=1_001).step_by(10).chain([1_001]) {
            visit.pay(seconds);
        }
        let ending = visit.ending();
        assert_eq!(ending.state.bal_payee, Amount(17 * RATE));
        ending.verify_final(NETWORK, &visit.channel).unwrap();
        let payout = visit.channel.close_cooperative(&ending.state).unwrap();
        assert_eq!((payout.payer, payout.payee), (Amount(480), Amount(1_020)));
        assert!(matches!(visit.payer.pay_meter(2_000), Err(Error::Waiting(_))));
    }
}

#[test]
fn a_deposit_is_never_exceeded_and_a_top_up_goes_on_where_it_ended() {
    let mut visit = Visit::new(Mode::Bi, 120, 30);
    visit.pay(120);
    assert!(matches!(visit.payer.pay_meter(121), Err(Error::Deposit)));
    let old = visit.payee.close();
    let offer = visit.payer.top_up(Amount(60)).unwrap();
    assert!(matches!(visit.payer.pay_meter(121), Err(Error::Waiting(_))));
    let answer = visit.payee.take(&offer, Amount(150)).unwrap().unwrap();
    let base = visit.payer.take(answer).unwrap().unwrap();
    base.verify_both(NETWORK, &visit.channel).unwrap();
    visit.channel.top_up(Side::Payer, Amount(60), &base.state).unwrap();
    visit.payer.follow(visit.channel.clone()).unwrap();
    visit.payee.follow(visit.channel.clone()).unwrap();
    visit.pay(150);
    assert_eq!(visit.payer.memory().division().bal_payee, Amount(210));
    let mut ledger = visit.channel.clone();
    let old = old.state.unwrap();
    assert!(ledger.close_unilateral(Side::Payee, Some(&old.state), false, 0).is_err());
}

#[test]
fn the_payee_takes_nothing_that_pays_less_than_its_own_meter_or_comes_from_somebody_else() {
    let mut visit = Visit::new(Mode::Bi, 1_500, 0);
    let offer = visit.payer.pay_meter(60).unwrap();
    let due = visit.payee.due(61).unwrap();
    assert!(matches!(visit.payee.take(&offer, due), Err(Error::Terms(_))));
    let Offer::State(signed) = &offer else { panic!("a state") };
    let mut forged = signed.clone();
    forged.state.bal_payee = Amount(120);
    forged.state.bal_payer = Amount(1_380);
    let refused = visit.payee.take(&Offer::State(forged.clone()), due);
    assert!(matches!(refused, Err(Error::Proof(_))), "{refused:?}");
    for change in [
        |state: &mut SignedState| state.state.seq = 2,
        |state: &mut SignedState| state.state.funding = 1,
        |state: &mut SignedState| state.state.bal_payee = Amount(121),
    ] {
        let mut bad = forged.clone();
        change(&mut bad);
        let refused = visit.payee.take(&Offer::State(bad), due);
        assert!(matches!(refused, Err(Error::Terms(_))), "{refused:?}");
    }
    assert_eq!(visit.payee.memory().newest(), None);
    // An answer that the payer did not ask for.
    let stranger = Answer::State(forged);
    assert!(matches!(visit.payer.take(stranger), Err(Error::Terms(_))));
}

#[test]
fn a_lost_answer_is_asked_for_again_also_after_both_crashed() {
    let mut visit = Visit::new(Mode::Bi, 1_500, 0);
    visit.pay(60);
    let offer = visit.payer.pay_meter(120).unwrap();
    let first = visit.payee.take(&offer, Amount(120)).unwrap();
    visit.restart();
    assert!(matches!(visit.payer.pay_meter(180), Err(Error::Waiting(_))));
    // Without an answer the payer closes with what it has, and says that it signed one more.
    let close = visit.payer.close();
    assert_eq!((close.state.unwrap().state.seq, close.pending), (1, Some(true)));
    assert_eq!(visit.payer.outstanding(), Some(offer.clone()));
    let again = visit.payee.take(&offer, Amount(120)).unwrap();
    assert_eq!(first, again);
    visit.payer.take(again.unwrap()).unwrap();
    assert_eq!(visit.payer.outstanding(), None);
    visit.pay(180);
    assert_eq!(visit.payer.memory().division(), visit.payee.memory().division());
}

#[test]
fn what_was_signed_is_on_the_disk_before_it_is_sent() {
    for mode in [Mode::Uni, Mode::Bi] {
        let mut visit = Visit::new(mode, 1_500, 0);
        for minute in 1..=5 {
            let offer = visit.payer.pay_meter(minute * 60).unwrap();
            visit.restart();
            let kept = visit
                .payer
                .outstanding()
                .map_or_else(|| visit.payer.memory().newest().cloned().map(Offer::State), Some);
            assert_eq!(kept, Some(offer.clone()));
            let answer = visit.payee.take(&offer, Amount::ZERO).unwrap();
            visit.restart();
            assert_eq!(visit.payee.memory().division().seq, minute);
            if let Some(answer) = answer {
                visit.payer.take(answer).unwrap();
            }
        }
        // The disk fails: nothing is signed that would be forgotten.
        let path = visit.disks[0].path().to_owned();
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, b"no folder").unwrap();
        assert!(matches!(visit.payer.pay_meter(600), Err(Error::Memory { .. })));
        assert_eq!(visit.payer.memory().division().seq, 5);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_memory_of_another_channel_or_a_torn_one_is_refused() {
    let visit = Visit::new(Mode::Bi, 1_500, 0);
    let disk = visit.disks[0].path();
    assert!(Memory::open(disk, "care/other", visit.channel.clone()).is_err());
    let stranger = Channel { payer_key: String::new(), ..visit.channel.clone() };
    assert!(Memory::open(disk, NETWORK, stranger).is_err());
    let file = disk.join(format!("{}.json", visit.channel.id));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(
        Memory::open(disk, NETWORK, visit.channel.clone()),
        Err(Error::Memory { .. })
    ));
}

#[test]
fn an_objection_is_raised_exactly_when_something_newer_is_known() {
    let mut visit = Visit::new(Mode::Bi, 1_500, 300);
    visit.pay(60);
    let old = visit.payee.close().state.unwrap();
    visit.pay(120);
    let newest = visit.payer.close().state.unwrap();
    assert_eq!(objection(&visit.channel, Side::Payer, &newest), None);
    let mut cheated = visit.channel.clone();
    cheated.close_unilateral(Side::Payee, Some(&old.state), false, 0).unwrap();
    let challenge = Some(Objection::Challenge);
    assert_eq!(objection(&cheated, Side::Payer, &newest), challenge);
    assert_eq!(objection(&cheated, Side::Payee, &newest), None);
    assert_eq!(objection(&cheated, Side::Payer, &old), None);
    let mut honest = visit.channel.clone();
    honest.close_unilateral(Side::Payee, Some(&newest.state), false, 0).unwrap();
    assert_eq!(objection(&honest, Side::Payer, &newest), None);
    let mut expired = visit.channel.clone();
    expired.expire(Side::Payer, 100_000).unwrap();
    assert_eq!(objection(&expired, Side::Payee, &newest), Some(Objection::Close));
    cheated.challenge(Side::Payer, &newest.state, 0, || Ok(0)).unwrap();
    assert_eq!(cheated.status, Status::Penalised);
    assert_eq!(objection(&cheated, Side::Payer, &newest), None);
}

#[test]
fn updates_go_through_at_the_speed_of_two_disks() {
    const UPDATES: u64 = 500;
    let mut visit = Visit::new(Mode::Uni, 1_000_000, 0);
    let mut times = Vec::new();
    let updates = std::env::var("CARECORD_UPDATES").ok().and_then(|text| text.parse().ok());
    let updates: u64 = updates.unwrap_or(UPDATES);
    for update in 1..=updates {
        let began = Instant::now();
        visit.pay(update * 60);
        times.push(began.elapsed());
    }
    times.sort();
    let total: std::time::Duration = times.iter().sum();
    let p99 = times[times.len() * 99 / 100];
    println!(
        "channels: {updates} updates signed, checked and synced on both disks in {total:.1?}, p99 {p99:.1?}"
    );
    let paid = visit.payee.memory().division().bal_payee;
    assert_eq!(paid, Amount(u128::from(updates) * RATE));
}
