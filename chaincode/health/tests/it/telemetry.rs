//! Devices, their chains, rules and alerts, on traces of a real sensor.

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::KeyKind,
};
use carecord_health::{
    ids::Id,
    merkle::{self, Bytes32, Hash},
    telemetry::{
        AHEAD_MS_MAX, Chain, LATE_MS, LEVEL_MAX,
        model::NewBatch,
        statement,
        watch::{Limits, Watch},
        words::{GapReason, Severity},
    },
};

use crate::{
    people,
    town::{Person, Town, YEAR, nobody, random_bytes, random_cid, random_id, register},
};

/// A patient with a linked device, and a doctor whom the patient lets watch.
struct Ward {
    town: Town,
    patient: Person,
    doctor: Person,
    other_doctor: Person,
    device: Person,
    link: String,
}

/// A batch and what is needed to prove its samples.
#[derive(Clone)]
struct Made {
    batch: NewBatch,
    leaves: Vec<Bytes32>,
}

impl Ward {
    fn new() -> Self {
        let mut town = Town::new();
        people!(town: patient, doctor, other_doctor);
        let admin = town.admin_a.clone();
        let device = register(&mut town.ledger, &admin, "device", KeyKind::P256);
        let link = random_id();
        let mut ward = Self { town, patient, doctor, other_doctor, device, link };
        let until = ward.town.ledger.now + YEAR;
        let new = json!({"id": ward.link, "device": ward.device.id, "until": until}).to_string();
        let _: Value = ward.town.ok(&ward.patient.identity, &["telemetry:LinkDevice", &new]);
        let _: Value = ward.town.ok(&ward.device.identity, &["telemetry:AcceptLink", &ward.link]);
        let grant = json!({"id": random_id(), "grantee": {"subject": ward.doctor.id},
            "verbs": ["submit", "notify"], "purposes": ["TREAT"], "until": until})
        .to_string();
        let _: Value = ward.town.ok(&ward.patient.identity, &["consent:Grant", &grant]);
        ward
    }

    fn chain(&mut self) -> Chain {
        self.town.ok(&self.device.identity, &["telemetry:GetLink", &self.link])
    }

    /// The next batch over these samples, signed; it is not anchored.
    fn make(&mut self, samples: &[(i64, i64)]) -> Made {
        let tip = self.chain().tip.unwrap();
        let leaves: Vec<Bytes32> = samples
            .iter()
            .map(|(at, value)| statement::sample(&random_bytes(), *at, *value))
            .collect();
        let (from, to) = (samples[0].0, samples[samples.len() - 1].0 + 10);
        let missing = tip.seq > 0 && from - tip.to > 1000;
        let mut batch = NewBatch {
            link: Id::new(self.link.clone()).unwrap(),
            seq: tip.seq + 1,
            prev_hash: tip.hash,
            from,
            to,
            samples: u32::try_from(samples.len()).unwrap(),
            root: Hash::of(&merkle::root(&leaves)),
            cid: carecord_health::ids::ContentId::new(random_cid()).unwrap(),
            gap: missing.then_some(GapReason::Network),
            signature: String::new(),
        };
        self.sign(&mut batch);
        Made { batch, leaves }
    }

    fn sign(&self, batch: &mut NewBatch) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let statement = statement::batch("care", batch);
        batch.signature = STANDARD.encode(self.device.identity.sign(&statement));
    }

    fn anchor(&mut self, made: &Made) {
        let batch = serde_json::to_string(&made.batch).unwrap();
        let _: Value = self.town.ok(&self.device.identity, &["telemetry:Anchor", &batch]);
    }

    fn refuse(&mut self, batch: &NewBatch, code: &str) {
        let batch = serde_json::to_string(batch).unwrap();
        self.town.refused(&self.device.identity, &["telemetry:Anchor", &batch], code);
    }

    /// So many samples a hundredth of a second apart, from the transaction's time on.
    fn samples(&self, count: i64) -> Vec<(i64, i64)> {
        let start = self.town.ledger.now * 1000;
        (0..count).map(|n| (start + n * 10, 500 + n % 7)).collect()
    }

    fn set_rule(&mut self, severity: Severity) -> String {
        let rule = json!({"id": random_id(), "link": self.link, "cid": random_cid(),
                          "commitment": hex::encode(random_bytes::<32>()), "severity": severity});
        let _: Value =
            self.town.ok(&self.doctor.identity, &["telemetry:SetRule", &rule.to_string()]);
        rule["id"].as_str().unwrap().to_owned()
    }

    fn raise(&mut self, rule: &str, made: &Made, index: usize) -> String {
        let alert = self.alert(rule, made, index);
        let args = ["telemetry:RaiseAlert", &alert.to_string()];
        let _: Value = self.town.ok(&self.device.identity, &args);
        alert["id"].as_str().unwrap().to_owned()
    }

    fn alert(&self, rule: &str, made: &Made, index: usize) -> Value {
        let proof = proof(made, index);
        json!({"id": random_id(), "rule": rule, "seq": made.batch.seq, "index": index,
               "leaf": proof["leaf"], "path": proof["path"]})
    }
}

fn proof(made: &Made, index: usize) -> Value {
    let path = merkle::path(&made.leaves, index).unwrap();
    let path: Vec<Hash> = path.iter().map(Hash::of).collect();
    json!({"link": made.batch.link, "seq": made.batch.seq, "index": index,
           "leaf": Hash::of(&made.leaves[index]), "path": path})
}

/// The 100 Hz trace: one value a line.
fn trace(file: &str) -> Option<Vec<(i64, i64)>> {
    let text = std::fs::read_to_string(carecord_proto::testdata::path(file)?).unwrap();
    let values = text.lines().filter_map(|line| {
        let (at, value) = line.split_once(',').unwrap_or(("", line));
        Some((at.parse::<f64>().unwrap_or(0.0), value.trim().parse::<i64>().ok()?))
    });
    let hundredths = |(n, (at, value)): (usize, (f64, i64))| {
        let at = if at == 0.0 && n > 0 { 10.0 * n as f64 } else { at };
        (at.round() as i64, value)
    };
    Some(values.enumerate().map(hundredths).collect())
}

#[test]
fn a_trace_is_anchored_batch_by_batch_and_one_flipped_sample_proves_nothing() {
    let Some(trace) = trace("telemetry/ppg-100hz.csv") else {
        return carecord_proto::testdata::skipped("telemetry of a sensor's trace");
    };
    let mut ward = Ward::new();
    let start = ward.town.ledger.now * 1000;
    let trace: Vec<(i64, i64)> = trace.into_iter().map(|(at, value)| (start + at, value)).collect();
    let (mut proven, mut made) = (0, Vec::new());
    for samples in trace.chunks(500) {
        let one = ward.make(samples);
        ward.anchor(&one);
        made.push((one, samples));
    }
    assert!(made.len() >= 4, "{}", made.len());
    let patient = ward.patient.identity.clone();
    for (one, samples) in &made {
        for index in [0, samples.len() / 2, samples.len() - 1] {
            let good = proof(one, index);
            let _: Value = ward.town.ok(&patient, &["telemetry:ProveSample", &good.to_string()]);
            let (at, value) = samples[index];
            // The same sample with another value, another time, another salt, at another place, in another batch.
            let flipped = Hash::of(&statement::sample(&random_bytes(), at, value ^ 1));
            let mut bads = vec![good.clone(), good.clone(), good.clone()];
            bads[0]["leaf"] = json!(flipped);
            bads[1]["index"] = json!((index + 1) % samples.len());
            bads[2]["seq"] = json!(one.batch.seq % made.len() as u64 + 1);
            for bad in bads {
                let args = ["telemetry:ProveSample", &bad.to_string()];
                ward.town.refused(&patient, &args, "CR-CC-070");
                proven += 1;
            }
        }
    }
    println!("{} batches of {} samples, {proven} false proofs refused", made.len(), trace.len());
}

#[test]
fn a_dropped_batch_leaves_a_gap_that_has_to_be_explained() {
    let mut ward = Ward::new();
    let first = ward.samples(100);
    let one = ward.make(&first);
    ward.anchor(&one);
    let later =
        |seconds: i64| first.iter().map(|(at, v)| (at + seconds * 1000, *v)).collect::<Vec<_>>();
    // The batch after the dropped one names its hash and its number: neither is what the ledger has.
    let dropped = ward.make(&later(1));
    let mut after = ward.make(&later(2));
    after.batch.seq += 1;
    after.batch.prev_hash = statement::batch_hash("care", &dropped.batch);
    ward.sign(&mut after.batch);
    ward.refuse(&after.batch, "CR-CC-050 FAILED_PRECONDITION at /batch/seq");
    // Under its right number the time is missing, and has to be explained.
    let mut silent = ward.make(&later(9));
    assert_eq!(silent.batch.gap, Some(GapReason::Network));
    silent.batch.gap = None;
    ward.sign(&mut silent.batch);
    ward.refuse(&silent.batch, "CR-CC-050 FAILED_PRECONDITION at /batch/gap");
    let explained = ward.make(&later(9));
    ward.anchor(&explained);
    assert_eq!(ward.chain().tip.unwrap().gaps, 1);
    let mut needless = ward.make(&later(10));
    needless.batch.gap = Some(GapReason::Power);
    ward.sign(&mut needless.batch);
    ward.refuse(&needless.batch, "CR-CC-010 INVALID_ARGUMENT at /batch/gap");
}

#[test]
fn replays_overlaps_and_forks_are_refused() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let one = ward.make(&samples);
    let mut fork = ward.make(&samples);
    ward.anchor(&one);
    ward.refuse(&one.batch, "CR-CC-050 FAILED_PRECONDITION at /batch/seq");
    // A second first batch, moved to the next number, still names the link and not the batch before it.
    fork.batch.seq = 2;
    ward.sign(&mut fork.batch);
    ward.refuse(&fork.batch, "CR-CC-050 FAILED_PRECONDITION at /batch/prevHash");
    // The same time again under the right number and hash.
    let overlap = ward.make(&samples);
    ward.refuse(&overlap.batch, "CR-CC-050 FAILED_PRECONDITION at /batch/from");
}

#[test]
fn every_signed_field_is_covered_by_the_devices_signature() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let good = ward.make(&samples).batch;
    type Change = fn(&mut NewBatch);
    let changes: [(&str, Change); 6] = [
        ("to", |b| b.to += 1),
        ("from", |b| b.from += 1),
        ("samples", |b| b.samples -= 1),
        ("root", |b| b.root = Hash::of(&[7; 32])),
        ("cid", |b| b.cid = carecord_health::ids::ContentId::new(random_cid()).unwrap()),
        ("signature", |b| b.signature = "AAAA".to_owned()),
    ];
    for (field, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(bad, good, "{field}");
        ward.refuse(&bad, "CR-CC-070 PROOF_INVALID at /batch/signature");
    }
    // Signed by another key, or for another channel.
    let mut foreign = good.clone();
    let device = std::mem::replace(&mut ward.device, nobody());
    ward.sign(&mut foreign);
    ward.device = device;
    ward.refuse(&foreign, "CR-CC-070");
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut elsewhere = good;
    let statement = statement::batch("other", &elsewhere);
    elsewhere.signature = STANDARD.encode(ward.device.identity.sign(&statement));
    ward.refuse(&elsewhere, "CR-CC-070");
}

#[test]
fn batches_that_make_no_sense_are_refused() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let good = ward.make(&samples).batch;
    let ahead = ward.town.ledger.now * 1000 + AHEAD_MS_MAX + 1;
    type Change = Box<dyn Fn(&mut NewBatch)>;
    let changes: Vec<(&str, Change)> = vec![
        ("samples", Box::new(|b| b.samples = 0)),
        ("samples", Box::new(|b| b.samples = 4097)),
        ("to", Box::new(|b| b.to = b.from)),
        ("to", Box::new(|b| b.to = b.from + 60_001)),
        ("to", Box::new(move |b| (b.from, b.to) = (ahead - 1, ahead))),
        ("from", Box::new(|b| (b.from, b.to) = (5, 6))),
    ];
    for (field, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        ward.sign(&mut bad);
        ward.refuse(&bad, &format!("CR-CC-010 INVALID_ARGUMENT at /batch/{field}"));
    }
    let mut unknown = good;
    unknown.link = Id::new(random_id()).unwrap();
    ward.sign(&mut unknown);
    ward.refuse(&unknown, "CR-CC-030");
}

#[test]
fn a_batch_that_comes_late_is_marked_so() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let one = ward.make(&samples);
    ward.town.ledger.now += LATE_MS / 1000 + 2;
    let batch = serde_json::to_string(&one.batch).unwrap();
    let done =
        ward.town.ledger.submit("health", &ward.device.identity, &["telemetry:Anchor", &batch]);
    let event: Value = serde_json::from_slice(&done.event.unwrap().1).unwrap();
    assert_eq!(
        (&event["late"], &event["gap"], &event["seq"]),
        (&true.into(), &false.into(), &1.into())
    );
}

#[test]
fn a_device_measures_one_patient_at_a_time_and_nobody_else_speaks_for_it() {
    let mut ward = Ward::new();
    let admin = ward.town.admin_a.clone();
    let second = register(&mut ward.town.ledger, &admin, "patient", KeyKind::P256);
    let stranger = register(&mut ward.town.ledger, &admin, "device", KeyKind::P256);
    let link = |ward: &Ward, device: &str| json!({"id": random_id(), "device": device, "until": ward.town.ledger.now + YEAR});
    let wanted = link(&ward, &ward.device.id);
    let id = wanted["id"].as_str().unwrap();
    let _: Value = ward.town.ok(&second.identity, &["telemetry:LinkDevice", &wanted.to_string()]);
    ward.town.refused(&stranger.identity, &["telemetry:AcceptLink", id], "CR-CC-030");
    let device = ward.device.identity.clone();
    ward.town.refused(&device, &["telemetry:AcceptLink", id], "CR-CC-050");
    let samples = ward.samples(10);
    let one = ward.make(&samples);
    let batch = serde_json::to_string(&one.batch).unwrap();
    ward.town.refused(&stranger.identity, &["telemetry:Anchor", &batch], "CR-CC-030");
    // The patient of another hospital cannot take this device, and a doctor is no device.
    let other_patient = std::mem::replace(&mut ward.town.other_patient, nobody());
    let foreign = link(&ward, &ward.device.id).to_string();
    ward.town.refused(&other_patient.identity, &["telemetry:LinkDevice", &foreign], "CR-CC-030");
    let doctor = link(&ward, &ward.doctor.id).to_string();
    ward.town.refused(&second.identity, &["telemetry:LinkDevice", &doctor], "CR-CC-030");
    // Once the first patient ends the link, the device is free, and the old chain is over.
    let _: Value = ward
        .town
        .ok(&ward.patient.identity.clone(), &["telemetry:UnlinkDevice", &ward.link.clone()]);
    let _: Value = ward.town.ok(&device, &["telemetry:AcceptLink", id]);
    ward.refuse(&one.batch, "CR-CC-050");
}

#[test]
fn rules_are_set_by_whom_the_patient_lets_and_seen_by_no_others() {
    let mut ward = Ward::new();
    ward.set_rule(Severity::Warning);
    let other = ward.other_doctor.identity.clone();
    let rule = json!({"id": random_id(), "link": ward.link, "cid": random_cid(),
                      "commitment": hex::encode(random_bytes::<32>()), "severity": "warning"});
    ward.town.refused(&other, &["telemetry:SetRule", &rule.to_string()], "CR-CC-030");
    for list in ["telemetry:ListBatches", "telemetry:ListAlerts"] {
        ward.town.refused(&other, &[list, &ward.link.clone(), "", "10"], "CR-CC-030");
    }
    ward.town.refused(&other, &["telemetry:GetLink", &ward.link.clone()], "CR-CC-030");
    ward.town.refused(&other, &["telemetry:GetLink", &random_id()], "CR-CC-030");
    // With one of the two verbs it is not enough.
    let grant = json!({"id": random_id(), "grantee": {"subject": ward.other_doctor.id},
        "verbs": ["notify"], "purposes": ["TREAT"], "until": ward.town.ledger.now + YEAR})
    .to_string();
    let _: Value = ward.town.ok(&ward.patient.identity.clone(), &["consent:Grant", &grant]);
    ward.town.refused(&other, &["telemetry:SetRule", &rule.to_string()], "CR-CC-030");
    let _: Chain = ward.town.ok(&other, &["telemetry:GetLink", &ward.link.clone()]);
}

#[test]
fn an_alert_is_proven_acknowledged_or_escalated_when_its_time_is_over() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let made = ward.make(&samples);
    ward.anchor(&made);
    let rule = ward.set_rule(Severity::Critical);
    let mut false_alert = ward.alert(&rule, &made, 5);
    false_alert["index"] = json!(6);
    let device = ward.device.identity.clone();
    ward.town.refused(&device, &["telemetry:RaiseAlert", &false_alert.to_string()], "CR-CC-070");
    let alert = ward.raise(&rule, &made, 5);
    // The rule has one alert that waits: no flood.
    let again = ward.alert(&rule, &made, 7).to_string();
    ward.town.refused(&device, &["telemetry:RaiseAlert", &again], "CR-CC-050");
    let (doctor, other) = (ward.doctor.identity.clone(), ward.other_doctor.identity.clone());
    let escalate = ["telemetry:Escalate", alert.as_str()];
    ward.town.refused(&other, &escalate, "CR-CC-030 NOT_FOUND: no such alert");
    ward.town.refused(&other, &["telemetry:Ack", &alert], "CR-CC-030");
    for level in 1..=LEVEL_MAX {
        ward.town.ledger.now += Severity::Critical.answer_seconds() - 1;
        ward.town.refused(&device, &escalate, "CR-CC-050");
        ward.town.ledger.now += 1;
        let lifted: Value = ward.town.ok(&device, &escalate);
        assert_eq!(lifted["level"], level);
    }
    ward.town.ledger.now += YEAR / 2;
    ward.town.refused(&device, &escalate, "CR-CC-050");
    let acked: Value = ward.town.ok(&doctor, &["telemetry:Ack", &alert]);
    assert_eq!(acked["by"], json!(ward.doctor.id));
    ward.town.refused(&doctor, &["telemetry:Ack", &alert], "CR-CC-050");
    ward.town.refused(&device, &escalate, "CR-CC-050");
    ward.raise(&rule, &made, 9);
    let alerts: Value =
        ward.town.ok(&doctor, &["telemetry:ListAlerts", &ward.link.clone(), "", "10"]);
    assert_eq!(alerts["items"].as_array().unwrap().len(), 2);
}

/// Where a rule fires, told by looking at whole stretches instead of one sample after the other.
fn reference(samples: &[(i64, i64)], limits: Limits) -> Vec<usize> {
    let out = |n: usize| samples[n].1 < limits.low || samples[n].1 > limits.high;
    let begins = (0..samples.len()).filter(|&n| out(n) && (n == 0 || !out(n - 1)));
    begins
        .filter_map(|begin| {
            let end = (begin..samples.len()).find(|&n| !out(n)).unwrap_or(samples.len());
            (begin..end).find(|&n| samples[n].0 - samples[begin].0 >= limits.for_ms)
        })
        .collect()
}

#[test]
fn rules_fire_exactly_at_the_reference_indexes_of_the_traces() {
    let mut fired_in_all = 0;
    for file in ["telemetry/ppg-100hz.csv", "telemetry/ppg-mstimer.csv"] {
        let Some(samples) = trace(file) else {
            return carecord_proto::testdata::skipped("thresholds on a sensor's trace");
        };
        for (low, high, for_ms) in
            [(400, 600, 0), (450, 550, 30), (480, 520, 100), (0, 700, 50), (0, 5000, 0)]
        {
            let limits = Limits { low, high, for_ms };
            let mut watch = Watch::new(limits);
            let fired: Vec<usize> =
                (0..samples.len()).filter(|&n| watch.sees(samples[n].0, samples[n].1)).collect();
            assert_eq!(fired, reference(&samples, limits), "{file} {limits:?}");
            println!("{file}: {} samples, {limits:?} fires {} times", samples.len(), fired.len());
            fired_in_all += fired.len();
        }
    }
    assert!(fired_in_all > 50, "{fired_in_all}");
    // What is not known does not count: after a gap the time begins again.
    let mut watch = Watch::new(Limits { low: 0, high: 1, for_ms: 20 });
    assert!(!watch.sees(0, 5) && !watch.sees(10, 5));
    watch.gap();
    assert!(!watch.sees(30, 5) && watch.sees(50, 5) && !watch.sees(60, 5));
}

#[test]
fn no_free_text_gets_into_telemetry_or_onto_the_ledger() {
    let mut ward = Ward::new();
    let samples = ward.samples(100);
    let made = ward.make(&samples);
    let batch = serde_json::to_value(&made.batch).unwrap();
    let rule = json!({"id": random_id(), "link": ward.link, "cid": random_cid(),
                      "commitment": hex::encode(random_bytes::<32>()), "severity": "warning"});
    let mut batch = batch;
    batch.as_object_mut().unwrap().remove("gap");
    let alert = ward.alert(rule["id"].as_str().unwrap(), &made, 5);
    let (device, doctor) = (ward.device.identity.clone(), ward.doctor.identity.clone());
    let tried = crate::leak::refuses_free_text(
        &mut ward.town,
        &[
            (&device, "telemetry:Anchor", &batch),
            (&doctor, "telemetry:SetRule", &rule),
            (&device, "telemetry:RaiseAlert", &alert),
        ],
    );
    assert!(tried > 100, "{tried}");
    crate::leak::assert_no_free_text(&ward.town);
}
