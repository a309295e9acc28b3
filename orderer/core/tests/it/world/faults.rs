//! What goes wrong: crashes, cut links, lost messages.

use carecord_consensus::NodeId;
use rand::Rng;

use super::{Asker, What, World};
use crate::disk::Disk;

impl World {
    /// How long a message takes over a link, or nothing if it is lost.
    pub(super) fn link(&mut self, from: NodeId, to: NodeId) -> Option<u64> {
        let lost = self.rng.random_range(0..1000) < self.setting.loss;
        let delay = self.rng.random_range(0..=self.setting.delay_ms);
        (!lost && !self.cut.contains(&(from, to)) && self.peers.contains_key(&to)).then_some(delay)
    }

    /// A node dies; of its writes that are not durable a random beginning is left.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let volatile = self.peers[&id].disk.volatile();
        let survivors = self.rng.random_range(0..=volatile);
        self.crash_keeping(id, survivors);
    }

    /// A node dies; nothing is left but what is durable.
    pub(crate) fn crash_losing_all(&mut self, id: NodeId) {
        self.crash_keeping(id, 0);
    }

    pub(super) fn crash_keeping(&mut self, id: NodeId, survivors: usize) {
        let peer = self.peers.get_mut(&id).unwrap();
        if peer.core.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        peer.life += 1;
        peer.disk.crash(survivors);
        for asker in std::mem::take(&mut peer.requests).into_values() {
            if let Asker::Client { envelope } = asker {
                self.orphans.insert(envelope);
            }
        }
    }

    /// A dead node comes back after a while.
    pub(crate) fn restart_after(&mut self, id: NodeId, ms: u64) {
        let life = self.peers[&id].life;
        self.schedule(id, Some(life), ms, What::Restart);
    }

    /// A dead node lost its disk and must not vote under its old id.
    pub(crate) fn wipe(&mut self, id: NodeId) {
        let peer = self.peers.get_mut(&id).unwrap();
        peer.disk.wipe();
        peer.lost_data = true;
        peer.votes = false;
        peer.promises = super::checks::Promises::default();
    }

    /// A dead node gets an older state of its disk; it does not know that it is one.
    pub(crate) fn restore(&mut self, id: NodeId, disk: Disk) {
        let peer = self.peers.get_mut(&id).unwrap();
        peer.disk = disk;
        peer.lost_data = true;
        peer.promises = super::checks::Promises::default();
    }

    pub(crate) fn isolate(&mut self, id: NodeId) {
        let others: Vec<NodeId> = self.peers.keys().copied().filter(|other| *other != id).collect();
        for other in others {
            self.cut.insert((id, other));
            self.cut.insert((other, id));
        }
    }

    pub(crate) fn recover(&mut self) {
        self.cut.clear();
    }

    /// Something random goes wrong, or right again.
    pub(crate) fn mishap(&mut self) {
        let ids: Vec<NodeId> = self.peers.keys().copied().collect();
        let victim = ids[self.rng.random_range(0..ids.len())];
        match self.rng.random_range(0..10) {
            0..=2 => {
                self.crash(victim);
                let after = self.rng.random_range(1..4_000);
                self.restart_after(victim, after);
            }
            3 => {
                for id in ids {
                    self.crash(id);
                    let after = self.rng.random_range(1..1_000);
                    self.restart_after(id, after);
                }
            }
            4 | 5 => self.isolate(self.leader().unwrap_or(victim)),
            6 => {
                let other = ids[self.rng.random_range(0..ids.len())];
                self.cut.insert((victim, other));
            }
            7 => self.setting.loss = self.rng.random_range(0..200),
            _ => {
                self.recover();
                self.setting.loss = 0;
            }
        }
    }

    /// All links work, all nodes live.
    pub(crate) fn heal(&mut self) {
        self.recover();
        self.setting.loss = 0;
        let dead: Vec<NodeId> =
            self.peers.iter().filter(|(_, peer)| peer.core.is_none()).map(|(id, _)| *id).collect();
        for id in dead {
            self.start(id);
        }
    }
}
