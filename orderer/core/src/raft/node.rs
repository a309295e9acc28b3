//! One consenter's Raft state machine: messages and ticks in, [`Work`] out.
//!
//! Place in the flow: the core calls [`Node::take_work`] after everything that may have changed something, until there
//! is none left. This file holds the state and what moves it; [`work`] is what it wants done, [`progress`] is about followers
//! that lost something, [`transfer`] about handing over, [`pace`] about how fast its time goes. Election timeouts come from a seeded generator, drawn anew at each change of term or role, so that
//! equal inputs give equal traces.

mod pace;
mod progress;
mod transfer;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use carecord_proto::carecord::orderer::RaftMessage;
use raft::eraftpb::{self, Entry, EntryType, Message, MessageType};
use raft::{GetEntriesContext, RawNode, StateRole};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::convert;
use super::inbox::{Facts, Role};
use super::members::{ConfChange, Members, Step};
use super::view::View;
use crate::config::{Config, RaftOptions};
use crate::event::NodeId;
use crate::limits;
use crate::reader::LogReader;
use crate::record::{EntryBody, HardState};
use crate::restored::Restored;
use pace::Pace;

pub(crate) use work::Work;

/// Raft stopped, by its own assertion or by an error; the channel cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("raft stopped: {0}")]
pub(crate) struct Fault(String);

/// A Raft node.
pub(crate) struct Node {
    raw: RawNode<View>,
    rng: ChaCha8Rng,
    votes: bool,
    /// Term and role for which the election timeout was drawn, and the timeout.
    drawn: (u64, StateRole, usize),
    /// What the last persisted hard state says.
    written: HardState,
    /// The snapshot under way to disk: its work's number and its index.
    installing: Option<(u64, u64)>,
    snapshot_patience: u32,
    pace: Pace,
    /// Ticks since a snapshot went to this node without a sign of its arrival.
    snapshots: Vec<(NodeId, u32)>,
}

impl Node {
    pub(crate) fn new(
        config: &Config,
        options: &RaftOptions,
        restored: &Restored,
        reader: Box<dyn LogReader>,
    ) -> Result<Self, Fault> {
        let written = restored.hard_state;
        let mut hard_state = eraftpb::HardState::default();
        hard_state.term = written.term;
        hard_state.vote = written.vote;
        hard_state.commit = written.commit;
        let mut view = View::new(
            hard_state,
            restored.members.clone(),
            restored.spans.clone(),
            &restored.tail,
            reader,
        );
        view.limit(config.window_bytes, config.max_append_lag);
        view.applied(written.commit, restored.tip.number, restored.tip.hash);
        let settings = settings(config, options, written.commit);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = guarded(|| RawNode::new(&settings, view, &logger))?
            .map_err(|error| Fault(error.to_string()))?;
        let mut node = Self {
            raw,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            votes: config.votes,
            drawn: (u64::MAX, StateRole::Follower, 0),
            written,
            installing: None,
            snapshot_patience: limits::SNAPSHOT_ELECTIONS.saturating_mul(options.election_tick),
            pace: Pace::new(options.election_tick),
            snapshots: Vec::new(),
        };
        node.draw_timeout();
        Ok(node)
    }

    // === what the core looks at ===

    pub(crate) fn role(&self) -> Role {
        match self.raw.raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        }
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        Some(self.raw.raft.leader_id).filter(|id| *id != raft::INVALID_ID)
    }

    pub(crate) fn term(&self) -> u64 {
        self.raw.raft.term
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.raw.raft.raft_log.last_index()
    }

    pub(crate) fn committed(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    pub(crate) fn applied(&self) -> u64 {
        self.raw.raft.raft_log.applied
    }

    /// The term of the entry at this index, if it is in the log.
    pub(crate) fn entry_term(&self, index: u64) -> Option<u64> {
        self.raw.raft.raft_log.term(index).ok().filter(|term| *term > 0)
    }

    /// True if the log has this point, from where a leader appends.
    pub(crate) fn has_point(&self, index: u64, term: u64) -> bool {
        index == 0 || self.entry_term(index) == Some(term)
    }

    /// The newest block among the entries not yet applied, up to `index`.
    pub(crate) fn newest_block(&self, index: u64) -> Option<Bytes> {
        let log = &self.raw.raft.raft_log;
        let end = index.min(log.last_index());
        let entry = |at: u64| log.slice(at, at + 1, None, GetEntriesContext::empty(false)).ok();
        (log.applied + 1..=end).rev().filter_map(entry).flatten().find_map(|entry| {
            match convert::log_entry(&entry).body {
                EntryBody::Block(bytes) => Some(bytes),
                _ => None,
            }
        })
    }

    pub(crate) fn members(&self) -> &Members {
        self.raw.store().members()
    }

    /// What messages are held against; `settled` is what the core knows of outstanding writes.
    pub(crate) fn facts(&self, settled: bool) -> Facts {
        Facts {
            id: self.raw.raft.id,
            role: self.role(),
            term: self.term(),
            last_index: self.last_index(),
            votes: self.votes,
            settled,
        }
    }

    // === what moves it ===

    /// One tick went by. Nobody stands for election while a snapshot is on its way to disk, and a lone voter not over
    /// entries that are not durable yet; who is no consenter any more (`stands` is false) never does.
    pub(crate) fn tick(&mut self, settled: bool, stands: bool) -> Result<(), Fault> {
        let lone = self.members().voters.len() == 1;
        if self.is_leader() {
            self.retry_snapshots();
        } else if !self.votes || !stands || self.installing.is_some() || lone && !settled {
            return Ok(());
        }
        let ticks = self.pace.ticks();
        self.run(|raw| {
            for _ in 0..ticks {
                raw.tick();
            }
        })
    }

    /// Later election timeouts last so many ticks.
    pub(crate) fn set_pace(&mut self, options: &RaftOptions) {
        self.pace.wanted = options.election_tick.max(1);
        self.snapshot_patience = limits::SNAPSHOT_ELECTIONS.saturating_mul(options.election_tick);
    }

    /// Takes a message that passed the inbox.
    pub(crate) fn step(&mut self, message: RaftMessage) -> Result<(), Fault> {
        let from = message.from;
        let Some(message) = convert::message_in(message) else { return Ok(()) };
        self.run(|raw| {
            // An error says that the message is of no use now, which does no harm.
            let _ = raw.step(message);
            progress::keep_sane(raw, from);
        })
    }

    /// Proposes a finished block as the next entry; false if Raft does not take it.
    pub(crate) fn propose(&mut self, block: Bytes) -> Result<bool, Fault> {
        let mut entry = Entry::default();
        entry.data = block;
        self.propose_entry(entry)
    }

    /// Proposes a change of the consenters as the next entry; false if Raft does not take it.
    pub(crate) fn propose_change(&mut self, step: Step) -> Result<bool, Fault> {
        let mut entry = Entry::default();
        entry.entry_type = EntryType::EntryConfChangeV2;
        entry.data = ConfChange::encode(step);
        self.propose_entry(entry)
    }

    fn propose_entry(&mut self, entry: Entry) -> Result<bool, Fault> {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.raw.raft.id;
        message.set_entries(vec![entry].into());
        let mut taken = false;
        self.run(|raw| taken = raw.raft.step(message).is_ok())?;
        Ok(taken)
    }

    /// True while a change of the consenters is in the log and not applied.
    pub(crate) fn has_pending_change(&self) -> bool {
        self.raw.raft.has_pending_conf()
    }

    /// How far a node's log is known to agree with this leader's.
    pub(crate) fn matched(&self, id: NodeId) -> Option<u64> {
        self.raw.raft.prs().get(id).map(|progress| progress.matched)
    }

    /// This node lost data and must not vote under its id any more. Tells whether that is news.
    pub(crate) fn stop_voting(&mut self) -> bool {
        std::mem::take(&mut self.votes)
    }

    /// All work up to this number is durable.
    pub(crate) fn persisted(&mut self, number: u64) -> Result<(), Fault> {
        let installed = self.installing.take_if(|(at, _)| *at <= number);
        self.run(|raw| {
            raw.on_persist_ready(number);
            if let Some((_, index)) = installed {
                raw.advance_apply_to(index);
            }
        })
    }

    /// The log is applied up to `index`, with this block as its last.
    pub(crate) fn applied_to(
        &mut self,
        index: u64,
        block_number: u64,
        block_hash: [u8; 32],
    ) -> Result<(), Fault> {
        self.run(|raw| {
            raw.advance_apply_to(index);
            raw.mut_store().applied(index, block_number, block_hash);
        })
    }

    /// A committed change of the consenters takes effect.
    pub(crate) fn apply_conf_change(&mut self, change: &ConfChange) -> Result<(), Fault> {
        let change = change.to_raft();
        let mut outcome = Ok(());
        self.run(|raw| match raw.apply_conf_change(&change) {
            Ok(state) => raw.mut_store().set_members(Members::from_raft(&state)),
            Err(error) => outcome = Err(Fault(error.to_string())),
        })?;
        outcome
    }

    fn run(&mut self, action: impl FnOnce(&mut RawNode<View>)) -> Result<(), Fault> {
        let raw = &mut self.raw;
        guarded(|| action(raw))?;
        self.draw_timeout();
        Ok(())
    }

    /// Overwrites the timeout that the `raft` crate draws from the thread's generator.
    fn draw_timeout(&mut self) {
        let raft = &mut self.raw.raft;
        let (term, role, timeout) = self.drawn;
        if (term, role) != (raft.term, raft.state) {
            let shortest = raft.election_timeout();
            self.drawn = (raft.term, raft.state, self.rng.random_range(shortest..2 * shortest));
        } else if raft.randomized_election_timeout() == timeout {
            return;
        }
        raft.set_randomized_election_timeout(self.drawn.2);
    }
}

fn settings(config: &Config, options: &RaftOptions, applied: u64) -> raft::Config {
    raft::Config {
        id: config.id,
        election_tick: options.election_tick as usize,
        heartbeat_tick: options.heartbeat_tick as usize,
        applied,
        max_size_per_msg: limits::MAX_APPEND_BYTES,
        max_inflight_msgs: limits::MAX_INFLIGHT_APPENDS,
        check_quorum: true,
        pre_vote: true,
        max_committed_size_per_ready: limits::MAX_COMMITTED_BYTES,
        ..raft::Config::default()
    }
}

/// Raft's assertions panic; one bad channel must not take the process down.
fn guarded<T>(action: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Fault(text.unwrap_or_else(|| "assertion".to_owned()))
    })
}
