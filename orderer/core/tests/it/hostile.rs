//! A consenter that lies: messages changed at random, and each row R3 to R6 of the threats by hand.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use carecord_consensus::{
    ChannelCore, Config, Dropped, Effect, EntryBody, Event, HardState, LogEntry, Millis, NodeId,
    Record, RequestId,
};
use carecord_proto::block;
use carecord_proto::carecord::orderer::{RaftEntry, RaftMessage, RaftSnapshot};
use carecord_proto::common::{Block, MetadataSignature};
use carecord_proto::etcdraft::BlockMetadata;
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::disk::Disk;
use crate::world::{Setting, World, config_envelope, envelope, params};

const MUTATIONS: u64 = 400_000;

const APPEND: i32 = 3;
const APPEND_RESPONSE: i32 = 4;
const SNAPSHOT: i32 = 7;
const HEARTBEAT: i32 = 8;

/// A node on its own, to be told whatever one likes.
struct Victim {
    core: ChannelCore,
    disk: Disk,
    genesis: Block,
    now: u64,
    halts: Vec<String>,
    sent: Vec<RaftMessage>,
}

impl Victim {
    /// Node 1 of 3, with a log of three blocks of which two are committed.
    fn follower(seed: u64) -> Self {
        let genesis = block::new(0, Bytes::new(), vec![Bytes::from_static(b"genesis")]);
        let disk = Disk::default();
        let mut records = vec![entry(1, 1, EntryBody::Empty)];
        let mut previous = genesis.clone();
        for number in 1..=3 {
            let next = next_block(&previous, number, number + 1);
            records.push(entry(number + 1, 1, EntryBody::Block(next.encode_to_vec().into())));
            previous = next;
        }
        records.push(Record::HardState(HardState { term: 2, vote: 0, commit: 3 }));
        let count = disk.append(records);
        disk.make_durable(count);
        Self::start(disk, genesis, seed)
    }

    fn start(disk: Disk, genesis: Block, seed: u64) -> Self {
        let restored = disk.replay(&genesis, 3).unwrap();
        let mut config = Config::new(1, seed);
        config.max_append_lag = 10;
        let core =
            ChannelCore::new(config, params(3, 0), restored, Box::new(disk.clone())).unwrap();
        Self { core, disk, genesis, now: 0, halts: Vec::new(), sent: Vec::new() }
    }

    /// Tells the core something and does what it wants, all writes and signatures at once if `prompt`.
    fn tell(&mut self, event: Event, prompt: bool) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.now += 1;
            for effect in self.core.handle(Millis(self.now), event) {
                match effect {
                    Effect::Persist { token, records, .. } => {
                        let count = self.disk.append(records);
                        self.disk.make_durable(count);
                        if prompt {
                            events.push(Event::Persisted { token });
                        }
                    }
                    Effect::Sign { token, .. } if prompt => {
                        let signature = MetadataSignature::default();
                        events.push(Event::Signed { token, signature });
                    }
                    Effect::Halt { reason } => self.halts.push(reason),
                    Effect::Send { message, .. } => self.sent.push(message),
                    _ => {}
                }
            }
        }
    }

    /// A node that the others have elected.
    fn leader(seed: u64) -> Self {
        const PRE_VOTE: i32 = 17;
        const VOTE: i32 = 5;
        let mut victim = Self::follower(seed);
        while !victim.core.is_leader() {
            victim.tell(Event::Tick, true);
            for asked in std::mem::take(&mut victim.sent) {
                if [PRE_VOTE, VOTE].contains(&asked.r#type) {
                    let granted = RaftMessage {
                        r#type: asked.r#type + 1,
                        from: asked.to,
                        to: 1,
                        term: asked.term,
                        ..RaftMessage::default()
                    };
                    victim.hear(granted);
                }
            }
        }
        victim
    }

    fn hear(&mut self, message: RaftMessage) {
        self.tell(Event::Inbound { from: message.from, message }, true);
    }

    fn dropped(&self, reason: Dropped) -> u64 {
        self.core.counts().dropped.get(&reason).copied().unwrap_or_default()
    }
}

fn entry(index: u64, term: u64, body: EntryBody) -> Record {
    Record::Entry(LogEntry { index, term, body })
}

fn next_block(previous: &Block, number: u64, raft_index: u64) -> Block {
    let hash = block::header_hash(previous.header.as_ref().unwrap());
    let mut next = block::new(number, Bytes::copy_from_slice(&hash), vec![envelope(number)]);
    let consenters =
        BlockMetadata { consenter_ids: vec![1, 2, 3], next_consenter_id: 4, raft_index };
    let value = block::orderer_metadata_value(0, &consenters);
    block::set_signature(&mut next, value, Bytes::new(), Bytes::new(), 0);
    next
}

fn from_leader(kind: i32) -> RaftMessage {
    RaftMessage { r#type: kind, from: 2, to: 1, term: 2, ..RaftMessage::default() }
}

/// Real traffic of a cluster under faults, as material.
fn traffic() -> Vec<RaftMessage> {
    let mut world = World::new(Setting { max_append_lag: 10, ..Setting::calm(3, 99) });
    world.record_traffic();
    for round in 0..60 {
        let to = 1 + round % 3;
        world.submit(to);
        world.run(150);
        if round % 6 == 5 {
            world.mishap();
        }
    }
    world.heal();
    world.run(5_000);
    world.take_traffic()
}

fn odd(rng: &mut ChaCha8Rng, value: u64) -> u64 {
    match rng.random_range(0..8) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::MAX - 1,
        4 => value.wrapping_add(rng.random_range(1..5)),
        5 => value.wrapping_sub(rng.random_range(1..5)),
        6 => rng.random_range(0..40),
        _ => rng.random(),
    }
}

fn mutate(rng: &mut ChaCha8Rng, m: &mut RaftMessage) {
    match rng.random_range(0..16) {
        0 => m.r#type = rng.random_range(-1..20),
        1 => m.term = odd(rng, m.term),
        2 => m.log_term = odd(rng, m.log_term),
        3 => m.index = odd(rng, m.index),
        4 => m.commit = odd(rng, m.commit),
        5 => m.commit_term = odd(rng, m.commit_term),
        6 => m.reject = !m.reject,
        7 => m.reject_hint = odd(rng, m.reject_hint),
        8 => m.request_snapshot = odd(rng, m.request_snapshot),
        9 => m.context = Bytes::from_static(b"CampaignTransfer"),
        10 => m.from = odd(rng, m.from),
        11 if !m.entries.is_empty() => mutate_entries(rng, &mut m.entries),
        12 => m.entries.push(RaftEntry {
            index: m.index.wrapping_add(1),
            term: m.term,
            ..Default::default()
        }),
        13 => mutate_snapshot(rng, &mut m.snapshot),
        14 => m.priority = rng.random(),
        _ => m.index = rng.random_range(0..30),
    }
}

/// The same message as if sent to the victim, whose log is short: most of these take effect.
fn bring_near(rng: &mut ChaCha8Rng, m: &mut RaftMessage, victim: &ChannelCore) {
    m.term = victim.term();
    m.index = rng.random_range(0..8);
    m.log_term = if m.index == 0 { 0 } else { rng.random_range(1..=m.term) };
    m.commit = rng.random_range(0..8);
    m.reject_hint = rng.random_range(0..=m.index);
    let real = rng.random_bool(0.2);
    for (entry, index) in m.entries.iter_mut().zip(m.index + 1..) {
        entry.index = index;
        entry.term = m.term;
        if !real {
            entry.data = Bytes::new();
        }
    }
}

fn mutate_entries(rng: &mut ChaCha8Rng, entries: &mut Vec<RaftEntry>) {
    let at = rng.random_range(0..entries.len());
    match rng.random_range(0..6) {
        0 => entries[at].index = odd(rng, entries[at].index),
        1 => entries[at].term = odd(rng, entries[at].term),
        2 => entries[at].r#type = rng.random_range(-1..4),
        3 => entries[at].data = Bytes::from_static(b"\x0a\x02\x08\x01"),
        4 => {
            entries.remove(at);
        }
        _ => entries.reverse(),
    }
}

fn mutate_snapshot(rng: &mut ChaCha8Rng, snapshot: &mut Option<RaftSnapshot>) {
    let Some(s) = snapshot else {
        *snapshot = Some(RaftSnapshot {
            index: rng.random_range(0..40),
            term: rng.random_range(0..5),
            voters: (1..=rng.random_range(0..5)).collect(),
            block_number: rng.random_range(0..30),
            block_hash: Bytes::from(vec![7; rng.random_range(31..34)]),
            ..RaftSnapshot::default()
        });
        return;
    };
    match rng.random_range(0..7) {
        0 => s.index = odd(rng, s.index),
        1 => s.term = odd(rng, s.term),
        2 => s.voters.clear(),
        3 => s.voters.push(1),
        4 => s.learners.push(odd(rng, 2)),
        5 => s.block_number = odd(rng, s.block_number),
        _ => *snapshot = None,
    }
}

#[test]
fn no_message_whatever_makes_raft_panic() {
    let begin = Instant::now();
    let material = traffic();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut victim = Victim::follower(1);
    let (mut dropped, mut halts, mut led) = (BTreeMap::<Dropped, u64>::new(), 0, 0);
    for round in 0..MUTATIONS {
        let mut message = material[rng.random_range(0..material.len())].clone();
        message.to = 1;
        message.from = rng.random_range(2..4);
        if rng.random() {
            bring_near(&mut rng, &mut message, &victim.core);
        }
        for _ in 0..rng.random_range(0..3) {
            mutate(&mut rng, &mut message);
        }
        // Mostly near the victim's own term, where a message has an effect.
        if rng.random_bool(0.8) {
            message.term = victim.core.term() + u64::from(rng.random_bool(0.1));
        }
        let from = if rng.random_bool(0.98) { message.from } else { rng.random_range(0..5) };
        led += u64::from(victim.core.is_leader());
        let prompt = rng.random_bool(0.8);
        victim.tell(Event::Inbound { from, message }, prompt);
        match rng.random_range(0..12) {
            0..=3 => victim.tell(Event::Tick, prompt),
            4 => victim.tell(crate::ordering::submission(RequestId(round)), prompt),
            _ => {}
        }
        let halted = victim.halts.iter().any(|reason| {
            assert!(!reason.contains("raft stopped"), "round {round}: {reason}");
            true
        });
        if halted || round % 100 == 99 {
            halts += u64::from(halted);
            for (reason, count) in &victim.core.counts().dropped {
                *dropped.entry(*reason).or_default() += count;
            }
            victim = if rng.random() { Victim::follower(round) } else { Victim::leader(round) };
        }
    }
    println!(
        "{MUTATIONS} mutated messages of {} recorded ones in {:.1} s, {led} of them to a leader: no \
         panic, {halts} halts over entries that are no blocks, {} dropped: {dropped:?}",
        material.len(),
        begin.elapsed().as_secs_f64(),
        dropped.values().sum::<u64>(),
    );
}

#[test]
fn a_heartbeat_beyond_the_log_is_dropped_counted_and_answered_with_where_the_log_ends() {
    let mut victim = Victim::follower(1);
    victim.hear(RaftMessage { commit: 9, ..from_leader(HEARTBEAT) });
    assert_eq!(victim.dropped(Dropped::CommitBeyondLog), 1);
    let answer = victim.sent.iter().find(|m| m.r#type == APPEND_RESPONSE).unwrap();
    assert_eq!((answer.to, answer.reject, answer.index, answer.reject_hint), (2, true, 9, 4));
    assert_eq!(victim.core.leader(), Some(2));
    assert_eq!(victim.core.height(), 3);
}

#[test]
fn messages_that_a_node_sends_only_to_itself_are_dropped() {
    let mut victim = Victim::follower(1);
    for kind in [0, 1, 2, 10, 11, 12, 13, 15, 16] {
        victim.hear(from_leader(kind));
    }
    assert_eq!(victim.dropped(Dropped::LocalType), 9);
    victim.hear(from_leader(99));
    assert_eq!(victim.dropped(Dropped::UnknownType), 1);
}

#[test]
fn impossible_numbers_gaps_and_snapshots_without_a_point_are_dropped() {
    let mut victim = Victim::follower(1);
    let e = |index, term| RaftEntry { index, term, ..RaftEntry::default() };
    let cases = [
        (RaftMessage { term: u64::MAX, ..from_leader(HEARTBEAT) }, Dropped::Term),
        (RaftMessage { term: 0, ..from_leader(HEARTBEAT) }, Dropped::Term),
        (RaftMessage { log_term: 3, index: 1, ..from_leader(APPEND) }, Dropped::LogTerm),
        (RaftMessage { log_term: 0, index: 9, ..from_leader(APPEND) }, Dropped::LogTerm),
        (RaftMessage { index: u64::MAX, log_term: 1, ..from_leader(APPEND) }, Dropped::Index),
        (
            RaftMessage { index: 4, log_term: 1, entries: vec![e(6, 2)], ..from_leader(APPEND) },
            Dropped::Entries,
        ),
        (
            RaftMessage {
                index: 4,
                log_term: 1,
                entries: vec![e(5, 2), e(6, 1)],
                ..from_leader(APPEND)
            },
            Dropped::Entries,
        ),
        (from_leader(SNAPSHOT), Dropped::Snapshot),
        (
            RaftMessage { snapshot: Some(RaftSnapshot::default()), ..from_leader(SNAPSHOT) },
            Dropped::Snapshot,
        ),
        (RaftMessage { from: 3, ..from_leader(HEARTBEAT) }, Dropped::WrongAddress),
        (RaftMessage { to: 3, ..from_leader(HEARTBEAT) }, Dropped::WrongAddress),
    ];
    for (message, reason) in cases {
        let before = victim.dropped(reason);
        victim.tell(Event::Inbound { from: 2, message: message.clone() }, true);
        assert_eq!(victim.dropped(reason), before + 1, "{message:?}");
    }
    assert_eq!((victim.core.height(), victim.halts.len()), (3, 0));
}

#[test]
fn an_append_that_contradicts_what_is_committed_changes_nothing() {
    let mut victim = Victim::follower(1);
    let entries = vec![RaftEntry { index: 2, term: 2, ..RaftEntry::default() }];
    victim.hear(RaftMessage { index: 1, log_term: 1, entries, ..from_leader(APPEND) });
    assert_eq!((victim.core.height(), victim.core.raft_indexes().0), (3, 3));
    assert_eq!(victim.halts, Vec::<String>::new());
}

/// Appends one entry after the victim's log and commits it.
fn commit_entry(data: Bytes) -> Victim {
    let mut victim = Victim::follower(1);
    let entries = vec![RaftEntry { index: 5, term: 2, data, ..RaftEntry::default() }];
    let append = from_leader(APPEND);
    victim.hear(RaftMessage { index: 4, log_term: 1, entries, commit: 5, ..append });
    victim
}

#[test]
fn an_entry_that_is_not_the_next_block_halts_the_channel_with_the_reason() {
    let good = Victim::follower(1);
    let last = Block::decode(good.disk.block(3).unwrap()).unwrap();
    let next = |number, index| Bytes::from(next_block(&last, number, index).encode_to_vec());
    let mut foreign = next_block(&good.genesis, 4, 5);
    foreign.header.as_mut().unwrap().number = 4;
    let mut swapped = next_block(&last, 4, 5);
    swapped.data.as_mut().unwrap().data = vec![envelope(9)];

    assert_eq!(commit_entry(next(4, 5)).core.height(), 5);
    for (data, reason) in [
        (Bytes::from_static(b"\xff\xff"), "does not hold a block"),
        (next(5, 5), "block number 5 does not follow 3"),
        (foreign.encode_to_vec().into(), "does not name the hash of the block before it"),
        (swapped.encode_to_vec().into(), "does not hash to the data hash"),
        (next(4, 7), "names raft index 7, but its entry is at 5"),
    ] {
        let victim = commit_entry(data);
        assert_eq!(victim.halts.len(), 1, "{reason}");
        assert!(victim.halts[0].contains(reason), "{:?} lacks {reason}", victim.halts);
        assert_eq!(victim.core.halted(), Some(victim.halts[0].as_str()));
    }
}

/// The victim's next block with these consenters, as a configuration block if `data` is one.
fn with_consenters(ids: &[u64], next_id: u64, config: bool) -> Bytes {
    let good = Victim::follower(1);
    let last = Block::decode(good.disk.block(3).unwrap()).unwrap();
    let mut next = next_block(&last, 4, 5);
    if config {
        next.data.as_mut().unwrap().data = vec![config_envelope(4)];
        next.header.as_mut().unwrap().data_hash =
            block::data_hash(next.data.as_ref().unwrap()).to_vec().into();
    }
    let consenters =
        BlockMetadata { consenter_ids: ids.to_vec(), next_consenter_id: next_id, raft_index: 5 };
    let value = block::orderer_metadata_value(4 * u64::from(config), &consenters);
    block::set_signature(&mut next, value, Bytes::new(), Bytes::new(), 4 * u64::from(config));
    next.encode_to_vec().into()
}

#[test]
fn r7_a_block_that_changes_more_than_one_consenter_halts_the_channel() {
    for (ids, next_id, config) in
        [(&[1, 2, 3, 4][..], 5, true), (&[1, 2][..], 4, true), (&[2, 1, 3][..], 4, true)]
    {
        let victim = commit_entry(with_consenters(ids, next_id, config));
        assert_eq!(victim.halts, Vec::<String>::new(), "{ids:?}");
        assert_eq!(victim.core.consenter_ids(), ids);
    }
    let many = "update of more than one consenter at a time is not supported";
    for (ids, next_id, config, reason) in [
        (&[1, 2, 3, 4, 5][..], 6, true, many),
        (&[1, 2, 4][..], 5, true, many),
        (&[1][..], 4, true, many),
        (&[1, 2, 3, 7][..], 8, true, "consenter ids do not go on from 4"),
        (&[1, 2, 3][..], 3, true, "consenter ids do not go on from 4"),
        (&[1, 2][..], 4, false, "consenters change without a configuration"),
    ] {
        let victim = commit_entry(with_consenters(ids, next_id, config));
        assert!(
            victim.halts.iter().any(|halt| halt.contains(reason)),
            "{ids:?}: {:?}",
            victim.halts
        );
    }
}

#[test]
fn a_node_that_lost_its_data_neither_votes_nor_stands() {
    const REQUEST_VOTE: i32 = 5;
    const REQUEST_PRE_VOTE: i32 = 17;
    let mut victim = Victim::follower(1);
    let restored = victim.disk.replay(&victim.genesis, 3).unwrap();
    let config = Config { votes: false, ..Config::new(1, 1) };
    let reader = Box::new(victim.disk.clone());
    victim.core = ChannelCore::new(config, params(3, 0), restored, reader).unwrap();
    for kind in [REQUEST_VOTE, REQUEST_PRE_VOTE] {
        victim.hear(RaftMessage { term: 9, index: 50, log_term: 8, ..from_leader(kind) });
    }
    for _ in 0..100 {
        victim.tell(Event::Tick, true);
    }
    assert_eq!(victim.dropped(Dropped::NotVoting), 2);
    assert_eq!(victim.sent, Vec::new());
    let nobody: Option<NodeId> = None;
    assert_eq!(victim.core.leader(), nobody);
}
