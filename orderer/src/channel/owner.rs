//! The owner of a channel: feeds the core one event at a time and carries out its effects, in their order.
//!
//! This file takes inputs and hands effects on; [`blocks`] makes and publishes blocks, [`members`] follows who takes part,
//! [`role`] decides what this node is, [`figures`] counts.

mod blocks;
mod figures;
mod members;
mod role;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_consensus::{
    Admitted, ChannelCore, ChannelParams, Effect, Event, Millis, NodeId, Rejection, RequestId,
    Submission,
};
use carecord_proto::carecord::orderer::{StepRequest, SubmitRequest, step_request};
use carecord_proto::common::{Envelope, Status};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, sleep_until};

use super::life::End;
use super::peers::Peers;
use super::replies::Replies;
use super::transfer::Transfers;
use super::{Input, Shared, admission};
use crate::Error;
use crate::host::Host;
use crate::writer::Writer;

/// Inputs taken in one go before reports, the tick and the timer are looked at again.
const DRAIN: usize = 256;

/// What an owner is made of.
pub(crate) struct Start<'a> {
    pub(crate) core: ChannelCore,
    pub(crate) own: NodeId,
    pub(crate) params: ChannelParams,
    pub(crate) shared: Arc<Shared>,
    pub(crate) host: Arc<Host>,
    pub(crate) writer: &'a Writer,
    /// What the writer reports.
    pub(crate) reports: mpsc::UnboundedReceiver<Event>,
    pub(crate) inputs: &'a mut mpsc::Receiver<Input>,
}

/// Drives one core.
pub(crate) struct Owner<'a> {
    start: Start<'a>,
    peers: Peers,
    replies: Replies,
    transfers: Transfers,
    /// Events that effects gave rise to at once.
    next: VecDeque<Event>,
    /// Envelopes to be admitted again.
    stale: Vec<Submission>,
    begun: Instant,
    timer: Option<Millis>,
    /// When the first envelope came that is in no block yet.
    filling: Option<Instant>,
    /// What asks for another role.
    doubts: Doubts,
}

/// What may ask for another role.
#[derive(Clone, Copy, Debug, Default)]
struct Doubts {
    /// Somebody called this node a stranger since there was a leader.
    stranger: bool,
    /// There has been no leader for long.
    leader_missing: bool,
    /// Ticks since the configuration names this node no more; the most there can be once Raft let it go.
    evicted: u32,
}

// === impl Owner ===

impl<'a> Owner<'a> {
    pub(crate) fn new(start: Start<'a>) -> Result<Self, Error> {
        let mut owner = Self {
            start,
            peers: Peers::default(),
            replies: Replies::default(),
            transfers: Transfers::default(),
            next: VecDeque::new(),
            stale: Vec::new(),
            begun: Instant::now(),
            timer: None,
            filling: None,
            doubts: Doubts::default(),
        };
        owner.connect()?;
        Ok(owner)
    }

    /// Runs until told to stop, or until this node has another role.
    pub(crate) async fn run(mut self) -> End {
        let mut tick = self.ticker();
        let (mut events, mut inputs) = (Vec::new(), Vec::new());
        loop {
            if tick.period() != self.start.params.raft.tick_interval {
                tick = self.ticker();
            }
            let timer = self.timer.map(|at| self.begun + Duration::from_millis(at.0));
            tokio::select! {
                biased;
                count = self.start.reports.recv_many(&mut events, DRAIN) => {
                    if count == 0 {
                        self.halted("the log writer ended".to_owned());
                        return End::Failed;
                    }
                    events.drain(..).for_each(|event| self.feed(event));
                }
                _ = tick.tick() => {
                    self.count_active();
                    self.feed(Event::Tick);
                    self.publish_consenters();
                    self.show_once_welcome();
                    if let Some(end) = self.reconsider() {
                        return end;
                    }
                }
                () = sleep_until(timer.unwrap_or(self.begun).into()), if timer.is_some() => {
                    self.timer = None;
                    self.feed(Event::Timer);
                }
                count = self.start.inputs.recv_many(&mut inputs, DRAIN) => {
                    if count == 0 || inputs.drain(..).any(|input| self.take(input)) {
                        return End::Stopped;
                    }
                }
            }
        }
    }

    fn ticker(&self) -> tokio::time::Interval {
        let mut tick = tokio::time::interval(self.start.params.raft.tick_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick
    }

    /// Takes one input; true when it is time to end.
    fn take(&mut self, input: Input) -> bool {
        match input {
            Input::Core(event) => self.feed(event),
            Input::Submit { admitted, forwarded, reply } => {
                self.count_proposal(&admitted);
                let id = self.replies.enter(reply);
                let submission = Submission { id, admitted, forwarded, answered: false };
                self.feed(Event::Submit(submission));
            }
            Input::Readmitted { submission, verdict } => self.readmitted(submission, verdict),
            Input::Barred { by, info } => {
                tracing::warn!(channel = self.start.shared.name, by, "refused");
                self.barred(&info);
            }
            Input::Stranger => self.doubts.stranger = true,
            Input::Transfer { to, reply } => {
                let token = self.transfers.enter(reply);
                self.feed(Event::TransferLeadership { token, to: Some(to) });
            }
            Input::Stop => {
                let token = self.transfers.unheard();
                self.feed(Event::TransferLeadership { token, to: None });
                return true;
            }
        }
        false
    }

    fn at(&self) -> Millis {
        Millis(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn feed(&mut self, event: Event) {
        self.next.push_back(event);
        while let Some(event) = self.next.pop_front() {
            let effects = self.start.core.handle(self.at(), event);
            let core = &self.start.core;
            self.start.shared.greeting.note(core.term(), core.log_end());
            self.carry_out(effects);
        }
        if !self.stale.is_empty() {
            admission::readmit(&self.start.shared, std::mem::take(&mut self.stale));
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { token, records, sync } => {
                self.start.writer.write(token, records, sync);
            }
            Effect::Send { to, message } => {
                self.send(to, step_request::Payload::Consensus(message));
            }
            Effect::Sign { token, metadata_value, header } => {
                self.count_fill();
                match self.sign(&metadata_value, &header) {
                    Ok(signature) => self.next.push_back(Event::Signed { token, signature }),
                    Err(error) => self.halted(format!("a block could not be signed: {error}")),
                }
            }
            Effect::Commit { block, is_config, .. } => self.committed(&block, is_config),
            Effect::CaughtUp { number, config_changed } => self.caught_up(number, config_changed),
            Effect::Reply { id, status, info } => {
                if status != Status::Success {
                    let failures = &self.start.host.metrics.raft.proposal_failures;
                    failures.with_label_values(&[&self.start.shared.name]).inc();
                }
                self.replies.answer(id, (status, info));
            }
            Effect::Forward { to, id, envelope } => self.forward(to, id, &envelope),
            Effect::Readmit { submission } => self.stale.push(submission),
            Effect::Fetch { from, start, end } => self.fetch(from, start, end),
            Effect::SetTimer { at } => self.timer = Some(at),
            Effect::LeaderChanged { leader, term, is_self } => {
                self.leader_changed(leader, term, is_self);
            }
            Effect::TransferEnded { token, outcome } => self.transfers.answer(token, outcome),
            Effect::MembersChanged => self.members_changed(),
            Effect::LeaderMissing => self.doubts.leader_missing = true,
            Effect::LostData => self.barred("this node came back with less than it had confirmed"),
            Effect::Evicted => self.doubts.evicted = u32::MAX,
            Effect::Halt { reason } => self.halted(reason),
        }
    }

    // --- messages ---

    fn send(&mut self, to: NodeId, payload: step_request::Payload) -> bool {
        let channel = self.start.shared.name.clone();
        let request = StepRequest { channel, payload: Some(payload) };
        let sent = self.peers.send(to, request);
        if !sent {
            self.next.push_back(Event::Unreachable { node: to });
        }
        sent
    }

    fn forward(&mut self, to: NodeId, id: RequestId, envelope: &Bytes) {
        let envelope = Envelope::decode(envelope.clone()).ok();
        let submit = SubmitRequest { request_id: id.0, envelope };
        if !self.send(to, step_request::Payload::Submit(submit)) {
            let info = "the leader cannot be reached".to_owned();
            let status = Status::ServiceUnavailable;
            self.next.push_back(Event::ForwardReply { id, status, info });
        }
    }

    /// Takes up again, or answers, an envelope that was decided over under the newer configuration.
    fn readmitted(&mut self, submission: Submission, verdict: Result<Admitted, Rejection>) {
        match verdict {
            Ok(admitted) => self.feed(Event::Submit(Submission { admitted, ..submission })),
            // Who was answered already no longer waits.
            Err(Rejection { status, info }) => self.replies.answer(submission.id, (status, info)),
        }
    }
}
