//! Prefetching ahead, on several threads, and with own endorsements known, changes nothing but the time it takes.

use std::time::{Duration, Instant};

use carecord_ledger::state::{Column, MemoryEngine};
use carecord_ledger::{Ledger, Options};
use carecord_proto::common::Block;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::RwSetBuilder;
use carecord_proto::{block, testdata, transaction};

use crate::channel::BOTH;
use crate::network::{Defined, Network};
use crate::support::{GOLDEN, commit, start};

/// Transactions of the block that is timed.
const TRANSACTIONS: usize = 500;

#[test]
fn prefetching_everything_ahead_on_many_threads_gives_the_same_result() {
    for golden in GOLDEN {
        let Some(blocks) = golden.orderer_blocks() else {
            return testdata::skipped("prefetch ahead");
        };
        let ledger = start(&blocks[0], Options { threads: 3, ..golden.options() }).unwrap();
        let ahead: Vec<_> = blocks[1..].iter().rev().map(|block| ledger.prefetch(block)).collect();
        let expected = golden.peer_blocks().unwrap();
        for ((ordered, prefetched), theirs) in
            blocks[1..].iter().zip(ahead.into_iter().rev()).zip(&expected[1..])
        {
            let committed = ledger.commit(ordered.clone(), prefetched).unwrap();
            assert_eq!(block::flags(&committed.block), block::flags(theirs));
            assert_eq!(block::commit_hash(&committed.block), block::commit_hash(theirs));
        }
    }
}

#[test]
fn endorsements_noted_as_our_own_change_no_verdict() {
    let golden = GOLDEN[1];
    let Some(blocks) = golden.orderer_blocks() else {
        return testdata::skipped("own endorsements");
    };
    let ledger = start(&blocks[0], golden.options()).unwrap();
    let expected = golden.peer_blocks().unwrap();
    let mut noted = 0;
    for (ordered, theirs) in blocks[1..].iter().zip(&expected[1..]) {
        for raw in block::envelopes(ordered) {
            let envelope = carecord_proto::wellformed::open_envelope(raw).unwrap();
            let Ok(opened) = transaction::Opened::open_payload(&envelope.payload) else { continue };
            // A real peer notes what it signed; the first endorsement of a valid transaction is such a one.
            let status = expected_code(theirs, ordered, raw);
            if let (Some(first), Code::Valid) = (opened.endorsed.endorsements.first(), status) {
                let payload = &opened.endorsed.response_payload;
                ledger.note_endorsement(payload, &first.endorser, &first.signature);
                noted += 1;
            }
        }
        let committed = commit(&ledger, ordered).unwrap();
        assert_eq!(block::commit_hash(&committed.block), block::commit_hash(theirs));
    }
    println!("own endorsements: {noted} noted, all commit hashes equal");
}

fn expected_code(theirs: &Block, ordered: &Block, raw: &[u8]) -> Code {
    let position = block::envelopes(ordered).iter().position(|other| other == raw).unwrap();
    Code::try_from(i32::from(block::flags(theirs)[position])).unwrap()
}

/// A chain with one definition and one full block, two reads and two writes of 300 bytes a transaction.
fn full_block(network: &Network, ledger: &Ledger) -> Block {
    let name = "both";
    let define = network.define(Defined { name, policy: BOTH, collections: Vec::new() });
    commit(ledger, &network.block(ledger, vec![define])).unwrap();
    let value = bytes::Bytes::from(vec![b'v'; 300]);
    let transactions = (0..TRANSACTIONS).map(|n| {
        let mut rwset = RwSetBuilder::new();
        for key in [format!("a{n}"), format!("b{n}")] {
            rwset.add_read(name, &key, None);
            rwset.add_write(name, &key, value.clone());
        }
        network.draft(name, rwset).envelope()
    });
    network.block(ledger, transactions.collect())
}

#[test]
fn a_full_block_takes_the_time_of_its_signatures() {
    let network = Network::new();
    let dir = tempfile::tempdir().unwrap();
    let options = Options { threads: 1, ..Options::default() };
    let ledger = Ledger::create(&dir.path().join("ledger"), &network.genesis, options).unwrap();
    let full = full_block(&network, &ledger);
    let timed = |what: &mut dyn FnMut()| {
        let start = Instant::now();
        what();
        start.elapsed()
    };
    let mut prefetched = None;
    let prefetch = timed(&mut || prefetched = Some(ledger.prefetch(&full)));
    let mut committed = None;
    let rest = timed(&mut || {
        let prefetched = prefetched.take().unwrap();
        committed = Some(ledger.commit(full.clone(), prefetched).unwrap());
    });
    let codes = committed.unwrap().transactions.into_iter().map(|tx| tx.code);
    assert!(codes.eq(std::iter::repeat_n(Code::Valid, TRANSACTIONS)));
    let signature = signature_time(&network);
    let per = |time: Duration| time.as_secs_f64() * 1e6 / TRANSACTIONS as f64;
    println!(
        "{TRANSACTIONS} transactions: prefetch {:.0} µs, verify + decide + mvcc + fsync + write {:.0} µs each; \
         3 signatures alone {:.0} µs",
        per(prefetch),
        per(rest),
        signature.as_secs_f64() * 3e6,
    );
}

fn signature_time(network: &Network) -> Duration {
    use carecord_msp::Signer;
    let bundle = carecord_channel::Bundle::from_block(&network.genesis).unwrap();
    let client = &network.clients[0];
    let identity = bundle.msps().identity(&client.serialized()).unwrap();
    let signature = client.sign(b"message").unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        identity.verify(b"message", &signature).unwrap();
    }
    start.elapsed() / 200
}

#[test]
fn two_ledgers_of_the_same_blocks_hold_the_same_rows() {
    let golden = GOLDEN[1];
    let Some(blocks) = golden.orderer_blocks() else { return testdata::skipped("same rows") };
    let engines = [MemoryEngine::default(), MemoryEngine::default()];
    for (engine, threads) in engines.iter().zip([1, 4]) {
        let storage = carecord_blocks::storage::Simulated::new();
        let options = Options { threads, ..golden.options() };
        let ledger = Ledger::start(storage, Box::new(engine.clone()), &blocks[0], options).unwrap();
        for block in &blocks[1..] {
            commit(&ledger, block).unwrap();
        }
    }
    for column in Column::ALL {
        assert_eq!(engines[0].dump(column), engines[1].dump(column), "{column:?}");
    }
}
