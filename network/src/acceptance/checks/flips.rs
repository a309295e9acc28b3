//! Group `network`: one changed bit in what an orderer held is refused, or changes nothing that counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::storage::{Simulated, Storage};
use carecord_ledger::Ledger;
use carecord_ledger::state::MemoryEngine;
use carecord_proto::common::Block;
use carecord_proto::fabric_file;
use carecord_proto::testdata::Flips;

use crate::acceptance::ledgers::{GOLDEN, Golden, as_fabric, blocks, commit};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const FLIPS: usize = 1_000;
const SEED: u64 = 20_261_121;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "golden-flips",
    group: "network",
    goal: "each of 1,000 flips a ledger refused, or without effect",
    work: |context| Box::pin(async move { flips(context) }),
}];

/// What became of the flips of one or more ledgers.
#[derive(Debug, Default)]
struct Tally {
    unreadable: usize,
    refused: usize,
    without_effect: usize,
    /// Accepted, with other codes or another commit hash than Fabric's.
    believed: Vec<String>,
}

/// The blocks of a changed file, from the first that differs.
struct Changed {
    at: usize,
    blocks: Vec<Block>,
    /// Whether the file breaks off after them.
    broken: bool,
}

fn flips(context: &Context) -> Outcome<Finding> {
    let count = context.scaled(FLIPS, 10);
    let mut tally = Tally::default();
    for golden in GOLDEN {
        tally.flip(golden, count)?;
    }
    let total = count * GOLDEN.len();
    let figure = format!(
        "{total} flips: {} break the file, {} refused, {} without effect, {} believed",
        tally.unreadable,
        tally.refused,
        tally.without_effect,
        tally.believed.len()
    );
    let counted = tally.unreadable + tally.refused + tally.without_effect;
    let finding = Finding::new(figure, tally.believed.is_empty() && counted == total);
    let finding = context.scale_remark(finding, &format!("{count} flips a ledger"));
    Ok(match tally.believed.first() {
        Some(first) => finding.remark(format!("believed: {first}")),
        None => finding,
    })
}

fn changed(file: &Bytes, original: &[Block], random: &mut Flips) -> Changed {
    let mut bytes = file.to_vec();
    random.flip(&mut bytes);
    let mut found = Changed { at: original.len(), blocks: Vec::new(), broken: false };
    for (number, block) in fabric_file::read(bytes.into()).enumerate() {
        match block {
            Ok(block) if found.blocks.is_empty() && original.get(number) == Some(&block) => {}
            Ok(block) => {
                found.at = found.at.min(number);
                found.blocks.push(block);
            }
            Err(_) => {
                found.broken = true;
                break;
            }
        }
    }
    found
}

// === impl Tally ===

impl Tally {
    /// Changes are sorted by the block that they hit first, so that the good part is replayed once.
    fn flip(&mut self, golden: Golden, count: usize) -> Outcome<()> {
        let failed = |error: carecord_ledger::Error| Failure::new(Code::Short, error);
        let file = golden.orderer_file()?;
        let (original, theirs) = (blocks(file.clone())?, golden.peer_blocks()?);
        let mut random = Flips::new(SEED);
        let mut by_block: BTreeMap<usize, Vec<Changed>> = BTreeMap::new();
        for _ in 0..count {
            let changed = changed(&file, &original, &mut random);
            by_block.entry(changed.at).or_default().push(changed);
        }
        for changed in by_block.remove(&0).unwrap_or_default() {
            let (storage, engine) = (Simulated::new(), Box::new(MemoryEngine::default()));
            match changed.blocks.first() {
                None => self.unreadable += 1,
                Some(genesis) => match Ledger::start(storage, engine, genesis, golden.options()) {
                    Ok(ledger) => {
                        self.go_on(golden, &ledger, &changed.blocks[1..], 1, &changed, &theirs)
                    }
                    Err(_) => self.refused += 1,
                },
            }
        }
        let (storage, engine) = (Simulated::new(), MemoryEngine::default());
        let own = Box::new(engine.clone());
        let ledger = Ledger::start(storage.clone(), own, &original[0], golden.options());
        let ledger = ledger.map_err(failed)?;
        for number in 1..=original.len() {
            for changed in by_block.remove(&number).unwrap_or_default() {
                let Some(first) = changed.blocks.first() else {
                    self.unreadable += 1;
                    continue;
                };
                if ledger.verify(first).is_err() {
                    self.refused += 1;
                    continue;
                }
                let fork = Box::new(engine.fork());
                let fork =
                    Ledger::resume(copy(&storage), fork, golden.options()).map_err(failed)?;
                self.go_on(golden, &fork, &changed.blocks, number, &changed, &theirs);
            }
            if let Some(block) = original.get(number) {
                commit(&ledger, block).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Commits what follows; the ledger ends with an error, with fewer blocks, or as Fabric's.
    fn go_on(
        &mut self,
        golden: Golden,
        ledger: &Ledger,
        rest: &[Block],
        first: usize,
        changed: &Changed,
        theirs: &[Block],
    ) {
        let mut equal = true;
        for (number, block) in (first..).zip(rest) {
            match (commit(ledger, block), theirs.get(number)) {
                (Ok(ours), Some(theirs)) => equal &= as_fabric(&ours.block, theirs),
                _ => {
                    self.refused += 1;
                    return;
                }
            }
        }
        match (equal, changed.broken || first + rest.len() < theirs.len()) {
            (true, false) => self.without_effect += 1,
            (true, true) => self.refused += 1,
            (false, _) => {
                self.believed.push(format!("a change of block {} of {}", changed.at, golden.name));
            }
        }
    }
}

fn copy(storage: &Arc<Simulated>) -> Arc<Simulated> {
    let copy = Simulated::new();
    for name in storage.list().unwrap_or_default() {
        copy.set_content(&name, storage.content(&name));
    }
    copy
}
