//! Simulation against what Fabric's own simulator recorded, call by call.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carecord_proto::kvrwset::KvMetadataEntry;
use carecord_proto::testdata;
use serde_json::Value;

use super::*;
use crate::state::{Engine, Key, MemoryEngine, Version, WriteBatch, encode_entries};

fn lines(name: &str) -> Option<Vec<Value>> {
    let text =
        std::fs::read_to_string(testdata::path(&format!("fabric-vectors/rwset/{name}"))?).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn bytes(value: &Value) -> Bytes {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap().into()
}

/// The state the vectors were recorded on.
fn state() -> Option<MemoryEngine> {
    let engine = MemoryEngine::default();
    let mut batch = WriteBatch::default();
    for namespace in lines("states.jsonl")? {
        for key in namespace["keys"].as_array().unwrap() {
            let name = key[0].as_str().unwrap();
            let value = namespace["values"][name].as_str().unwrap_or("v");
            let metadata = namespace["metadata"][name].as_object().map(|entries| {
                let entry = |(name, value): (&String, &Value)| KvMetadataEntry {
                    name: name.clone(),
                    value: value.as_str().unwrap().to_owned().into(),
                };
                encode_entries(&entries.iter().map(entry).collect::<Vec<_>>())
            });
            let stored = Versioned {
                value: value.to_owned().into(),
                metadata: metadata.unwrap_or_default(),
                version: Version { block: key[1].as_u64().unwrap(), tx: key[2].as_u64().unwrap() },
            };
            let place =
                Key::Public { namespace: namespace["ns"].as_str().unwrap(), key: name.as_bytes() };
            batch.put(place.column(), place.bytes(), stored.encode());
        }
    }
    engine.write(batch).unwrap();
    Some(engine)
}

#[test]
fn ranges_are_recorded_as_fabric_records_them() {
    let (Some(engine), Some(vectors)) = (state(), lines("ranges.jsonl")) else {
        return testdata::skipped("range vectors");
    };
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
        let (ns, start, end) = (text("ns"), text("start"), text("end"));
        let mut simulator = Simulator::new("tx", engine.snapshot()).unwrap();
        let page_size = i32::try_from(vector["page_size"].as_i64().unwrap_or(0)).unwrap();
        let id = match page_size {
            0 => simulator.range(&ns, &start, &end).unwrap(),
            _ => simulator.open_page(&ns, &start, &end, page_size).unwrap(),
        };
        for _ in 0..vector["next_calls"].as_u64().unwrap() {
            simulator.next(id).unwrap();
        }
        if page_size > 0 {
            assert_eq!(simulator.bookmark(id).unwrap(), text("bookmark"), "{vector}");
        }
        let result = simulator.done();
        let recorded = carecord_proto::rwset::TxRwSet::from_bytes(&result.public).unwrap();
        let found: Vec<Bytes> = recorded
            .namespaces
            .iter()
            .flat_map(|ns| &ns.kv.range_queries_info)
            .map(|info| info.encode_to_vec().into())
            .collect();
        let expected: Vec<Bytes> =
            vector["range_query_info"].as_array().into_iter().flatten().map(bytes).collect();
        assert_eq!(found, expected, "{vector}");
    }
    println!("ranges: {} vectors, 0 differences", vectors.len());
}

#[test]
fn simulations_give_the_bytes_that_fabric_gives() {
    let (Some(engine), Some(vectors)) = (state(), lines("simulator.jsonl")) else {
        return testdata::skipped("simulator vectors");
    };
    let (mut equal, mut not_utf8, mut operations) = (0, 0, 0);
    for vector in &vectors {
        if vector["err"] == "string field contains invalid UTF-8" {
            not_utf8 += 1; // such a key is no Rust string: it cannot reach the simulator
            continue;
        }
        let mut simulator = Simulator::new("tx", engine.snapshot()).unwrap();
        for operation in vector["ops"].as_array().unwrap() {
            run(&mut simulator, operation.as_array().unwrap());
            operations += 1;
        }
        let expected = bytes(&vector["pub_simulation_bytes"]);
        assert_eq!(simulator.done().public, expected, "{vector}");
        equal += 1;
    }
    println!(
        "simulator: {equal} vectors with {operations} calls, 0 differences ({not_utf8} keys are no text)"
    );
}

fn run(simulator: &mut Simulator<'_>, operation: &[Value]) {
    let text = |at: usize| operation[at].as_str().unwrap().to_owned();
    let ns = text(1);
    let optional = |found: Option<Bytes>| {
        found.map_or(Value::Null, |value| BASE64_STANDARD.encode(value).into())
    };
    let last = operation.last().unwrap();
    let same = |found: Value| assert_eq!(found, *last, "{operation:?}");
    match operation[0].as_str().unwrap() {
        "get" => same(optional(simulator.get(&ns, &text(2)).unwrap())),
        "mget" => {
            let keys: Vec<&str> =
                operation[2].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
            same(simulator.get_multiple(&ns, &keys).unwrap().into_iter().map(optional).collect());
        }
        "getmd" => {
            let metadata = simulator.metadata(&ns, &text(2)).unwrap();
            let metadata = metadata.into_iter().map(|(name, value)| (name, optional(Some(value))));
            let metadata: serde_json::Map<_, _> = metadata.collect();
            same(if metadata.is_empty() { Value::Null } else { metadata.into() });
        }
        "set" => {
            let key = String::from_utf8(bytes(&operation[2]["key_b64"]).to_vec()).unwrap();
            let value = operation[3].as_str().map(|_| bytes(&operation[3])).unwrap_or_default();
            done(simulator.set(&ns, &key, value), last);
        }
        "del" => done(simulator.delete(&ns, &text(2)), last),
        "delmd" => done(simulator.set_metadata(&ns, &text(2), &KeyMetadata::new()), last),
        "setmd" => {
            let entries = operation[3].as_object().unwrap();
            let metadata =
                entries.iter().map(|(name, value)| (name.clone(), bytes(value))).collect();
            done(simulator.set_metadata(&ns, &text(2), &metadata), last);
        }
        "range" => {
            let id = simulator.range(&ns, &text(2), &text(3)).unwrap();
            let calls = operation[4].as_u64().unwrap();
            same(keys(simulator, id, calls).into());
        }
        "page" => {
            let size = i32::try_from(operation[2].as_i64().unwrap()).unwrap();
            match simulator.open_page(&ns, "", "", size) {
                Ok(id) => {
                    keys(simulator, id, operation[3].as_u64().unwrap());
                    same(simulator.bookmark(id).unwrap().into());
                }
                Err(error) => done(Err(error), last),
            }
        }
        other => panic!("unknown operation {other}"),
    }
}

fn keys(simulator: &mut Simulator<'_>, id: RangeId, calls: u64) -> Vec<String> {
    (0..calls).filter_map(|_| simulator.next(id).unwrap()).map(|(key, _)| key).collect()
}

fn done(outcome: Result<(), SimulationError>, expected: &Value) {
    match outcome {
        Ok(()) => assert_eq!(expected, "ok"),
        Err(error) => {
            let (_, ours) = error
                .to_string()
                .split_once(']')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            let theirs = expected["err"].as_str().unwrap().split_once(']').unwrap().1;
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn a_batch_runs_ahead_of_what_the_chaincode_reads() {
    let Some(engine) = state() else { return testdata::skipped("run-ahead rule") };
    let recorded = |ns: &str, batches: usize| {
        let mut simulator = Simulator::new("tx", engine.snapshot()).unwrap();
        let id = simulator.range(ns, "", "").unwrap();
        let mut rows = 0;
        let mut more = false;
        for _ in 0..batches {
            let batch = simulator.next_batch(id).unwrap();
            rows += batch.rows.len();
            more = batch.has_more;
        }
        let set = carecord_proto::rwset::TxRwSet::from_bytes(&simulator.done().public).unwrap();
        let info = set.namespaces[0].kv.range_queries_info[0].clone();
        (rows, more, info.itr_exhausted, info.end_key)
    };
    assert_eq!(recorded("n100", 1), (100, false, true, String::new()));
    assert_eq!(recorded("n101", 1), (100, true, false, "k00100".into()));
    assert_eq!(recorded("n101", 2), (101, false, true, String::new()));
    assert_eq!(recorded("n3000", 2), (200, true, false, "k00200".into()));
}

#[test]
fn a_closed_range_gives_nothing_more_but_stays_recorded() {
    let engine = MemoryEngine::default();
    let mut simulator = Simulator::new("tx", engine.snapshot()).unwrap();
    let id = simulator.range("ns", "a", "b").unwrap();
    simulator.next_batch(id).unwrap();
    simulator.close(id);
    assert!(matches!(simulator.next(id), Err(SimulationError::NoSuchRange)));
    let recorded = carecord_proto::rwset::TxRwSet::from_bytes(&simulator.done().public).unwrap();
    assert!(recorded.namespaces[0].kv.range_queries_info[0].itr_exhausted);
}
