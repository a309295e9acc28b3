//! The channel's state machine: one event in, a list of effects out.
//!
//! Cut by kind of event: [`submit`] takes envelopes in, [`cut`] makes blocks of them, [`inbound`] hears other
//! consenters, [`persisted`] runs Raft's work through persistence, [`committed`] applies what is agreed,
//! [`catch_up`] fetches what Raft does not send, [`membership`] makes Raft follow the configuration, [`transfer`] hands
//! leadership over, [`tick`] is time. This file holds the state and the one door.

mod catch_up;
mod committed;
mod cut;
mod inbound;
mod membership;
mod persisted;
mod submit;
mod tick;
mod transfer;

use std::collections::{BTreeMap, VecDeque};

use carecord_proto::common::Status;

use crate::chain::Tip;
use crate::config::{ChannelParams, Config, ConfigError};
use crate::event::{Effect, Event, Millis, NodeId, PersistToken, RequestId};
use crate::raft::{Dropped, Fault, Node};
use crate::reader::LogReader;
use crate::restored::Restored;
use crate::transfer::TransferError;

use catch_up::CatchUp;
use cut::Leadership;
use persisted::Outstanding;
use submit::Forwarded;
use transfer::Transfer;

pub use membership::ConsenterStatus;

/// One channel's part of one consenter.
pub struct ChannelCore {
    config: Config,
    params: ChannelParams,
    node: Node,
    /// The committed chain's end.
    tip: Tip,
    /// Present while this node leads.
    leadership: Option<Leadership>,
    /// Present while this node hands leadership over, and until it knows who leads then.
    transfer: Option<Transfer>,
    forwarded: BTreeMap<RequestId, Forwarded>,
    /// Writes that the shell has not yet reported durable, oldest first.
    outstanding: VecDeque<Outstanding>,
    last_token: u64,
    last_sign_token: u64,
    catch_up: CatchUp,
    /// A configuration block is committed and the shell has not yet told what it says.
    awaits_configuration: bool,
    /// What the shell was last told of the leader.
    told_leader: (Option<NodeId>, u64, bool),
    ticks: u64,
    /// The tick at which a leader was known last, or this node last complained that there is none.
    led_at: u64,
    /// The tick at which each other consenter was heard last.
    heard: BTreeMap<NodeId, u64>,
    timer: Option<Millis>,
    halted: Option<String>,
    counts: Counts,
    effects: Vec<Effect>,
}

/// What a core counts, for metrics and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inbound messages dropped, by reason.
    pub dropped: BTreeMap<Dropped, u64>,
    /// Blocks proposed as leader.
    pub proposed: u64,
    /// Blocks committed.
    pub committed: u64,
    /// Blocks fetched from other orderers.
    pub fetched: u64,
    /// Envelopes answered with anything but SUCCESS.
    pub refused: u64,
}

/// Why a core cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Raft refused the restored state.
    #[error("{0}")]
    Raft(String),
}

impl ChannelCore {
    /// Starts from what the log holds. Nothing happens before the first event.
    pub fn new(
        config: Config,
        params: ChannelParams,
        restored: Restored,
        reader: Box<dyn LogReader>,
    ) -> Result<Self, StartError> {
        config.check()?;
        params.check()?;
        let node = Node::new(&config, &params.raft, &restored, reader)
            .map_err(|fault| StartError::Raft(fault.to_string()))?;
        Ok(Self {
            config,
            params,
            node,
            tip: restored.tip,
            leadership: None,
            transfer: None,
            forwarded: BTreeMap::new(),
            outstanding: VecDeque::new(),
            last_token: 0,
            last_sign_token: 0,
            catch_up: CatchUp::continued(restored.fetched),
            awaits_configuration: false,
            told_leader: (None, 0, false),
            ticks: 0,
            led_at: 0,
            heard: BTreeMap::new(),
            timer: None,
            halted: None,
            counts: Counts::default(),
            effects: Vec::new(),
        })
    }

    /// Takes one event and tells what to do, in this order. `now` never goes back.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        if self.halted.is_some() {
            self.refuse_when_halted(event);
            return std::mem::take(&mut self.effects);
        }
        if let Err(Stop(reason)) = self.on_event(now, event).and_then(|()| self.settle(now)) {
            self.halt(reason);
        } else {
            self.watch_eviction();
        }
        std::mem::take(&mut self.effects)
    }

    fn on_event(&mut self, now: Millis, event: Event) -> Result<(), Stop> {
        match event {
            Event::Tick => self.on_tick(),
            Event::Timer => {
                self.timer = None;
                Ok(())
            }
            Event::Submit(submission) => {
                self.on_submit(now, submission);
                Ok(())
            }
            Event::ForwardReply { id, status, info } => {
                self.on_forward_reply(id, status, info);
                Ok(())
            }
            Event::Inbound { from, message } => self.on_inbound(from, message),
            Event::Unreachable { node } => Ok(self.node.unreachable(node)?),
            Event::Persisted { token } => self.on_persisted(token),
            Event::Signed { token, signature } => self.on_signed(token, signature),
            Event::BlocksFetched { blocks } => self.on_blocks_fetched(blocks),
            Event::FetchFailed => {
                self.catch_up.asked = None;
                Ok(())
            }
            Event::Configured { params } => self.on_configured(now, params),
            Event::TransferLeadership { token, to } => self.on_transfer(token, to),
        }
    }

    /// Runs Raft's work until there is none, then cuts what may be cut.
    fn settle(&mut self, now: Millis) -> Result<(), Stop> {
        loop {
            self.run_work()?;
            self.watch_leadership();
            self.watch_transfer()?;
            self.propose_signed()?;
            let changed = self.follow_configuration()?;
            if !self.cut(now)? && !changed {
                return Ok(());
            }
        }
    }

    // === what the shell may look at ===

    /// How many blocks are committed here.
    pub fn height(&self) -> u64 {
        self.tip.number + 1
    }

    /// The number of the last committed configuration block.
    pub fn last_config(&self) -> u64 {
        self.tip.last_config
    }

    /// The leader, if one is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.node.leader()
    }

    /// True while this node leads.
    pub fn is_leader(&self) -> bool {
        self.node.is_leader()
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.node.term()
    }

    /// The last index of the log, durable or on its way there.
    pub fn log_end(&self) -> u64 {
        self.node.last_index()
    }

    /// Raft's committed and applied index.
    pub fn raft_indexes(&self) -> (u64, u64) {
        (self.node.committed(), self.node.applied())
    }

    /// The consenter ids as of the last committed block, in the order of the configuration's consenters.
    pub fn consenter_ids(&self) -> &[u64] {
        &self.tip.consenters.consenter_ids
    }

    /// Who votes and who only listens, as Raft has it.
    pub fn members(&self) -> (&[NodeId], &[NodeId]) {
        (&self.node.members().voters, &self.node.members().learners)
    }

    /// Envelopes that wait here for a block or for the leader's answer.
    pub fn pending(&self) -> usize {
        let own = self.leadership.as_ref().map_or(0, Leadership::pending);
        own + self.forwarded.len()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Why the channel stopped, if it did.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    // === small things that every part needs ===

    fn reply(&mut self, id: RequestId, status: Status, info: impl Into<String>) {
        if status != Status::Success {
            self.counts.refused += 1;
        }
        self.effects.push(Effect::Reply { id, status, info: info.into() });
    }

    fn next_token(&mut self) -> PersistToken {
        self.last_token += 1;
        PersistToken(self.last_token)
    }

    /// Everything handed out to be persisted was reported durable.
    fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// The same of all that Raft promised to others; a commit index that is on its way to disk is no promise.
    fn promises_are_durable(&self) -> bool {
        !self.outstanding.iter().any(Outstanding::promises)
    }

    fn halt(&mut self, reason: String) {
        self.end_transfer(Err(TransferError::NotLeader));
        self.give_up_leadership("the channel is halted");
        self.give_up_forwarded("the channel is halted");
        self.effects.push(Effect::Halt { reason: reason.clone() });
        self.halted = Some(reason);
    }

    fn refuse_when_halted(&mut self, event: Event) {
        match event {
            Event::Submit(submission) => {
                let info = format!("channel is halted: {}", self.halted().unwrap_or_default());
                self.reply(submission.id, Status::ServiceUnavailable, info);
            }
            Event::TransferLeadership { token, .. } => {
                let outcome = Err(TransferError::NotLeader);
                self.effects.push(Effect::TransferEnded { token, outcome });
            }
            _ => {}
        }
    }
}

/// Why the channel cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stop(String);

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}
