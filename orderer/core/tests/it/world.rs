//! A cluster in memory: cores, disks, links, clients and time, all from one seed.
//!
//! The world checks while it runs: all nodes commit equal blocks, no promise made to another node is forgotten over a
//! crash, every envelope gets at most one answer. [`World::verify`] checks the rest when all is healed.

mod checks;
mod faults;
mod membership;
mod shell;
mod transfer;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_channel::raft::{Consenters, Membership};
use carecord_consensus::{
    BatchSize, ChannelCore, ChannelParams, Class, Config, ConfigChange, Event, Millis, NodeId,
    RaftOptions, Record, RequestId, TransferError, TransferToken,
};
use carecord_proto::block;
use carecord_proto::carecord::orderer::RaftMessage;
use carecord_proto::common::{Block, ChannelHeader, Envelope, Header, HeaderType, Payload, Status};
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::disk::Disk;

pub(crate) const TICK_MS: u64 = 100;

/// What a world is like.
#[derive(Clone)]
pub(crate) struct Setting {
    pub nodes: u64,
    pub seed: u64,
    /// Chance in 1,000 that a message is lost.
    pub loss: u32,
    /// Messages take up to so many milliseconds.
    pub delay_ms: u64,
    /// Writes take up to so many milliseconds to be durable.
    pub write_ms: u64,
    /// Which writes are reported durable long before they are.
    pub lie: Lie,
    pub max_append_lag: u64,
    pub window_bytes: usize,
}

impl Setting {
    pub(crate) fn calm(nodes: u64, seed: u64) -> Self {
        Self {
            nodes,
            seed,
            loss: 0,
            delay_ms: 3,
            write_ms: 2,
            lie: Lie::Never,
            max_append_lag: 1_000,
            window_bytes: 1 << 20,
        }
    }
}

/// A planted bug of the shell: an fsync left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Never,
    Always,
    Votes,
    Entries,
}

impl Lie {
    fn covers(self, records: &[Record]) -> bool {
        let entries = records.iter().any(|record| matches!(record, Record::Entry(_)));
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Votes => !entries,
            Self::Entries => entries,
        }
    }
}

/// One consenter with its shell.
pub(crate) struct Peer {
    pub core: Option<ChannelCore>,
    pub disk: Disk,
    /// Rises at each start; what was under way for an earlier one is lost.
    pub life: u64,
    /// Blocks that the shell would deliver.
    pub height: u64,
    pub config_seq: u64,
    pub votes: bool,
    /// It was a consenter and is none any more; it does not come back under this id.
    pub retired: bool,
    /// Its disk was wiped or replaced by an older state.
    pub lost_data: bool,
    requests: BTreeMap<RequestId, Asker>,
    promises: checks::Promises,
}

/// Whom to tell about an envelope.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Client { envelope: u64 },
    Node { id: NodeId, life: u64, request: RequestId },
}

#[derive(Debug)]
enum What {
    Tick,
    Event(Event),
    Durable { count: usize, then: Option<Event> },
    Message { from: NodeId, message: RaftMessage },
    Forwarded { from: NodeId, life: u64, request: RequestId, envelope: Bytes },
    Fetch { from: NodeId, start: u64, end: u64 },
    Restart,
}

struct Due {
    node: NodeId,
    /// Void if the node has died since; `None` for what reaches any life.
    life: Option<u64>,
    what: What,
}

pub(crate) struct World {
    pub setting: Setting,
    pub now: u64,
    pub peers: BTreeMap<NodeId, Peer>,
    pub rng: ChaCha8Rng,
    pub genesis: Block,
    /// The chain that the first node to commit each block committed.
    pub agreed: Vec<Bytes>,
    /// Directed links that are cut.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Who leads each term.
    leaders: BTreeMap<u64, NodeId>,
    answers: BTreeMap<u64, Option<Status>>,
    /// Configurations by name, as the orderer wraps them.
    configs: BTreeMap<u64, (Bytes, Class)>,
    /// What became of each transfer of leadership, as soon as it is told.
    transfers: BTreeMap<TransferToken, Option<Result<(), TransferError>>>,
    /// Envelopes whose node died before it answered.
    orphans: BTreeSet<u64>,
    pub violations: Vec<String>,
    /// Every message sent, if somebody wants them.
    traffic: Option<Vec<RaftMessage>>,
    pub stats: Stats,
    pub trace: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    due: BTreeMap<u64, Due>,
    sequence: u64,
    next_request: u64,
    next_envelope: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub events: u64,
    pub messages: u64,
    pub crashes: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub caught_up: u64,
    pub elections: u64,
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let genesis = block::new(0, Bytes::new(), vec![Bytes::from_static(b"genesis")]);
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(setting.seed),
            now: 0,
            peers: BTreeMap::new(),
            agreed: vec![genesis.encode_to_vec().into()],
            genesis,
            cut: BTreeSet::new(),
            leaders: BTreeMap::new(),
            answers: BTreeMap::new(),
            configs: BTreeMap::new(),
            transfers: BTreeMap::new(),
            orphans: BTreeSet::new(),
            violations: Vec::new(),
            traffic: None,
            stats: Stats::default(),
            trace: 0xcbf2_9ce4_8422_2325,
            queue: BinaryHeap::new(),
            due: BTreeMap::new(),
            sequence: 0,
            next_request: 0,
            next_envelope: 0,
            setting,
        };
        for id in 1..=world.setting.nodes {
            world.peers.insert(id, Peer::new());
            world.start(id);
        }
        world
    }

    /// Starts a node from its disk.
    pub(crate) fn start(&mut self, id: NodeId) {
        let consenters = self.setting.nodes as usize;
        if self.peers[&id].retired {
            return;
        }
        let seed = self.rng.random();
        let peer = self.peers.get_mut(&id).unwrap();
        let restored = match peer.disk.replay(&self.genesis, consenters) {
            Ok(restored) => restored,
            Err(error) => return self.violation(format!("node {id} cannot restart: {error}")),
        };
        let mut config = Config::new(id, seed);
        config.max_append_lag = self.setting.max_append_lag;
        config.window_bytes = self.setting.window_bytes;
        config.votes = peer.votes;
        peer.height = restored.height();
        peer.config_seq = 0;
        let height = peer.height;
        let config_seq = self.config_blocks_below(id, height);
        let params = params(consenters, config_seq);
        let peer = self.peers.get_mut(&id).unwrap();
        peer.config_seq = config_seq;
        let core = ChannelCore::new(config, params, restored, Box::new(peer.disk.clone()));
        match core {
            Ok(core) => peer.core = Some(core),
            Err(error) => return self.violation(format!("node {id} cannot restart: {error}")),
        }
        self.check_promises(id);
        let life = self.peers[&id].life;
        let offset = self.rng.random_range(1..=TICK_MS);
        self.schedule(id, Some(life), offset, What::Tick);
    }

    /// A client sends an envelope to a node; gives its name.
    pub(crate) fn submit(&mut self, to: NodeId) -> u64 {
        self.next_envelope += 1;
        let name = self.next_envelope;
        self.submit_bytes(to, name, envelope(name), Class::Normal);
        name
    }

    /// An administrator's configuration, as the orderer wraps it.
    pub(crate) fn submit_config(&mut self, to: NodeId) -> u64 {
        self.next_envelope += 1;
        let name = self.next_envelope;
        let ids: Vec<_> = self.consenters().into_iter().map(Some).collect();
        self.send_config(to, name, Consenters { change: Membership::Same, ids })
    }

    fn send_config(&mut self, to: NodeId, name: u64, consenters: Consenters) -> u64 {
        let bytes = config_envelope(name);
        let current = self.consenters().len();
        let class = config_class(bytes.clone(), consenters, current);
        self.configs.insert(name, (bytes.clone(), class.clone()));
        self.submit_bytes(to, name, bytes, class);
        name
    }

    /// Gives a node's core an event from outside.
    pub(crate) fn tell(&mut self, node: NodeId, event: Event) {
        self.feed(node, event);
    }

    pub(crate) fn answer(&self, envelope: u64) -> Option<Status> {
        self.answers.get(&envelope).copied().flatten()
    }

    /// The leader of the highest term among the living, if any.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let living = self.peers.iter().filter_map(|(id, p)| p.core.as_ref().map(|c| (c, *id)));
        living.filter(|(core, _)| core.is_leader()).max_by_key(|(c, _)| c.term()).map(|(_, id)| id)
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(Reverse((at, sequence))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            let due = self.due.remove(&sequence).unwrap();
            self.happen(due);
        }
        self.now = end;
    }

    /// Lets time pass until something holds, at most so long; tells whether it does.
    pub(crate) fn run_until(&mut self, ms: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + ms;
        while !holds(self) && self.now < end {
            self.run(1);
        }
        holds(self)
    }

    fn schedule(&mut self, node: NodeId, life: Option<u64>, after_ms: u64, what: What) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + after_ms, self.sequence)));
        self.due.insert(self.sequence, Due { node, life, what });
    }

    fn happen(&mut self, due: Due) {
        let Due { node, life, what } = due;
        let peer = &self.peers[&node];
        if let What::Restart = what {
            if peer.core.is_none() && life == Some(peer.life) {
                self.start(node);
            }
            return;
        }
        if peer.core.is_none() || life.is_some_and(|life| life != peer.life) {
            return;
        }
        if let What::Message { from, .. } | What::Forwarded { from, .. } = &what
            && self.is_stranger(node, *from)
        {
            return;
        }
        match what {
            What::Tick => {
                let life = peer.life;
                self.schedule(node, Some(life), TICK_MS, What::Tick);
                self.feed(node, Event::Tick);
            }
            What::Event(event) => self.feed(node, event),
            What::Durable { count, then } => {
                peer.disk.make_durable(count);
                if let Some(event) = then {
                    self.feed(node, event);
                }
            }
            What::Message { from, message } => {
                self.stats.messages += 1;
                self.feed(node, Event::Inbound { from, message });
            }
            What::Forwarded { from, life, request, envelope } => {
                let asker = Asker::Node { id: from, life, request };
                let config = self.configs.values().find(|(bytes, _)| *bytes == envelope);
                let class = config.map_or(Class::Normal, |(_, class)| class.clone());
                self.submit_as(node, asker, envelope, class, true);
            }
            What::Fetch { from, start, end } => self.serve_blocks(node, from, start, end),
            What::Restart => {}
        }
    }

    fn feed(&mut self, node: NodeId, event: Event) {
        self.stats.events += 1;
        let now = Millis(self.now);
        let Some(core) = self.peers.get_mut(&node).and_then(|peer| peer.core.as_mut()) else {
            return;
        };
        let effects = core.handle(now, event);
        self.mix(self.now ^ node << 48 ^ (effects.len() as u64) << 40);
        for effect in effects {
            self.carry_out(node, effect);
        }
    }

    pub(crate) fn record_traffic(&mut self) {
        self.traffic = Some(Vec::new());
    }

    pub(crate) fn take_traffic(&mut self) -> Vec<RaftMessage> {
        self.traffic.take().unwrap_or_default()
    }

    pub(crate) fn mix(&mut self, value: u64) {
        for byte in value.to_le_bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn violation(&mut self, text: String) {
        if self.violations.len() < 20 {
            self.violations.push(format!("at {} ms: {text}", self.now));
        }
    }
}

impl Peer {
    fn new() -> Self {
        Self {
            core: None,
            disk: Disk::default(),
            life: 0,
            height: 1,
            config_seq: 0,
            votes: true,
            retired: false,
            lost_data: false,
            requests: BTreeMap::new(),
            promises: checks::Promises::default(),
        }
    }
}

pub(crate) fn params(consenters: usize, config_seq: u64) -> ChannelParams {
    ChannelParams {
        config_seq,
        batch: BatchSize {
            max_message_count: 10,
            absolute_max_bytes: 1 << 20,
            preferred_max_bytes: 2_000,
        },
        batch_timeout: Duration::from_millis(200),
        raft: RaftOptions {
            tick_interval: Duration::from_millis(TICK_MS),
            election_tick: 10,
            heartbeat_tick: 1,
            max_inflight_blocks: 5,
        },
        consenters,
    }
}

/// The canonical bytes of an envelope that is nothing but its name.
pub(crate) fn envelope(name: u64) -> Bytes {
    let payload = Bytes::from(format!("envelope {name} {}", "x".repeat((name % 97) as usize)));
    Envelope { payload, signature: Bytes::from_static(b"signature") }.encode_to_vec().into()
}

fn config_class(update: Bytes, consenters: Consenters, current: usize) -> Class {
    let channel_id = "simulated".to_owned();
    Class::Config(Arc::new(ConfigChange { channel_id, update, consenters, current }))
}

pub(crate) fn config_envelope(name: u64) -> Bytes {
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config as i32,
        channel_id: format!("configuration{name}"),
        ..ChannelHeader::default()
    };
    let header =
        Header { channel_header: channel_header.encode_to_vec().into(), ..Header::default() };
    let payload = Payload { header: Some(header), data: Bytes::from_static(b"c") };
    let payload = Bytes::from(payload.encode_to_vec());
    Envelope { payload, signature: Bytes::from_static(b"signature") }.encode_to_vec().into()
}
