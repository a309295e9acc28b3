//! Group `network`: ledgers of real Fabric networks, replayed to the same codes, commit hashes and state.

use std::collections::{BTreeMap, BTreeSet};

use carecord_ledger::Ledger;
use carecord_ledger::state::{Engine, Read, StateView};
use carecord_proto::block;
use carecord_proto::common::Block;

use crate::acceptance::ledgers::{GOLDEN, Golden, as_fabric, blocks, commit, data};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const STATE: &str = "fabric-golden-2/state-golden.json";
/// First key after the one that a composite key begins with.
const FIRST_SIMPLE_KEY: &[u8] = b"\x01";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "golden-ledgers",
        group: "network",
        goal: "every block accepted, every code and commit hash equal to Fabric's",
        work: |context| Box::pin(async move { ledgers(context) }),
    },
    Check {
        name: "golden-state",
        group: "network",
        goal: "every key and value equal to Fabric's",
        work: |context| Box::pin(async move { state(context) }),
    },
];

/// What a replay came to.
#[derive(Debug, Default)]
struct Replay {
    blocks: usize,
    transactions: usize,
    codes: BTreeSet<u8>,
    differences: Vec<String>,
}

fn ledgers(context: &Context) -> Outcome<Finding> {
    let mut total = Replay::default();
    for golden in GOLDEN {
        let ordered = blocks(golden.orderer_file()?)?;
        let ledger = replay(context, golden, &ordered)?;
        // Only now: the replay has seen nothing that a peer wrote.
        total.compare(golden, &ledger, &golden.peer_blocks()?)?;
    }
    let figure = format!(
        "{} ledgers, {} blocks, {} transactions, {} codes, {} differences",
        GOLDEN.len(),
        total.blocks,
        total.transactions,
        total.codes.len(),
        total.differences.len()
    );
    let finding = Finding::new(figure, total.differences.is_empty());
    Ok(match total.differences.first() {
        Some(first) => finding.remark(format!("first: {first}")),
        None => finding,
    })
}

fn state(context: &Context) -> Outcome<Finding> {
    let golden = GOLDEN[1];
    let path = data(STATE)?;
    let text = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
    let expected: BTreeMap<String, Vec<(String, String)>> = serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Code::Short, error).at(path.display()))?;
    let ledger = replay(context, golden, &blocks(golden.orderer_file()?)?)?;
    let engine: &dyn Read = as_reader(ledger.engine());
    let view = StateView::new(engine);
    let (mut equal, mut differ) = (0, 0);
    for (namespace, expected) in expected {
        let rows = view
            .range(&namespace, FIRST_SIMPLE_KEY, b"", usize::MAX)
            .map_err(|error| Failure::new(Code::Short, error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let rows: Vec<_> =
            rows.into_iter().map(|(key, stored)| (text(&key), text(&stored.value))).collect();
        match rows == expected {
            true => equal += rows.len(),
            false => differ += 1,
        }
    }
    let figure = format!("{equal} keys equal, {differ} namespaces differ");
    Ok(Finding::new(figure, differ == 0 && equal > 0))
}

/// Replays what an orderer held into a ledger on this disk.
fn replay(context: &Context, golden: Golden, ordered: &[Block]) -> Outcome<Ledger> {
    let failed = |error: carecord_ledger::Error| Failure::new(Code::Short, error).at(golden.name);
    let dir = context.work.join("golden").join(golden.name);
    let _ = std::fs::remove_dir_all(&dir);
    let ledger = Ledger::create(&dir, &ordered[0], golden.options()).map_err(failed)?;
    for block in &ordered[1..] {
        commit(&ledger, block).map_err(failed)?;
    }
    Ok(ledger)
}

fn as_reader(engine: &dyn Engine) -> &dyn Read {
    engine
}

// === impl Replay ===

impl Replay {
    fn compare(&mut self, golden: Golden, ledger: &Ledger, theirs: &[Block]) -> Outcome<()> {
        for (number, expected) in (0_u64..).zip(theirs) {
            let ours = ledger
                .block(number)
                .map_err(|error| Failure::new(Code::Short, error).at(golden.name))?;
            self.blocks += 1;
            self.transactions += block::envelopes(expected).len();
            self.codes.extend(block::flags(expected));
            // A Fabric peer marks block 0 valid and gives it no commit hash.
            let equal = ours.is_some_and(|ours| number == 0 || as_fabric(&ours, expected));
            if !equal {
                self.differences.push(format!("block {number} of {}", golden.name));
            }
        }
        Ok(())
    }
}
