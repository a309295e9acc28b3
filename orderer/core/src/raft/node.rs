//! One consenter's Raft state machine: messages and ticks in, [`Work`] out.
//!
//! Place in the flow: the core calls [`Node::take_work`] after everything that may have changed something, until there
//! is none left. Election timeouts come from a seeded generator, drawn anew at each change of term or role, so that
//! equal inputs give equal traces.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use carecord_proto::carecord::orderer::RaftMessage;
use raft::eraftpb::{self, Entry, EntryType, Message, MessageType};
use raft::{GetEntriesContext, ProgressState, RawNode, Ready, SnapshotStatus, StateRole};
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
use crate::record::{EntryBody, HardState, LogEntry, Record, SnapshotPoint};
use crate::restored::Restored;

/// Raft stopped, by its own assertion or by an error; the channel cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("raft stopped: {0}")]
pub(crate) struct Fault(String);

/// What Raft wants done next.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Names this work when it is reported durable.
    pub number: u64,
    /// To be persisted, in order.
    pub records: Vec<Record>,
    /// To be sent at once, while persisting.
    pub messages: Vec<RaftMessage>,
    /// To be sent when this and all earlier work is durable.
    pub persisted_messages: Vec<RaftMessage>,
    /// The log begins anew here.
    pub snapshot: Option<SnapshotPoint>,
    /// Committed and durable here, in order.
    pub committed: Vec<LogEntry>,
}

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
            keep_progress_sane(raw, from);
        })
    }

    /// A heartbeat claims that this node had more than it has. The leader's claim to lead is taken, its commit index
    /// is not, and the answer tells it where this log really ends.
    pub(crate) fn resync(&mut self, mut heartbeat: RaftMessage) -> Result<RaftMessage, Fault> {
        let claimed = heartbeat.commit;
        let (to, from) = (heartbeat.from, heartbeat.to);
        heartbeat.commit = self.committed();
        self.step(heartbeat)?;
        let last = self.last_index();
        let mut answer = Message::default();
        answer.set_msg_type(MessageType::MsgAppendResponse);
        answer.to = to;
        answer.from = from;
        answer.term = self.term();
        answer.index = claimed;
        answer.reject = true;
        answer.reject_hint = last;
        answer.log_term = self.raw.raft.raft_log.term(last).unwrap_or_default();
        Ok(convert::message_out(answer))
    }

    /// A follower refused an entry that it once confirmed, so it lost data: send from where its log ends.
    pub(crate) fn follower_lost_data(&mut self, message: &RaftMessage) -> Result<(), Fault> {
        let lost = message.reject
            && message.term == self.term()
            && self.is_leader()
            && message.r#type == MessageType::MsgAppendResponse as i32;
        if !lost {
            return Ok(());
        }
        self.run(|raw| {
            let Some(progress) = raw.raft.mut_prs().get_mut(message.from) else { return };
            if message.index <= progress.matched && message.reject_hint < progress.matched {
                progress.matched = message.reject_hint;
                progress.snapshot_failure();
                progress.become_probe();
            }
        })
    }

    /// Proposes a finished block as the next entry; false if Raft does not take it.
    pub(crate) fn propose(&mut self, block: Bytes) -> Result<bool, Fault> {
        let mut entry = Entry::default();
        entry.data = block;
        self.propose_entry(entry)
    }

    pub(crate) fn unreachable(&mut self, node: NodeId) -> Result<(), Fault> {
        self.run(|raw| {
            raw.report_unreachable(node);
            raw.report_snapshot(node, SnapshotStatus::Failure);
        })
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

    /// Hands leadership to a voter, without `to` to the one among `candidates` that has most of the log.
    pub(crate) fn transfer_leadership(
        &mut self,
        to: Option<NodeId>,
        candidates: &[NodeId],
    ) -> Result<(), Fault> {
        let own = self.raw.raft.id;
        let voters = self.members().voters.clone();
        let eligible = |id: &NodeId| *id != own && voters.contains(id) && candidates.contains(id);
        let best = self
            .raw
            .raft
            .prs()
            .iter()
            .filter(|(id, _)| eligible(id) && to.is_none_or(|to| to == **id))
            .map(|(id, progress)| (progress.recent_active, progress.matched, *id))
            .max();
        match best {
            Some((_, _, to)) if self.is_leader() => self.run(|raw| raw.transfer_leader(to)),
            _ => Ok(()),
        }
    }

    /// True while leadership is being handed over: nothing can be proposed then.
    pub(crate) fn is_transferring(&self) -> bool {
        self.raw.raft.lead_transferee.is_some()
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

    // === what it wants done ===

    /// The next work, if there is any.
    pub(crate) fn take_work(&mut self) -> Result<Option<Work>, Fault> {
        if !self.raw.has_ready() {
            return Ok(None);
        }
        let mut written = self.written;
        let mut work = Work::default();
        self.run(|raw| {
            let mut ready = raw.ready();
            work.number = ready.number();
            work.messages = ready.take_messages().into_iter().map(convert::message_out).collect();
            work.persisted_messages =
                ready.take_persisted_messages().into_iter().map(convert::message_out).collect();
            work.committed =
                ready.take_committed_entries().iter().map(convert::log_entry).collect();
            work.records = records(raw, &ready, &mut written, &mut work.snapshot);
            raw.advance_append_async(ready);
        })?;
        self.written = written;
        if let Some(point) = &work.snapshot {
            self.installing = Some((work.number, point.index));
        }
        Ok(Some(work))
    }

    /// The commit index, if it rose since it was last written and what it covers is durable.
    pub(crate) fn take_commit_record(&mut self) -> Option<Record> {
        let commit = self.committed().min(self.raw.raft.raft_log.persisted);
        if commit <= self.written.commit {
            return None;
        }
        self.written.commit = commit;
        Some(Record::HardState(self.written))
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

    /// A snapshot message may be lost; a follower that shows no progress in time is probed again.
    fn retry_snapshots(&mut self) {
        let waiting: Vec<NodeId> = self
            .raw
            .raft
            .prs()
            .iter()
            .filter(|(_, progress)| progress.state == ProgressState::Snapshot)
            .map(|(id, _)| *id)
            .collect();
        self.snapshots.retain(|(id, _)| waiting.contains(id));
        for id in waiting {
            match self.snapshots.iter_mut().find(|(known, _)| *known == id) {
                None => self.snapshots.push((id, 0)),
                Some((_, ticks)) if *ticks < self.snapshot_patience => *ticks += 1,
                Some((_, ticks)) => {
                    *ticks = 0;
                    self.raw.report_snapshot(id, SnapshotStatus::Failure);
                }
            }
        }
    }
}

/// How Raft's ticks follow the channel's. The `raft` crate fixes its election timeout at its start; when the channel's
/// changes, its ticks come slower or faster instead, heartbeats along with them, until the next start.
#[derive(Debug)]
struct Pace {
    built: u32,
    wanted: u32,
    credit: u64,
}

impl Pace {
    fn new(election_tick: u32) -> Self {
        Self { built: election_tick, wanted: election_tick.max(1), credit: 0 }
    }

    /// How many ticks Raft gets for one of the channel.
    fn ticks(&mut self) -> u64 {
        let wanted = u64::from(self.wanted);
        self.credit += u64::from(self.built);
        let ticks = self.credit / wanted;
        self.credit %= wanted;
        ticks.min(limits::MAX_TICKS_AT_ONCE)
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

/// Reordered answers can set the next index at or below the matched one, which raft 0.7.0 does not mend.
fn keep_progress_sane(raw: &mut RawNode<View>, from: NodeId) {
    if let Some(progress) = raw.raft.mut_prs().get_mut(from)
        && progress.next_idx <= progress.matched
    {
        progress.next_idx = progress.matched + 1;
    }
}

/// What has to be persisted of a ready: votes first, so that a torn write never leaves entries of a term unheard of.
fn records(
    raw: &mut RawNode<View>,
    ready: &Ready,
    written: &mut HardState,
    snapshot: &mut Option<SnapshotPoint>,
) -> Vec<Record> {
    let mut records = Vec::new();
    let log = &raw.raft.raft_log;
    let commit = log.committed.min(log.persisted).max(written.commit);
    let (term, vote) = (raw.raft.term, raw.raft.vote);
    let voted = (term, vote) != (written.term, written.vote);
    let appends = !ready.entries().is_empty() || !ready.snapshot().is_empty();
    if voted || appends && commit > written.commit {
        *written = HardState { term, vote, commit };
        records.push(Record::HardState(*written));
    }
    if !ready.snapshot().is_empty() {
        let point = convert::point_of(ready.snapshot());
        written.commit = written.commit.max(point.index);
        raw.mut_store().install(point.clone());
        records.push(Record::Snapshot(point.clone()));
        *snapshot = Some(point);
    }
    if let Some(from) = raw.mut_store().append(ready.entries()) {
        records.push(Record::Truncate { from });
    }
    records.extend(ready.entries().iter().map(convert::log_entry).map(Record::Entry));
    records
}
