//! How long matching takes on the ledger.
//!
//! `cargo bench -p carecord-health --bench matching` prints two figures, each the best and the worst of [`RUNS`]:
//!
//! * `appointments:RunMatching` of a frozen batch of 300 x 300: the whole call of the contract over a ledger in memory, from
//!   parsing the frozen batch to the last write of its matches; no endorsement, no commit.
//! * `appointments:VerifyMatching` of a batch of 2,000 x 2,000 that was solved here: the whole call, weights of all four
//!   million pairs included.
//!
//! Requests differ in urgency (four classes), wait, budget, language and half days; each fits about half of the slots.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

use std::time::{Duration, Instant};

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{KeyKind, MemoryLedger, TestIdentity, Verdict},
};
use carecord_health::appointments::{BatchPart, PART, handed, matching};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// How often each call is timed.
const RUNS: usize = 5;
const HOUR: i64 = 3600;
/// Slots of one doctor.
const SLOTS_EACH: usize = 20;

fn main() {
    let (solve, verify) = (
        std::env::var("SOLVE").map_or(matching::SOLVE_MAX, |n| n.parse().unwrap()),
        std::env::var("VERIFY").map_or(matching::SIDE_MAX, |n| n.parse().unwrap()),
    );
    let mut place = Place::filled(solve);
    let batch = place.freeze();
    let times: Vec<Duration> =
        (0..RUNS).map(|_| place.time(&["appointments:RunMatching", &batch])).collect();
    let matched =
        place.submit(&["appointments:RunMatching", &batch])["fairness"]["matched"].clone();
    report(&format!("RunMatching {solve} x {solve}, {matched} matched"), &times);

    let mut place = Place::filled(verify);
    let batch = place.freeze();
    let start = Instant::now();
    place.hand_in(&batch, verify);
    println!("frozen, solved elsewhere and handed in {verify} x {verify} in {:?}", start.elapsed());
    let times: Vec<Duration> =
        (0..RUNS).map(|_| place.time(&["appointments:VerifyMatching", &batch])).collect();
    report(&format!("VerifyMatching {verify} x {verify}"), &times);
}

fn report(what: &str, times: &[Duration]) {
    println!(
        "{what}: {:?} to {:?} over {RUNS} runs",
        times.iter().min().unwrap(),
        times.iter().max().unwrap()
    );
}

/// A ledger with an administrator who runs batches.
struct Place {
    ledger: MemoryLedger,
    admin: TestIdentity,
}

impl Place {
    /// So many requests and slots of internal medicine.
    fn filled(size: usize) -> Self {
        let mut ledger = MemoryLedger::new(carecord_health::chaincode());
        let admin = TestIdentity::new("HospitalMSP", "hospital-admin");
        submit(&mut ledger, &admin, &["identity:RegisterOrg", "hospital"]);
        let mut place = Self { ledger, admin };
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let opening = place.ledger.now + 60 * 24 * HOUR;
        place.requests(&mut rng, size, opening);
        place.ledger.now = opening;
        for _ in 0..size / SLOTS_EACH {
            place.doctor(&mut rng);
        }
        place
    }

    fn person(
        &mut self,
        rng: &mut ChaCha8Rng,
        role: &str,
        function: &str,
    ) -> (TestIdentity, String) {
        let identity = TestIdentity::with("HospitalMSP", Some(role), KeyKind::P256);
        let id = format!("{:032x}", rng.random::<u128>());
        let hash = identity.caller().key_hash.clone();
        submit(&mut self.ledger, &self.admin, &[function, &id, &hash]);
        (identity, id)
    }

    fn requests(&mut self, rng: &mut ChaCha8Rng, size: usize, opening: i64) {
        let first = self.ledger.now;
        for _ in 0..size {
            let (patient, _) = self.person(rng, "patient", "identity:RegisterPatient");
            self.ledger.now = rng.random_range(first..opening);
            let periods: Vec<Value> = (0..20)
                .filter(|_| rng.random_bool(0.6))
                .map(|n| json!({"start": opening + n * 12 * HOUR, "end": opening + (n + 1) * 12 * HOUR}))
                .collect();
            let languages = *[["en", "de"], ["en", "tr"], ["ar", "de"]].choose(rng).unwrap();
            let terms = json!({"periods": periods, "languages": languages, "mode": "video",
                "minutes": 20, "pay": {"budget": rng.random_range(300..2000)}, "prefs": [], "reach": []});
            let request = json!({"id": format!("{:032x}", rng.random::<u128>()), "terms": terms,
                "specialty": "internal", "urgency": rng.random_range(1..=4)});
            submit(&mut self.ledger, &patient, &["appointments:Request", &request.to_string()]);
        }
    }

    fn doctor(&mut self, rng: &mut ChaCha8Rng) {
        let (doctor, id) = self.person(rng, "practitioner", "identity:RegisterPractitioner");
        let args = ["appointments:Qualify", &id, "[\"internal\"]"];
        submit(&mut self.ledger, &self.admin, &args);
        let profile = json!({"languages": ["en"], "inNetwork": [], "rate": rng.random_range(5..15),
                             "dailyCap": 1440});
        submit(&mut self.ledger, &doctor, &["appointments:SetProfile", &profile.to_string()]);
        let slots: Vec<Value> = (0..SLOTS_EACH as i64)
            .map(|n| {
                let start = self.ledger.now + HOUR + n * 10 * HOUR;
                let mode = *["video", "in-person"].choose(rng).unwrap();
                json!({"id": format!("{:032x}", rng.random::<u128>()), "start": start,
                       "end": start + HOUR / 2, "mode": mode})
            })
            .collect();
        submit(
            &mut self.ledger,
            &doctor,
            &["appointments:PublishSlots", &json!(slots).to_string()],
        );
    }

    fn freeze(&mut self) -> String {
        let batch = format!("{:032x}", 1);
        let now = self.ledger.now.to_string();
        self.submit(&["appointments:FreezeBatch", &batch, "internal", &now]);
        batch
    }

    fn hand_in(&mut self, batch: &str, size: usize) {
        let (mut demands, mut supplies) = (Vec::new(), Vec::new());
        for part in 0..size.div_ceil(PART) {
            let args = ["appointments:GetBatchPart", batch, &part.to_string()];
            let answer = self.ledger.evaluate("health", &self.admin, &args);
            let part: BatchPart = serde_json::from_slice(&answer.payload).unwrap();
            demands.extend(part.demands);
            supplies.extend(part.supplies);
        }
        let solution = matching::assign(&matching::Batch::new(demands, supplies));
        let handed = handed(&solution);
        let lists = [json!(handed.slots).to_string(), json!(handed.prices).to_string()];
        println!("its slots are {} bytes, its prices {}", lists[0].len(), lists[1].len());
        self.submit(&["appointments:SubmitMatching", batch, &lists[0], &lists[1]]);
    }

    fn submit(&mut self, args: &[&str]) -> Value {
        submit(&mut self.ledger, &self.admin, args)
    }

    fn time(&mut self, args: &[&str]) -> Duration {
        let start = Instant::now();
        let answer = self.ledger.evaluate("health", &self.admin, args);
        let elapsed = start.elapsed();
        assert!(answer.is_endorsable(), "{}", answer.message);
        elapsed
    }
}

fn submit(ledger: &mut MemoryLedger, who: &TestIdentity, args: &[&str]) -> Value {
    let done = ledger.submit("health", who, args);
    assert_eq!(done.verdict, Verdict::Valid, "{}", done.response.message);
    serde_json::from_slice(&done.response.payload).unwrap_or(Value::Null)
}
