//! What an operator does to a stopped peer's ledger: it is whole before and after, and never touched while a node runs.

use std::path::{Path, PathBuf};

use carecord_ledger::tools::{rebuild, rollback, verify};
use carecord_ledger::{Error, Ledger, Options};
use carecord_proto::common::Block;
use carecord_proto::rwset::RwSetBuilder;

use crate::channel::{BOTH, put};
use crate::network::{Defined, Network, collection};
use crate::support::commit;

const BLOCKS: u64 = 12;

fn options() -> Options {
    Options { threads: 1, ..Options::default() }
}

/// A ledger on disk, closed, and the blocks it was made from.
fn made(dir: &Path) -> (PathBuf, Vec<Block>, Option<[u8; 32]>) {
    let network = Network::new();
    let path = dir.join("care");
    let ledger = Ledger::create(&path, &network.genesis, options()).unwrap();
    let mut blocks = vec![network.genesis.clone()];
    let mut add = |envelopes| {
        let block = network.block(&ledger, envelopes);
        commit(&ledger, &block).unwrap();
        blocks.push(block);
    };
    let collections = vec![collection("short", None, 2)];
    add(vec![network.define(Defined { name: "cc", policy: BOTH, collections })]);
    for number in 2..BLOCKS {
        let mut rwset: RwSetBuilder = put("cc", &format!("k{}", number % 5), "value");
        rwset.add_private_write("cc", "short", "p", "secret".into());
        add(vec![network.draft("cc", rwset).envelope()]);
    }
    let hash = ledger.commit_hash();
    ledger.engine().flush().unwrap();
    drop(ledger);
    (path, blocks, hash)
}

fn reopens(path: &Path, height: u64, blocks: &[Block], hash: Option<[u8; 32]>) {
    let ledger = Ledger::open(path, options()).unwrap();
    assert_eq!(ledger.height(), height);
    for block in &blocks[usize::try_from(height).unwrap()..] {
        commit(&ledger, block).unwrap();
    }
    assert_eq!(ledger.commit_hash(), hash);
}

#[test]
fn a_whole_ledger_is_found_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _, hash) = made(dir.path());
    let report = verify(&path, &options(), true).unwrap();
    assert_eq!((report.first, report.height, report.commit_hash), (0, BLOCKS, hash));
    assert_eq!((report.transactions, report.signed), (BLOCKS, BLOCKS - 1));
    assert_eq!(report.state_height, Some(BLOCKS));
    assert!(report.rows > 20, "{report:?}");
    std::fs::remove_dir_all(path.join("state")).unwrap();
    assert_eq!(verify(&path, &options(), false).unwrap().state_height, None);
}

#[test]
fn a_flipped_bit_of_the_log_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ..) = made(dir.path());
    let log = path.join("blocks/00000000000000000000.log");
    let bytes = std::fs::read(&log).unwrap();
    for at in (40..bytes.len()).step_by(bytes.len() / 40) {
        let mut altered = bytes.clone();
        altered[at] ^= 4;
        std::fs::write(&log, altered).unwrap();
        assert!(verify(&path, &options(), true).is_err(), "byte {at}");
        std::fs::write(&log, &bytes).unwrap();
    }
    verify(&path, &options(), true).unwrap();
}

#[test]
fn state_that_the_blocks_do_not_lead_to_is_found_and_rebuilt() {
    use carecord_ledger::state::{Column, Engine, RocksEngine, RocksOptions, WriteBatch};

    let dir = tempfile::tempdir().unwrap();
    let (path, blocks, hash) = made(dir.path());
    let engine = RocksEngine::open(&path.join("state"), &RocksOptions::default()).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(Column::State, b"P\0\0\0\x02cckey".to_vec(), vec![1, 1, 0, 0, 7]);
    engine.write(batch).unwrap();
    engine.flush().unwrap();
    drop(engine);
    let error = verify(&path, &options(), false).unwrap_err();
    assert!(matches!(&error, Error::StateDiffers(key) if key.contains("cckey")), "{error}");
    assert_eq!(rebuild(&path, options()).unwrap(), BLOCKS);
    verify(&path, &options(), false).unwrap();
    reopens(&path, BLOCKS, &blocks, hash);
}

#[test]
fn after_a_rollback_the_same_blocks_lead_to_the_same_end() {
    for to in [0, 1, 5, BLOCKS - 2] {
        let dir = tempfile::tempdir().unwrap();
        let (path, blocks, hash) = made(dir.path());
        rollback(&path, to).unwrap();
        assert_eq!(verify(&path, &options(), true).unwrap().height, to + 1);
        reopens(&path, to + 1, &blocks, hash);
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, blocks, hash) = made(dir.path());
    for to in [BLOCKS - 1, BLOCKS, u64::MAX - 1] {
        assert!(matches!(rollback(&path, to), Err(Error::NoSuchEnd { .. })));
    }
    reopens(&path, BLOCKS, &blocks, hash);
}

#[test]
fn a_ledger_that_began_with_a_snapshot_is_verified_and_rolled_back_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, blocks, hash) = made(dir.path());
    rollback(&path, 5).unwrap();
    let ledger = Ledger::open(&path, options()).unwrap();
    ledger.snapshot(&dir.path().join("taken"), |last| assert_eq!(last, 5)).unwrap();
    drop(ledger);
    let joined = dir.path().join("joined");
    drop(Ledger::join(&joined, &dir.path().join("taken"), options()).unwrap());
    reopens(&joined, 6, &blocks, hash);
    let report = verify(&joined, &options(), true).unwrap();
    assert_eq!((report.first, report.height, report.commit_hash), (6, BLOCKS, hash));
    assert!(matches!(rollback(&joined, 4), Err(Error::NoSuchEnd { .. })));
    for to in [8, 5] {
        rollback(&joined, to).unwrap();
        reopens(&joined, to + 1, &blocks, hash);
    }
}

#[test]
fn nothing_is_done_beside_a_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ..) = made(dir.path());
    let running = Ledger::open(&path, options()).unwrap();
    assert!(matches!(verify(&path, &options(), false), Err(Error::InUse { .. })));
    assert!(matches!(rollback(&path, 3), Err(Error::InUse { .. })));
    assert!(matches!(rebuild(&path, options()), Err(Error::InUse { .. })));
    assert_eq!(running.height(), BLOCKS);
    assert!(running.commit_hash().is_some());
}

#[test]
fn state_that_was_half_removed_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let (path, blocks, hash) = made(dir.path());
    std::fs::rename(path.join("state"), path.join("state.discarded")).unwrap();
    reopens(&path, BLOCKS, &blocks, hash);
    rollback(&path, 3).unwrap();
    assert!(!path.join("state.discarded").exists());
    reopens(&path, 4, &blocks, hash);
}
