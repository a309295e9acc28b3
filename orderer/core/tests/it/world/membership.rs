//! Consenters come, go and come back under another id, as configurations and a node's shell have it.

use carecord_channel::raft::{Consenters, Membership};
use carecord_consensus::NodeId;
use carecord_proto::block;
use carecord_proto::common::{Block, Status};
use prost::Message;

use super::{Peer, World};

impl World {
    /// The consenters by the newest block that anybody committed.
    pub(crate) fn consenters(&self) -> Vec<NodeId> {
        let newest = Block::decode(self.agreed.last().unwrap().clone()).unwrap();
        match block::number(&newest) {
            0 => (1..=self.setting.nodes).collect(),
            _ => block::consenter_metadata(&newest).unwrap().consenter_ids,
        }
    }

    /// The id that the next new consenter gets.
    pub(crate) fn next_id(&self) -> NodeId {
        let newest = Block::decode(self.agreed.last().unwrap().clone()).unwrap();
        match block::number(&newest) {
            0 => self.setting.nodes + 1,
            _ => block::consenter_metadata(&newest).unwrap().next_consenter_id,
        }
    }

    /// An administrator asks for one consenter more.
    pub(crate) fn submit_addition(&mut self, to: NodeId) -> u64 {
        self.next_envelope += 1;
        let name = self.next_envelope;
        let mut ids: Vec<_> = self.consenters().into_iter().map(Some).collect();
        ids.push(None);
        let change = Membership::Add(ids.len() - 1);
        self.send_config(to, name, Consenters { change, ids })
    }

    /// An administrator asks for one consenter less.
    pub(crate) fn submit_removal(&mut self, to: NodeId, id: NodeId) -> u64 {
        self.next_envelope += 1;
        let name = self.next_envelope;
        let ids = self.consenters().into_iter().filter(|other| *other != id).map(Some).collect();
        self.send_config(to, name, Consenters { change: Membership::Remove(id), ids })
    }

    /// An administrator asks for another certificate of a consenter.
    pub(crate) fn submit_rotation(&mut self, to: NodeId, id: NodeId) -> u64 {
        self.next_envelope += 1;
        let name = self.next_envelope;
        let consenters = self.consenters();
        let at = consenters.iter().position(|other| *other == id).unwrap();
        let ids = consenters.into_iter().map(Some).collect();
        self.send_config(to, name, Consenters { change: Membership::Rotate(id, at), ids })
    }

    /// A machine starts as the consenter `id`: with the disk of the one that it was before, or with nothing but the
    /// first block.
    pub(crate) fn join(&mut self, id: NodeId, before: Option<NodeId>) {
        let mut peer = Peer::new();
        if let Some(before) = before {
            self.stop(before);
            let old = self.peers.get_mut(&before).unwrap();
            old.retired = true;
            peer.disk = std::mem::take(&mut old.disk);
            old.height = 1;
        }
        self.peers.insert(id, peer);
        self.start(id);
    }

    /// A node ends cleanly: what it wrote is durable.
    fn stop(&mut self, id: NodeId) {
        let volatile = self.peers[&id].disk.volatile();
        self.crash_keeping(id, volatile);
    }

    /// A node learned that it is out.
    pub(super) fn retire(&mut self, id: NodeId) {
        self.peers.get_mut(&id).unwrap().retired = true;
        self.stop(id);
    }

    /// A node without leader reads newer blocks of another, if it reaches one, and stops if they name it no more.
    pub(super) fn look_elsewhere(&mut self, id: NodeId) {
        let others: Vec<NodeId> = self.peers.keys().copied().filter(|other| *other != id).collect();
        for other in others {
            let reached = self.link(id, other).is_some() && self.link(other, id).is_some();
            let height = self.peers[&other].height;
            if !reached || self.peers[&other].core.is_none() || height <= self.peers[&id].height {
                continue;
            }
            let newest = self.peers[&other].disk.block(height - 1).unwrap();
            let newest = Block::decode(newest).unwrap();
            let metadata = block::consenter_metadata(&newest).unwrap();
            let out = id < metadata.next_consenter_id && !metadata.consenter_ids.contains(&id);
            if out {
                return self.retire(id);
            }
        }
    }

    /// True if `from` is none of those whom `node` would let in.
    pub(super) fn is_stranger(&self, node: NodeId, from: NodeId) -> bool {
        let Some(core) = &self.peers[&node].core else { return false };
        let (voters, learners) = core.members();
        let known = core.consenter_ids();
        let knows =
            |id: NodeId| known.contains(&id) || voters.contains(&id) || learners.contains(&id);
        // A node that is behind lets in whom the newest configuration names: its shell has read that far.
        !knows(from) && !self.consenters().contains(&from)
    }

    /// Who takes part and lives.
    pub(crate) fn taking_part(&self) -> Vec<NodeId> {
        let consenters = self.consenters();
        let lives = |id: &NodeId| self.peers.get(id).is_some_and(|peer| peer.core.is_some());
        consenters.into_iter().filter(lives).collect()
    }

    /// Sends a change until it is ordered; tells whether it was within so many milliseconds.
    pub(crate) fn insist(&mut self, ms: u64, submit: impl Fn(&mut Self, NodeId) -> u64) -> bool {
        let end = self.now + ms;
        while self.now < end {
            let Some(leader) = self.leader() else {
                self.run(100);
                continue;
            };
            let name = submit(self, leader);
            self.run_until(2_000, |w| w.answer(name).is_some());
            if self.answer(name) == Some(Status::Success) {
                return true;
            }
            if self.is_ordered(name) {
                return true;
            }
            self.run(200);
        }
        false
    }

    /// True if Raft has whom the configuration names, all of them voting, by the leader's word.
    pub(crate) fn is_in_line(&self) -> bool {
        let Some(core) = self.leader().and_then(|id| self.peers[&id].core.as_ref()) else {
            return false;
        };
        let mut wanted = self.consenters();
        wanted.sort_unstable();
        core.members() == (&wanted[..], &[][..])
    }

    /// True if the configuration of that name is in the chain.
    fn is_ordered(&self, name: u64) -> bool {
        let bytes = &self.configs[&name].0;
        self.agreed
            .iter()
            .any(|block| block::envelopes(&Block::decode(block.clone()).unwrap()).contains(bytes))
    }
}
