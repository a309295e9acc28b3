//! Handing leadership over, as Raft does it: the leader stops proposing, brings the other up to date and tells it to stand
//! for election at once.

use super::{Fault, Node};
use crate::event::NodeId;

impl Node {
    /// Whom to hand over to among `candidates`: a voter that was heard of, and of these the one with most of the log.
    pub(crate) fn successor(&self, candidates: &[NodeId]) -> Option<NodeId> {
        let own = self.raw.raft.id;
        let voters = &self.members().voters;
        let eligible = |id: &NodeId| *id != own && voters.contains(id) && candidates.contains(id);
        let all = self.raw.raft.prs().iter().filter(|(id, _)| eligible(id));
        all.map(|(id, progress)| (progress.recent_active, progress.matched, *id))
            .max()
            .map(|(_, _, id)| id)
    }

    /// Begins to hand over to a voter; Raft gives up by itself after an election timeout.
    pub(crate) fn begin_transfer(&mut self, to: NodeId) -> Result<(), Fault> {
        self.run(|raw| raw.transfer_leader(to))
    }

    /// Tells a voter that has the whole log once more to stand for election. Twice does no harm: who stands already is in
    /// a later term than this message.
    pub(crate) fn urge(&mut self, to: NodeId) -> Result<(), Fault> {
        let last = self.last_index();
        let current = self.raw.raft.lead_transferee == Some(to) && self.matched(to) == Some(last);
        self.run(|raw| {
            if current {
                raw.raft.send_timeout_now(to);
            }
        })
    }

    /// Goes on as leader.
    pub(crate) fn abort_transfer(&mut self) -> Result<(), Fault> {
        self.run(|raw| raw.raft.abort_leader_transfer())
    }

    /// True while leadership is being handed over: nothing can be proposed then.
    pub(crate) fn is_transferring(&self) -> bool {
        self.raw.raft.lead_transferee.is_some()
    }
}
