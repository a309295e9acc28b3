//! Beside its code, an invalid transaction has a cause in words: the key and the faster transaction, or whose endorsement
//! it lacks.

use bytes::Bytes;
use carecord_ledger::Simulator;
use carecord_ledger::state::Version;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::RwSetBuilder;

use crate::channel::{BOTH, Channel, put};
use crate::network::key_policy;

/// The code and cause of each transaction of a block.
fn told(channel: &Channel, envelopes: Vec<Bytes>) -> Vec<(Code, String)> {
    let committed = channel.commit(envelopes).transactions.into_iter();
    committed.map(|tx| (tx.code, tx.cause.map_or(String::new(), |it| it.told(None)))).collect()
}

fn simulate(channel: &Channel, run: impl FnOnce(&mut Simulator<'_>)) -> Bytes {
    let mut simulator = channel.ledger.simulator("tx").unwrap();
    run(&mut simulator);
    let mut draft = channel.network.draft("either", RwSetBuilder::new());
    draft.results = simulator.done().public;
    draft.envelope()
}

fn get(channel: &Channel, key: &str) -> Bytes {
    simulate(channel, |simulator| drop(simulator.get("either", key).unwrap()))
}

fn scan(channel: &Channel) -> Bytes {
    simulate(channel, |simulator| {
        let id = simulator.range("either", "a", "x").unwrap();
        while !simulator.next_batch(id).unwrap().rows.is_empty() {}
    })
}

/// In Fabric an empty value deletes.
fn delete(channel: &Channel, key: &str) -> Bytes {
    channel.tx("either", &[0], put("either", key, ""))
}

fn write(channel: &Channel, key: &str) -> Bytes {
    channel.tx("either", &[0], put("either", key, "v"))
}

/// Sets `key`, lets `read` simulate, does `change` in the same block or in the one before, and looks at what is told.
fn check(read: fn(&Channel) -> Bytes, change: fn(&Channel) -> Bytes, code: Code, expected: &str) {
    for in_block in [true, false] {
        let channel = Channel::new();
        channel.codes(vec![write(&channel, "b"), write(&channel, "c")]);
        let read = read(&channel);
        let number = channel.ledger.height();
        let (blocks, place) = match in_block {
            true => (vec![vec![write(&channel, "y"), change(&channel), read]], 1),
            false => (vec![vec![change(&channel)], vec![read]], 0),
        };
        let of_blocks: Vec<_> = blocks.into_iter().map(|block| told(&channel, block)).collect();
        let last = of_blocks.last().unwrap().last().unwrap();
        let by = format!("by transaction {place} (counted from 0) of block {number}");
        assert_eq!(*last, (code, expected.replace("BY", &by)), "in one block: {in_block}");
        channel.replays_equal();
    }
}

#[test]
fn a_conflict_names_the_key_and_the_transaction_that_was_faster() {
    let mvcc = Code::MvccReadConflict;
    let key = "key \"b\" of namespace either";
    let read = |channel: &Channel| get(channel, "b");
    check(read, |it| write(it, "b"), mvcc, &format!("{key} was written BY"));
    check(read, |it| delete(it, "b"), mvcc, &format!("{key} was deleted BY"));
    let absent = |channel: &Channel| get(channel, "new");
    let key = "key \"new\" of namespace either";
    check(absent, |it| write(it, "new"), mvcc, &format!("{key} was written BY"));
}

#[test]
fn a_phantom_names_the_key_that_came_changed_or_went() {
    let phantom = Code::PhantomReadConflict;
    for (key, change) in [
        ("aa", (|it| write(it, "aa")) as fn(&Channel) -> Bytes),
        ("b", |it| write(it, "b")),
        ("d", |it| write(it, "d")),
    ] {
        check(scan, change, phantom, &format!("key \"{key}\" of namespace either was written BY"));
    }
    for (key, change) in
        [("b", (|it| delete(it, "b")) as fn(&Channel) -> Bytes), ("c", |it| delete(it, "c"))]
    {
        check(scan, change, phantom, &format!("key \"{key}\" of namespace either was deleted BY"));
    }
}

#[test]
fn a_long_range_whose_reads_are_hashed_names_its_newest_write() {
    let channel = Channel::new();
    let mut many = RwSetBuilder::new();
    (0..200).for_each(|n| many.add_write("either", &format!("k{n:03}"), "v".into()));
    channel.codes(vec![channel.tx("either", &[0], many)]);
    let read = scan(&channel);
    let told = told(&channel, vec![write(&channel, "k100"), read]);
    let block = channel.ledger.height() - 1;
    let expected = format!(
        "the range \"a\" to \"x\" of namespace either was written by transaction 0 (counted from 0) of block {block}"
    );
    assert_eq!(told[1], (Code::PhantomReadConflict, expected));
}

#[test]
fn a_private_key_is_told_by_its_hash_and_never_by_its_text() {
    let channel = Channel::new();
    let read = simulate(&channel, |simulator| {
        simulator.private_hash("either", "plain", "secret-name").unwrap();
    });
    let mut private = RwSetBuilder::new();
    private.add_private_write("either", "plain", "secret-name", "v".into());
    let told = told(&channel, vec![channel.tx("either", &[0], private), read]);
    assert_eq!(told[1].0, Code::MvccReadConflict);
    assert!(told[1].1.contains(" of collection plain of namespace either was written"), "{told:?}");
    assert!(!told[1].1.contains("secret"), "{told:?}");
}

#[test]
fn too_few_endorsements_name_the_policy_and_who_is_missing() {
    let channel = Channel::new();
    let mut guarded = put("either", "k", "v");
    guarded.add_metadata_write("either", "k", &key_policy(BOTH));
    let mut strict = RwSetBuilder::new();
    strict.add_private_write("either", "strict", "p", "v".into());
    let chaincode = channel.tx("both", &[0], put("both", "k", "v"));
    let (guard, strict) = (channel.tx("either", &[0], guarded), channel.tx("either", &[1], strict));
    let expected = |policy: &str, by: &str, lacks: &str| {
        let text = format!("{policy} is not met: endorsed by {by}, not by {lacks}");
        (Code::EndorsementPolicyFailure, text)
    };
    let both = "the endorsement policy of chaincode both";
    let collection = "the policy of collection strict of namespace either";
    assert_eq!(
        told(&channel, vec![chaincode, guard, strict]),
        [
            expected(both, "Org1MSP", "Org2MSP"),
            (Code::Valid, String::new()),
            expected(collection, "Org2MSP", "Org1MSP"),
        ]
    );
    let key = "the policy of key \"k\" of namespace either";
    let after = told(&channel, vec![channel.tx("either", &[1], put("either", "k", "w"))]);
    assert_eq!(after, [expected(key, "Org2MSP", "Org1MSP")]);
    let nobody = told(&channel, vec![channel.tx("both", &[], put("both", "k", "v"))]);
    assert_eq!(nobody, [expected(both, "nobody", "Org1MSP and Org2MSP")]);
}

#[test]
fn the_writer_of_a_conflict_is_told_by_its_place() {
    let channel = Channel::new();
    channel.codes(vec![write(&channel, "b")]);
    let read = get(&channel, "b");
    let committed = channel.commit(vec![write(&channel, "b"), read]);
    let cause = committed.transactions[1].cause.clone().unwrap();
    assert_eq!(cause.writer(), Some(Version { block: committed.number, tx: 0 }));
    assert!(committed.transactions[0].cause.is_none());
}
