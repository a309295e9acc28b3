//! What a node's shell does with the effects of its core.

use bytes::Bytes;
use carecord_consensus::{
    Admitted, Class, Effect, Event, Millis, NodeId, PersistToken, Record, RequestId, Submission,
};
use carecord_proto::block;
use carecord_proto::common::{Block, MetadataSignature, Status};
use prost::Message;
use rand::Rng;

use super::{Asker, What, World, params};

/// How long a lie about a write lasts.
const LIE_MS: u64 = 5_000;

impl World {
    pub(super) fn carry_out(&mut self, node: NodeId, effect: Effect) {
        match effect {
            Effect::Persist { token, records, sync } => self.persist(node, token, records, sync),
            Effect::Send { to, message } => {
                self.mix(message.term << 32 ^ message.index << 8 ^ message.r#type as u64);
                self.note_promise(node, &message);
                if let Some(traffic) = &mut self.traffic {
                    traffic.push(message.clone());
                }
                // Now and then a message comes twice, the second time late.
                if self.setting.loss > 0
                    && self.rng.random_range(0..100) == 0
                    && let Some(after) = self.link(node, to)
                {
                    let message = message.clone();
                    self.schedule(to, None, 10 * after, What::Message { from: node, message });
                }
                if let Some(after) = self.link(node, to) {
                    self.schedule(to, None, after, What::Message { from: node, message });
                }
            }
            Effect::Sign { token, metadata_value, header } => {
                let signature = MetadataSignature {
                    signature_header: format!("node {node}").into(),
                    signature: Bytes::from([&metadata_value[..], &header[..]].concat()),
                    ..MetadataSignature::default()
                };
                let life = self.peers[&node].life;
                let after = self.rng.random_range(0..=1);
                let event = Event::Signed { token, signature };
                self.schedule(node, Some(life), after, What::Event(event));
            }
            Effect::Commit { block, encoded, is_config } => {
                self.committed(node, block::number(&block), &encoded);
                if is_config {
                    self.configured(node);
                }
            }
            Effect::CaughtUp { number, config_changed } => {
                self.caught_up(node, number, config_changed)
            }
            Effect::Reply { id, status, info } => self.replied(node, id, status, info),
            Effect::Forward { to, id, envelope } => self.forward(node, to, id, envelope),
            Effect::Readmit { submission } => {
                let mut submission = submission;
                submission.admitted.config_seq = self.peers[&node].config_seq;
                let life = self.peers[&node].life;
                self.schedule(node, Some(life), 0, What::Event(Event::Submit(submission)));
            }
            Effect::Fetch { start, end, .. } => self.fetch(node, start, end),
            Effect::SetTimer { at: Millis(at) } => {
                let life = self.peers[&node].life;
                let after = at.saturating_sub(self.now);
                self.schedule(node, Some(life), after, What::Event(Event::Timer));
            }
            Effect::LeaderChanged { term, is_self, .. } => self.leader_changed(node, term, is_self),
            Effect::TransferEnded { token, outcome } => self.transfer_ended(token, outcome),
            Effect::MembersChanged => {}
            Effect::LeaderMissing => self.look_elsewhere(node),
            Effect::LostData => {
                let peer = self.peers.get_mut(&node).unwrap();
                peer.votes = false;
                if !peer.lost_data {
                    self.violation(format!("node {node} is said to have lost data"));
                }
            }
            Effect::Evicted => self.retire(node),
            Effect::Halt { reason } => self.violation(format!("node {node} halted: {reason}")),
        }
    }

    fn persist(&mut self, node: NodeId, token: PersistToken, records: Vec<Record>, sync: bool) {
        let lies = sync && self.setting.lie.covers(&records);
        let peer = self.peers.get_mut(&node).unwrap();
        for record in &records {
            if let Record::Truncate { from } = record {
                peer.promises.truncated(*from);
            }
        }
        let (life, count) = (Some(peer.life), peer.disk.append(records));
        let done = Event::Persisted { token };
        let after = self.rng.random_range(0..=self.setting.write_ms);
        if !sync {
            self.schedule(node, life, after, What::Event(done));
        } else if lies {
            self.schedule(node, life, 0, What::Event(done));
            self.schedule(node, life, LIE_MS, What::Durable { count, then: None });
        } else {
            self.schedule(node, life, after, What::Durable { count, then: Some(done) });
        }
    }

    fn forward(&mut self, node: NodeId, to: NodeId, id: RequestId, envelope: Bytes) {
        let life = self.peers[&node].life;
        match self.link(node, to) {
            Some(after) if self.peers[&to].core.is_some() => {
                let what = What::Forwarded { from: node, life, request: id, envelope };
                self.schedule(to, None, after, what);
            }
            // A shell sees a refused connection at once; a message lost on the way it does not see.
            _ if self.rng.random_bool(0.5) => {
                let status = Status::ServiceUnavailable;
                let event = Event::ForwardReply { id, status, info: "no link".to_owned() };
                self.schedule(node, Some(life), 1, What::Event(event));
            }
            _ => {}
        }
    }

    pub(super) fn submit_bytes(&mut self, to: NodeId, name: u64, bytes: Bytes, class: Class) {
        if self.peers[&to].core.is_none() {
            return;
        }
        self.answers.insert(name, None);
        self.submit_as(to, Asker::Client { envelope: name }, bytes, class, false);
    }

    pub(super) fn submit_as(
        &mut self,
        node: NodeId,
        asker: Asker,
        envelope: Bytes,
        class: Class,
        forwarded: bool,
    ) {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let peer = self.peers.get_mut(&node).unwrap();
        peer.requests.insert(id, asker);
        let size = envelope.len();
        let admitted = Admitted { envelope, size, config_seq: peer.config_seq, class };
        self.feed(node, Event::Submit(Submission { id, admitted, forwarded, answered: false }));
    }

    fn replied(&mut self, node: NodeId, id: RequestId, status: Status, info: String) {
        self.mix(id.0 << 16 ^ status as u64);
        let Some(asker) = self.peers.get_mut(&node).and_then(|peer| peer.requests.remove(&id))
        else {
            return self.violation(format!("node {node} answered {id:?} twice or unasked"));
        };
        match asker {
            Asker::Client { envelope } => self.client_hears(envelope, status),
            Asker::Node { id: to, life, request } => {
                if let Some(after) = self.link(node, to) {
                    let event = Event::ForwardReply { id: request, status, info };
                    self.schedule(to, Some(life), after, What::Event(event));
                }
            }
        }
    }

    /// The configuration block just committed is in force.
    fn configured(&mut self, node: NodeId) {
        let height = self.peers[&node].height;
        let config_seq = self.config_blocks_below(node, height);
        let peer = self.peers.get_mut(&node).unwrap();
        peer.config_seq = config_seq;
        let life = peer.life;
        let consenters = self.peers[&node].core.as_ref().map_or(1, |c| c.consenter_ids().len());
        let params = params(consenters, config_seq);
        self.schedule(node, Some(life), 0, What::Event(Event::Configured { params }));
    }

    fn caught_up(&mut self, node: NodeId, number: u64, config_changed: bool) {
        self.stats.caught_up += 1;
        for at in self.peers[&node].height..=number {
            match self.peers[&node].disk.block(at) {
                Some(bytes) => self.committed(node, at, &bytes),
                None => self.violation(format!("node {node} caught up without block {at}")),
            }
        }
        if config_changed {
            self.configured(node);
        }
    }

    pub(super) fn config_blocks_below(&self, node: NodeId, height: u64) -> u64 {
        let disk = &self.peers[&node].disk;
        (1..height)
            .filter_map(|number| disk.block(number))
            .filter(|bytes| block::is_config(&Block::decode(bytes.clone()).unwrap()))
            .count() as u64
    }

    fn fetch(&mut self, node: NodeId, start: u64, end: u64) {
        let life = self.peers[&node].life;
        let mut sources: Vec<NodeId> =
            self.peers.keys().copied().filter(|id| *id != node).collect();
        let at = self.rng.random_range(0..sources.len());
        let source = sources.swap_remove(at);
        let able = self.peers[&source].core.is_some() && self.peers[&source].height > start;
        match self.link(node, source) {
            Some(after) if able => {
                self.schedule(source, None, after, What::Fetch { from: node, start, end });
            }
            _ => self.schedule(node, Some(life), 20, What::Event(Event::FetchFailed)),
        }
    }

    /// A source answers in pieces.
    pub(super) fn serve_blocks(&mut self, source: NodeId, to: NodeId, start: u64, end: u64) {
        const PIECE: u64 = 7;
        let last = end.min(self.peers[&source].height - 1);
        let mut at = start;
        let life = self.peers[&to].life;
        let mut after = 1;
        while at <= last {
            let piece = at..=last.min(at + PIECE - 1);
            let blocks = piece.filter_map(|n| self.peers[&source].disk.block(n)).collect();
            self.schedule(to, Some(life), after, What::Event(Event::BlocksFetched { blocks }));
            at += PIECE;
            after += 3;
        }
        if last < end {
            self.schedule(to, Some(life), after, What::Event(Event::FetchFailed));
        }
    }
}
