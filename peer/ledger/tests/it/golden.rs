//! Replay of real Fabric ledgers: every code and every commit hash must be the peer's.

use std::collections::BTreeMap;

use carecord_ledger::state::StateView;
use carecord_proto::protos::TxValidationCode;
use carecord_proto::{block, testdata};

use crate::support::{GOLDEN, Golden, outcome, replay};

#[test]
fn real_ledgers_replay_to_equal_codes_and_commit_hashes() {
    for golden in GOLDEN {
        replays_equal(golden);
    }
}

fn replays_equal(golden: Golden) {
    let Some(ordered) = golden.orderer_blocks() else {
        return testdata::skipped(&format!("replay of {}", golden.name));
    };
    let expected = golden.peer_blocks().unwrap();
    assert_eq!(ordered.len(), expected.len());
    let (ledger, committed) = replay(&ordered, golden.options()).unwrap();
    let (mut codes, mut differences) = (BTreeMap::new(), Vec::new());
    for (ours, theirs) in committed.iter().zip(&expected[1..]) {
        let (flags, hash) = outcome(ours);
        for (tx, (ours_flag, theirs_flag)) in flags.iter().zip(block::flags(theirs)).enumerate() {
            *codes.entry(name(*theirs_flag)).or_insert(0) += 1;
            if ours_flag != theirs_flag {
                let (found, wanted) = (name(*ours_flag), name(*theirs_flag));
                differences.push(format!("{}:{tx} {found}, Fabric says {wanted}", ours.number));
            }
        }
        if hash != block::commit_hash(theirs) {
            differences.push(format!("{} commit hash", ours.number));
        }
    }
    assert!(differences.is_empty(), "{}: {differences:#?}", golden.name);
    assert_eq!(ledger.height(), expected.len() as u64);
    println!("{}: {} blocks, all equal: {codes:?}", golden.name, expected.len());
}

fn name(flag: u8) -> &'static str {
    TxValidationCode::try_from(i32::from(flag)).unwrap().as_str_name()
}

#[test]
fn public_state_ends_as_in_fabric() {
    let Some(path) = testdata::path("fabric-golden-2/state-golden.json") else {
        return testdata::skipped("public state of fabric-golden-2");
    };
    let state: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let golden = GOLDEN[1];
    let (ledger, _) = replay(&golden.orderer_blocks().unwrap(), golden.options()).unwrap();
    let view = StateView::new(as_reader(ledger.engine()));
    let mut compared = 0;
    for (namespace, expected) in state {
        let rows = view.range(&namespace, b"\x01", b"", usize::MAX).unwrap();
        let rows: Vec<_> =
            rows.into_iter().map(|(key, stored)| (text(&key), text(&stored.value))).collect();
        assert_eq!(rows, expected, "{namespace}");
        compared += rows.len();
    }
    println!("state: {compared} keys equal");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn as_reader(engine: &dyn carecord_ledger::state::Engine) -> &dyn carecord_ledger::state::Read {
    engine
}
