//! The owner of a channel: feeds the core one event at a time and carries out its effects, in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_consensus::{
    Admitted, ChannelCore, ChannelParams, Effect, Event, Millis, NodeId, Rejection, RequestId,
    Submission,
};
use carecord_proto::carecord::orderer::{StepRequest, SubmitRequest, step_request};
use carecord_proto::common::{Block, Envelope, MetadataSignature, Status};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, sleep_until};

use super::life::End;
use super::peers::Peers;
use super::replies::Replies;
use super::{Input, Shared, State, admission};
use crate::Error;
use crate::cluster::{self, Members};
use crate::host::Host;
use crate::writer::Writer;

/// Inputs taken in one go before reports, the tick and the timer are looked at again.
const DRAIN: usize = 256;

/// Election timeouts after which a node goes that the configuration names no more and that Raft does not let go.
const ELECTIONS_TO_LEAVE: u32 = 6;

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
            Input::Stop => {
                self.feed(Event::TransferLeadership { to: None });
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

    // --- blocks ---

    /// `metadata_value ‖ signature_header ‖ header`, as Fabric's block signatures cover it.
    fn sign(&self, metadata_value: &[u8], header: &[u8]) -> Result<MetadataSignature, Error> {
        let signer = self.start.shared.signer.get();
        let (signature_header, signature) =
            admission::sign_block(&*signer, metadata_value, header)?;
        Ok(MetadataSignature { signature_header, signature, identifier_header: Bytes::new() })
    }

    fn committed(&mut self, block: &Block, is_config: bool) {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        if is_config && let Err(error) = self.reconfigure(block) {
            return self.halted(format!("configuration block {number}: {error}"));
        }
        self.publish(number);
    }

    fn caught_up(&mut self, number: u64, config_changed: bool) {
        if config_changed {
            let outcome = self.start.shared.log.last_config_block(number).and_then(|block| {
                let bundle = Bundle::from_block(&block)?;
                self.put_in_force(bundle, &block)
            });
            if let Err(error) = outcome {
                return self.halted(format!("configuration below block {number}: {error}"));
            }
        }
        self.publish(number);
    }

    fn publish(&self, number: u64) {
        let name = [self.start.shared.name.as_str()];
        let metrics = &self.start.host.metrics;
        metrics.raft.committed_block_number.with_label_values(&name).set(number as i64);
        self.start.shared.deliverable(number + 1, metrics);
    }

    fn reconfigure(&mut self, block: &Block) -> Result<(), Error> {
        let config = carecord_proto::block::config_envelope(block)?.ok_or(Error::NoConfig)?;
        let known = self.start.shared.bundle.load();
        // What this node fetched as a follower was decided then; Raft brings it once more.
        let again = config.config.as_ref().is_some_and(|c| c.sequence <= known.sequence());
        let bundle = if again { Bundle::from_block(block)? } else { known.next_bundle(&config)? };
        self.put_in_force(bundle, block)
    }

    /// The bundle of a configuration block, whose metadata number the consenters.
    fn put_in_force(&mut self, bundle: Bundle, block: &Block) -> Result<(), Error> {
        let params = ChannelParams::from_bundle(&bundle)?;
        let members = Members::of_block(&crate::consenters(&bundle)?, block)?;
        let (voters, learners) = self.start.core.members();
        let present = |id: NodeId| voters.contains(&id) || learners.contains(&id);
        let before = self.start.shared.members.load_full();
        let members = members.with_those_who_leave(&before, present);
        let size = &self.start.host.metrics.raft.cluster_size;
        size.with_label_values(&[&self.start.shared.name]).set(members.iter().count() as i64);
        if bundle.sequence() >= self.start.shared.bundle.load().sequence() {
            // In this order: see admission.
            self.start.shared.members.store(Arc::new(members));
            self.start.shared.bundle.store(Arc::new(bundle));
        }
        self.start.params = params.clone();
        self.connect()?;
        self.next.push_back(Event::Configured { params });
        Ok(())
    }

    /// Brings the links in line with who takes part now.
    fn connect(&mut self) -> Result<(), Error> {
        let Start { own, shared, host, .. } = &self.start;
        self.peers.connect(*own, shared, host)
    }

    /// Raft took somebody in or let somebody go.
    fn members_changed(&mut self) {
        let (voters, learners) = self.start.core.members();
        let present = |id: NodeId| voters.contains(&id) || learners.contains(&id);
        let members = self.start.shared.members.load().without_those_who_left(present);
        self.start.shared.members.store(Arc::new(members));
        if let Err(error) = self.connect() {
            self.halted(format!("links to the consenters: {error}"));
        }
    }

    fn fetch(&mut self, from: NodeId, start: u64, end: u64) {
        let shared = Arc::clone(&self.start.shared);
        let before = shared.log.header_hash(start.saturating_sub(1));
        let Ok(Some(previous_hash)) = before else {
            self.next.push_back(Event::FetchFailed);
            return;
        };
        let members = shared.members.load_full();
        let others = members.all().filter(|member| member.id != self.start.own);
        let mut addresses: Vec<_> = others.map(|m| (m.id != from, m.address.clone())).collect();
        addresses.sort();
        let addresses = addresses.into_iter().map(|(_, address)| address).collect();
        let bundle = shared.bundle.load_full();
        let begin = cluster::FetchStart { number: start, end, previous_hash, bundle };
        let links = Arc::clone(&self.start.host.links);
        let (name, inbox) = (shared.name.clone(), shared.inbox.clone());
        tokio::spawn(cluster::fetch(links, name, addresses, begin, inbox));
    }

    // --- role ---

    /// Another role, if the configuration or what others say asks for one.
    fn reconsider(&mut self) -> Option<End> {
        let own = self.start.shared.own_id(&self.start.host);
        let has_leader = self.start.core.leader().is_some();
        let doubts = &mut self.doubts;
        if has_leader {
            (doubts.stranger, doubts.leader_missing) = (false, false);
        }
        if doubts.stranger && doubts.leader_missing {
            return Some(End::Suspects);
        }
        // Raft lets go of a consenter a little after the configuration does; a leader hands over meanwhile.
        doubts.evicted = match own == Some(self.start.own) {
            true => 0,
            false => doubts.evicted.saturating_add(1),
        };
        let election = self.start.params.raft.election_tick;
        let gone = doubts.evicted > ELECTIONS_TO_LEAVE.saturating_mul(election);
        (gone || self.start.shared.is_barred(self.start.own)).then_some(End::Over)
    }

    fn barred(&mut self, info: &str) {
        let shared = &self.start.shared;
        tracing::error!(channel = shared.name, own = self.start.own, info, "must not vote");
        if let Err(error) = shared.bar(self.start.own) {
            self.halted(format!("this node must not vote, and cannot remember it: {error}"));
        }
    }

    // --- state ---

    fn publish_consenters(&self) {
        let consenters = self.start.core.consenters();
        self.start.shared.consenters.send_if_modified(|published| {
            let changed = *published != consenters;
            *published = consenters;
            changed
        });
    }

    /// Consenters that this node has a stream to, itself included.
    fn count_active(&self) {
        let connected = self.peers.connected();
        let active = &self.start.host.metrics.raft.active_nodes;
        active.with_label_values(&[&self.start.shared.name]).set(connected as i64 + 1);
    }

    fn count_proposal(&mut self, admitted: &Admitted) {
        let raft = &self.start.host.metrics.raft;
        let received = match admitted.is_config() {
            false => &raft.normal_proposals_received,
            true => &raft.config_proposals_received,
        };
        received.with_label_values(&[&self.start.shared.name]).inc();
        self.filling.get_or_insert_with(Instant::now);
    }

    fn count_fill(&mut self) {
        if let Some(since) = self.filling.take() {
            let fill = &self.start.host.metrics.block_fill_duration;
            let fill = fill.with_label_values(&[&self.start.shared.name]);
            fill.observe(since.elapsed().as_secs_f64());
        }
    }

    fn leader_changed(&mut self, leader: Option<NodeId>, term: u64, is_self: bool) {
        let name = self.start.shared.name.as_str();
        tracing::info!(channel = name, ?leader, term, is_self, "leader changed");
        let metrics = &self.start.host.metrics.raft;
        metrics.is_leader.with_label_values(&[name]).set(is_self.into());
        metrics.term.with_label_values(&[name]).set(term as i64);
        if leader.is_some() {
            metrics.leader_changes.with_label_values(&[name]).inc();
        }
        self.start.shared.state.send_replace(State::Active { leader, is_self });
    }

    fn halted(&mut self, reason: String) {
        let name = self.start.shared.name.as_str();
        tracing::error!(channel = name, %reason, "channel halted");
        self.start.host.metrics.participation_status.with_label_values(&[name]).set(3);
        self.start.shared.state.send_replace(State::Failed { reason });
    }
}
