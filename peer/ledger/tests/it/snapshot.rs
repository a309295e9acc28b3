//! A ledger that began with a snapshot is the ledger that has all the blocks, as far as anybody can tell afterwards.

use std::path::Path;

use bytes::Bytes;
use carecord_blocks::storage::Simulated;
use carecord_ledger::state::{Column, MemoryEngine};
use carecord_ledger::{Error, Ledger, Options, Snapshot, SnapshotError, snapshot};
use carecord_proto::common::Block;
use carecord_proto::rwset::RwSetBuilder;

use crate::channel::Channel;
use crate::network::key_policy;
use crate::support::{commit, random};

/// Random chains that are tried, and their blocks.
const CHAINS: u64 = 25;
const BLOCKS: u64 = 14;

fn options() -> Options {
    Options { threads: 1, ..Options::default() }
}

/// A chain of random writes, deletes, private writes that expire, conflicts and repeated envelopes.
struct Chain {
    channel: Channel,
    seed: u64,
    sent: Vec<Bytes>,
}

impl Chain {
    fn new(seed: u64) -> Self {
        Chain { channel: Channel::new(), seed: seed * 7919 + 1, sent: Vec::new() }
    }

    fn pick(&mut self, below: u64) -> u64 {
        random(&mut self.seed) % below
    }

    fn envelope(&mut self) -> Bytes {
        if !self.sent.is_empty() && self.pick(8) == 0 {
            let known = self.pick(self.sent.len() as u64);
            return self.sent[usize::try_from(known).unwrap()].clone();
        }
        let namespace = ["either", "both"][self.pick(2) as usize];
        let mut rwset = RwSetBuilder::new();
        for _ in 0..=self.pick(3) {
            let key = format!("k{}", self.pick(8));
            let value = Bytes::from(format!("v{}", self.pick(1000)));
            match self.pick(7) {
                0 => {
                    let version = self.channel.version(namespace, &key);
                    rwset.add_read(namespace, &key, version.filter(|_| self.pick(3) > 0));
                }
                1 => rwset.add_write(namespace, &key, Bytes::new()),
                2 => {
                    let policy = key_policy("OR('Org1MSP.peer','Org2MSP.peer')");
                    rwset.add_metadata_write(namespace, &key, &policy);
                }
                3 => rwset.add_private_write(namespace, "short", &key, value),
                4 => rwset.add_private_write(namespace, "plain", &key, value),
                _ => rwset.add_write(namespace, &key, value),
            }
        }
        let envelope = self.channel.tx(namespace, &[0, 1], rwset);
        self.sent.push(envelope.clone());
        envelope
    }

    fn block(&mut self) -> Block {
        let envelopes = (0..=self.pick(4)).map(|_| self.envelope()).collect();
        self.channel.network.block(&self.channel.ledger, envelopes)
    }
}

fn joined(dir: &Path) -> (Ledger, MemoryEngine) {
    let engine = MemoryEngine::default();
    let ledger =
        Ledger::resume_from(dir, Simulated::new(), Box::new(engine.clone()), options()).unwrap();
    (ledger, engine)
}

/// Keys without values: of an older transaction a joined ledger knows no more than its id.
fn tx_ids(engine: &MemoryEngine) -> Vec<Vec<u8>> {
    let rows = engine.dump(Column::Index).into_iter();
    rows.map(|(key, _)| key).filter(|key| key.starts_with(b"T")).collect()
}

#[test]
fn a_ledger_from_a_snapshot_goes_on_as_the_one_with_all_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut repeated, mut blocks) = (0, 0);
    for seed in 0..CHAINS {
        let mut chain = Chain::new(seed);
        let cut = chain.pick(BLOCKS);
        let mut there = None;
        for number in 0..BLOCKS {
            if number == cut {
                let taken = dir.path().join(format!("{seed}-cut"));
                let made = chain.channel.ledger.snapshot(&taken, |_| ()).unwrap();
                assert_eq!(snapshot::verify(&taken).unwrap(), made, "seed {seed}");
                assert_eq!(made.height(), chain.channel.ledger.height());
                there = Some(joined(&taken));
            }
            let block = chain.block();
            let ours = commit(&chain.channel.ledger, &block).unwrap();
            if let Some((ledger, _)) = &there {
                let theirs = commit(ledger, &block).unwrap();
                let of = |txs: &[carecord_ledger::CommittedTx]| -> Vec<_> {
                    txs.iter().map(|tx| (tx.tx_id.clone(), tx.code)).collect()
                };
                assert_eq!(of(&theirs.transactions), of(&ours.transactions), "seed {seed}");
                assert_eq!(theirs.commit_hash, ours.commit_hash, "seed {seed}, block {number}");
                repeated += ours
                    .transactions
                    .iter()
                    .filter(|tx| tx.code == carecord_proto::protos::TxValidationCode::DuplicateTxid)
                    .count();
                blocks += 1;
            }
        }
        let (ledger, engine) = there.unwrap();
        assert_eq!(engine.dump(Column::State), chain.channel.engine.dump(Column::State));
        assert_eq!(tx_ids(&engine), tx_ids(&chain.channel.engine));
        let (one, other) =
            (dir.path().join(format!("{seed}-a")), dir.path().join(format!("{seed}-b")));
        let one = chain.channel.ledger.snapshot(&one, |_| ()).unwrap();
        let other = ledger.snapshot(&other, |_| ()).unwrap();
        assert_eq!(one, other, "seed {seed}: two peers, one height, one hash");
        assert_eq!(
            ledger.info().current_block_hash,
            chain.channel.ledger.info().current_block_hash
        );
    }
    println!(
        "snapshots: {CHAINS} chains, {blocks} blocks after joining, {repeated} repeated ids refused"
    );
    assert!(repeated > 0);
}

/// A ledger on disk that began with a snapshot, the snapshot, and the chain it is of.
fn on_disk(dir: &Path) -> (Ledger, Snapshot, Chain) {
    let mut chain = Chain::new(77);
    for _ in 0..4 {
        let block = chain.block();
        commit(&chain.channel.ledger, &block).unwrap();
    }
    let made = chain.channel.ledger.snapshot(&dir.join("snapshot"), |_| ()).unwrap();
    let ledger = Ledger::join(&dir.join("ledger"), &dir.join("snapshot"), options()).unwrap();
    (ledger, made, chain)
}

#[test]
fn what_lies_before_the_snapshot_is_said_to_lie_there() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, made, mut chain) = on_disk(dir.path());
    let first = made.height();
    assert_eq!((ledger.first(), ledger.height()), (first, first));
    let error = ledger.block(1).unwrap_err().to_string();
    let expected = format!(
        "cannot serve block [1]. The ledger is bootstrapped from a snapshot. First available block = [{first}]"
    );
    assert_eq!(error, expected);
    let known = chain.channel.ledger.block(made.block).unwrap().unwrap();
    let raw = carecord_proto::block::envelopes(&known)[0].clone();
    let opened = carecord_proto::wellformed::open_envelope(&raw).unwrap();
    let tx_id = carecord_proto::envelope::Opened::open(&opened).unwrap().channel_header.tx_id;
    assert!(matches!(ledger.tx_status(&tx_id), Err(Error::TxBeforeSnapshot { .. })));
    assert!(ledger.is_spent(&tx_id).unwrap() && !ledger.is_spent("nobody's").unwrap());
    assert_eq!(
        ledger.info().bootstrapping_snapshot_info.unwrap().last_block_in_snapshot,
        made.block
    );
    let block = chain.block();
    commit(&ledger, &block).unwrap();
    assert!(ledger.block(first).unwrap().is_some());
}

#[test]
fn lost_state_is_made_again_from_snapshot_and_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _, mut chain) = on_disk(dir.path());
    for _ in 0..3 {
        let block = chain.block();
        commit(&chain.channel.ledger, &block).unwrap();
        commit(&ledger, &block).unwrap();
    }
    let expected = (ledger.height(), ledger.commit_hash());
    drop(ledger);
    let path = dir.path().join("ledger");
    for lose in [false, true] {
        if lose {
            std::fs::remove_dir_all(path.join("state")).unwrap();
        }
        let ledger = Ledger::open(&path, options()).unwrap();
        assert_eq!((ledger.height(), ledger.commit_hash()), expected);
    }
    assert_eq!(carecord_ledger::tools::rebuild(&path, options()).unwrap(), expected.0);
}

#[test]
fn an_import_that_was_cut_short_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(5);
    for _ in 0..6 {
        let block = chain.block();
        commit(&chain.channel.ledger, &block).unwrap();
    }
    let taken = dir.path().join("taken");
    chain.channel.ledger.snapshot(&taken, |_| ()).unwrap();
    let whole = joined(&taken).1;
    for writes in 0..3 {
        for lost in [false, true] {
            let engine = MemoryEngine::default();
            engine.fail_after(writes);
            let storage = Simulated::new();
            let begun =
                Ledger::resume_from(&taken, storage.clone(), Box::new(engine.clone()), options());
            drop(begun);
            let engine = if lost { MemoryEngine::default() } else { engine.fork() };
            Ledger::resume_from(&taken, storage, Box::new(engine.clone()), options()).unwrap();
            for column in Column::ALL {
                assert_eq!(engine.dump(column), whole.dump(column));
            }
        }
    }
}

#[test]
fn an_altered_snapshot_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, made, _) = on_disk(dir.path());
    drop(ledger);
    let (from, to) = (dir.path().join("snapshot"), dir.path().join("new"));
    let names: Vec<_> = std::fs::read_dir(&from).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(names.len(), made.files.len() + 2);
    let mut seed = 3;
    let mut refused = 0;
    for path in names {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..8 {
            let mut altered = bytes.clone();
            let at = usize::try_from(random(&mut seed)).unwrap() % altered.len();
            altered[at] ^= 1 << (random(&mut seed) % 8);
            std::fs::write(&path, &altered).unwrap();
            match Ledger::join(&to, &from, options()) {
                Err(Error::Snapshot(SnapshotError::Damaged { .. })) => refused += 1,
                // The commit hash alone has no hash over it: the first block's own tells.
                Ok(ledger) => {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    assert_eq!(name, "_snapshot_additional_metadata.json");
                    drop(ledger);
                    std::fs::remove_dir_all(&to).unwrap();
                }
                other => panic!("{}: {:?}", path.display(), other.err()),
            }
            assert!(!to.exists());
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Ledger::join(&to, &from, options()).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Ledger::join(&to, &from, options()).is_err() && !to.exists());
        std::fs::write(&path, bytes).unwrap();
    }
    println!("altered snapshots: {refused} refused");
    Ledger::join(&to, &from, options()).unwrap();
    let again = Ledger::join(&to, &from, options());
    assert!(matches!(again.err(), Some(Error::Snapshot(SnapshotError::Exists(_)))));
}
