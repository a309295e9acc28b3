//! What must hold, at every step and in the end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use carecord_consensus::NodeId;
use carecord_proto::carecord::orderer::RaftMessage;
use carecord_proto::common::{Block, Status};
use prost::Message;

use super::{Lie, World, envelope};

const APPEND_RESPONSE: i32 = 4;
const VOTE_RESPONSE: i32 = 6;

/// What a node told others and must still know after a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    /// For whom it voted in each term.
    votes: BTreeMap<u64, NodeId>,
    /// The highest term in which it confirmed or granted something.
    term: u64,
    /// Up to where it confirmed entries that no later leader made void.
    confirmed: u64,
}

impl Promises {
    /// A new leader made entries void.
    pub(super) fn truncated(&mut self, from: u64) {
        self.confirmed = self.confirmed.min(from - 1);
    }
}

impl World {
    /// A message that grants a vote or confirms entries is a promise.
    pub(super) fn note_promise(&mut self, from: NodeId, message: &RaftMessage) {
        let granted = message.r#type == VOTE_RESPONSE && !message.reject;
        let confirmed = message.r#type == APPEND_RESPONSE && !message.reject;
        if !granted && !confirmed {
            return;
        }
        let peer = self.peers.get_mut(&from).unwrap();
        let current = peer.core.as_ref().is_some_and(|core| core.term() == message.term);
        let promises = &mut peer.promises;
        if confirmed && current {
            promises.confirmed = promises.confirmed.max(message.index);
        }
        promises.term = promises.term.max(message.term);
        if granted {
            let before = promises.votes.insert(message.term, message.to);
            if before.is_some_and(|before| before != message.to) {
                let term = message.term;
                self.violation(format!("node {from} voted for two in term {term}"));
            }
        }
    }

    /// A node that granted somebody its vote.
    pub(crate) fn voter(&self) -> Option<NodeId> {
        let voted = |peer: &super::Peer| !peer.promises.votes.is_empty();
        self.peers.iter().find(|(_, peer)| voted(peer)).map(|(id, _)| *id)
    }

    /// After a restart no promised term may be forgotten.
    pub(super) fn check_promises(&mut self, id: NodeId) {
        let peer = &self.peers[&id];
        let Some(core) = &peer.core else { return };
        let (term, promised) = (core.term(), peer.promises.term);
        let (last, confirmed) = (peer.disk.last_index(), peer.promises.confirmed);
        if last < confirmed {
            self.violation(format!("node {id} came back with {last} entries, it had {confirmed}"));
        }
        if term < promised {
            self.violation(format!(
                "node {id} came back in term {term}, it had promised {promised}"
            ));
        }
    }

    pub(super) fn leader_changed(&mut self, node: NodeId, term: u64, is_self: bool) {
        self.mix(term << 8 ^ u64::from(is_self));
        if !is_self {
            return;
        }
        self.stats.elections += 1;
        let other = self.leaders.insert(term, node);
        if other.is_some_and(|other| other != node) {
            self.violation(format!("two leaders in term {term}"));
        }
    }

    /// A block becomes visible at a node: the next one, and the same as everywhere.
    pub(super) fn committed(&mut self, node: NodeId, number: u64, bytes: &Bytes) {
        self.mix(number << 24 ^ bytes.len() as u64);
        let peer = self.peers.get_mut(&node).unwrap();
        if number != peer.height {
            let height = peer.height;
            return self
                .violation(format!("node {node} at height {height} committed block {number}"));
        }
        peer.height += 1;
        if self.setting.lie == Lie::Never && !peer.disk.is_durable(number, bytes) {
            self.violation(format!("node {node} committed block {number} before it was durable"));
        }
        match self.agreed.get(number as usize) {
            Some(agreed) if agreed == bytes => {}
            Some(_) => self.violation(format!("node {node} committed another block {number}")),
            None if number == self.agreed.len() as u64 => self.agreed.push(bytes.clone()),
            None => self.violation(format!("block {number} came before the one below it")),
        }
    }

    pub(super) fn client_hears(&mut self, envelope: u64, status: Status) {
        if status == Status::Success {
            self.stats.acknowledged += 1;
        } else {
            self.stats.refused += 1;
        }
        if self.answers.insert(envelope, Some(status)) != Some(None) {
            self.violation(format!("envelope {envelope} was answered twice"));
        }
    }

    /// The whole of it, once all is healed and still.
    pub(crate) fn verify(&mut self) {
        let mut chain = BTreeSet::new();
        for bytes in self.agreed.clone() {
            for envelope in Block::decode(bytes).unwrap().data.unwrap().data {
                if !chain.insert(envelope) {
                    self.violation("an envelope is in the chain twice".to_owned());
                }
            }
        }
        let answers = self.answers.clone();
        for (name, answer) in answers {
            let bytes =
                self.configs.get(&name).map_or_else(|| envelope(name), |(bytes, _)| bytes.clone());
            match answer {
                Some(Status::Success) if !chain.contains(&bytes) => {
                    self.violation(format!("acknowledged envelope {name} is not in the chain"));
                }
                None if !self.orphans.contains(&name) => {
                    self.violation(format!("envelope {name} never got an answer"));
                }
                _ => {}
            }
        }
        let part = self.consenters();
        let taking_part = self.peers.iter().filter(|(id, _)| part.contains(id));
        let heights: Vec<u64> = taking_part.map(|(_, peer)| peer.height).collect();
        if heights.iter().any(|height| *height != self.agreed.len() as u64) {
            self.violation(format!("heights differ: {heights:?} of {}", self.agreed.len()));
        }
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            for number in 1..self.peers[&id].height {
                if self.peers[&id].disk.block(number).as_ref() != self.agreed.get(number as usize) {
                    self.violation(format!("node {id} holds another block {number}"));
                }
            }
        }
    }
}
