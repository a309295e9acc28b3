//! Single flipped bytes in what an orderer delivers: refused, or, where nobody signs, without effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::storage::{Simulated, Storage};
use carecord_ledger::Ledger;
use carecord_ledger::state::MemoryEngine;
use carecord_proto::common::Block;
use carecord_proto::{block, fabric_file, testdata};

use crate::support::{GOLDEN, Golden, commit, random};

const FLIPS: u64 = 1_000;

#[test]
fn a_flipped_byte_is_refused_or_has_no_effect() {
    for golden in GOLDEN {
        flips(golden);
    }
}

fn flips(golden: Golden) {
    let Some(file) = golden.orderer_file() else {
        return testdata::skipped(&format!("flips in {}", golden.name));
    };
    let ordered = golden.orderer_blocks().unwrap();
    let expected = golden.peer_blocks().unwrap();
    let (mut seed, mut unreadable) = (20_261_121, 0);
    let mut by_block: BTreeMap<usize, Vec<Block>> = BTreeMap::new();
    for _ in 0..FLIPS {
        let mut bytes = file.to_vec();
        let at = usize::try_from(random(&mut seed)).unwrap() % bytes.len();
        bytes[at] ^= 1 << (random(&mut seed) % 8);
        // Everything up to the first block that differs is as it was; what follows it is not looked at.
        let read = fabric_file::read(Bytes::from(bytes));
        let changed =
            read.zip(&ordered).enumerate().find_map(|(number, (found, original))| match found {
                Ok(found) if found == *original => None,
                Ok(found) => Some((number, Some(found))),
                Err(_) => Some((number, None)),
            });
        match changed {
            Some((number, Some(block))) => by_block.entry(number).or_default().push(block),
            _ => unreadable += 1,
        }
    }
    let (mut refused, mut harmless) = (0, 0);
    for block in by_block.remove(&0).unwrap_or_default() {
        match genesis(&golden, &block, &ordered, &expected) {
            false => refused += 1,
            true => harmless += 1,
        }
    }
    let (storage, engine) = (Simulated::new(), MemoryEngine::default());
    let ledger =
        Ledger::start(storage.clone(), Box::new(engine.clone()), &ordered[0], golden.options());
    let ledger = ledger.unwrap();
    for number in 1..ordered.len() {
        for flipped in by_block.remove(&number).unwrap_or_default() {
            if ledger.verify(&flipped).is_err() {
                refused += 1;
                continue;
            }
            let fork =
                Ledger::resume(copy(&storage), Box::new(engine.fork()), golden.options()).unwrap();
            let committed = commit(&fork, &flipped).unwrap();
            assert_eq!(block::flags(&committed.block), block::flags(&expected[number]));
            assert_eq!(block::commit_hash(&committed.block), block::commit_hash(&expected[number]));
            if let Some(next) = ordered.get(number + 1) {
                commit(&fork, next).unwrap();
            }
            harmless += 1;
        }
        commit(&ledger, &ordered[number]).unwrap();
    }
    println!(
        "{}: {FLIPS} flips: {unreadable} break the file, {refused} refused, {harmless} without effect",
        golden.name
    );
    assert_eq!(unreadable + refused + harmless, FLIPS);
}

/// Whether a ledger starts with a flipped genesis block; if it does, the flip must have no effect.
fn genesis(golden: &Golden, flipped: &Block, ordered: &[Block], expected: &[Block]) -> bool {
    let Ok(ledger) = crate::support::start(flipped, golden.options()) else { return false };
    for (block, theirs) in ordered[1..].iter().zip(&expected[1..]).take(3) {
        let Ok(committed) = commit(&ledger, block) else { return false };
        assert_eq!(block::commit_hash(&committed.block), block::commit_hash(theirs));
    }
    true
}

fn copy(storage: &Arc<Simulated>) -> Arc<Simulated> {
    let copy = Simulated::new();
    for name in storage.list().unwrap() {
        copy.set_content(&name, storage.content(&name));
    }
    copy
}

#[test]
fn metadata_that_nobody_signs_has_no_effect() {
    let golden = GOLDEN[1];
    let Some(ordered) = golden.orderer_blocks() else {
        return testdata::skipped("unsigned metadata");
    };
    let expected = golden.peer_blocks().unwrap();
    let ledger = crate::support::start(&ordered[0], golden.options()).unwrap();
    let mut seed = 5;
    for (block, theirs) in ordered[1..].iter().zip(&expected[1..]) {
        let mut block = block.clone();
        let slots = &mut block.metadata.as_mut().unwrap().metadata;
        for slot in &mut slots[1..] {
            let garbage: Vec<u8> =
                (0..random(&mut seed) % 9).map(|_| random(&mut seed) as u8).collect();
            *slot = garbage.into();
        }
        let committed = commit(&ledger, &block).unwrap();
        assert_eq!(block::flags(&committed.block), block::flags(theirs));
        assert_eq!(block::commit_hash(&committed.block), block::commit_hash(theirs));
    }
}
