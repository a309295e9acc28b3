//! Raft follows the configuration: who is new listens, then votes; who is gone goes.
//!
//! The last configuration block says who orders, by id. A leader compares that with what Raft has and proposes one step
//! at a time until both agree, however far an earlier leader came. It cuts nothing from a configuration block on until
//! who is gone is out and who is new at least listens; a new one is made a voter once it has caught up, however long
//! that takes, while the channel goes on (decision 0007).

use super::{ChannelCore, Stop};
use crate::event::{Effect, NodeId};
use crate::limits;
use crate::raft::Step;
use crate::transfer::TransferError;

/// A consenter as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsenterStatus {
    /// Its Raft id.
    pub id: NodeId,
    /// True if Raft counts its vote; false while it only listens, or is not known to Raft yet.
    pub votes: bool,
    /// True if it leads, as far as this node knows.
    pub leads: bool,
    /// True if it was heard of lately, or is this node.
    pub alive: bool,
    /// Up to where its log is known to agree; only a leader knows.
    pub matched: Option<u64>,
}

/// What a leader does next about the consenters.
enum Next {
    Step(Step),
    /// This node itself is gone: another must lead, and remove it.
    HandOver,
}

impl ChannelCore {
    /// Proposes the next step, if there is one and it is time; true if something was proposed.
    pub(super) fn follow_configuration(&mut self) -> Result<bool, Stop> {
        let Some(next) = self.next_change() else { return Ok(false) };
        let Some(leadership) = &self.leadership else { return Ok(false) };
        let unready = !leadership.under_way.is_empty()
            || self.node.applied() < leadership.first_index
            || self.node.has_pending_change()
            || self.node.is_transferring();
        match next {
            _ if unready => Ok(false),
            Next::Step(step) => Ok(self.node.propose_change(step)?),
            Next::HandOver => {
                // Without a successor now it is tried again.
                let _ = self.begin_transfer(None, None)?;
                Ok(false)
            }
        }
    }

    /// True while no block may be cut because of who takes part.
    pub(super) fn change_is_due(&self) -> bool {
        self.node.has_pending_change() || self.next_change().is_some()
    }

    fn next_change(&self) -> Option<Next> {
        let wanted = &self.tip.consenters.consenter_ids;
        let members = self.node.members();
        let present = || members.voters.iter().chain(&members.learners).copied();
        let others_gone = present().filter(|id| *id != self.config.id);
        if let Some(id) = others_gone.filter(|id| !wanted.contains(id)).min() {
            return Some(Next::Step(Step::Remove(id)));
        }
        if let Some(id) = wanted.iter().copied().find(|id| !members.contains(*id)) {
            return Some(Next::Step(Step::AddLearner(id)));
        }
        let ready = |id: &NodeId| wanted.contains(id) && self.has_caught_up(*id);
        if let Some(id) = members.learners.iter().copied().find(ready) {
            return Some(Next::Step(Step::Promote(id)));
        }
        (!wanted.contains(&self.config.id)).then_some(Next::HandOver)
    }

    fn has_caught_up(&self, id: NodeId) -> bool {
        let end = self.node.last_index();
        let near = |matched: u64| matched > 0 && matched + limits::CAUGHT_UP_LAG >= end;
        self.is_alive(id) && self.node.matched(id).is_some_and(near)
    }

    /// Stops when this node is out and nobody needs it any more. Until Raft has removed it, it goes on confirming and
    /// voting, since the very entry that removes it may need it.
    pub(super) fn watch_eviction(&mut self) {
        let out = self.tip.evicts(self.config.id)
            && !self.node.members().contains(self.config.id)
            && self.is_settled();
        if out && self.halted.is_none() {
            let why = "this node is no consenter of the channel any more";
            self.give_up_leadership(why);
            self.give_up_forwarded(why);
            self.end_transfer(Err(TransferError::NotLeader));
            self.effects.push(Effect::Evicted);
            self.halted = Some(why.to_owned());
        }
    }

    /// Tells the shell when no leader was heard of for long.
    pub(super) fn miss_leader(&mut self) {
        let patience =
            u64::from(limits::LEADERLESS_ELECTIONS.saturating_mul(self.params.raft.election_tick));
        if self.node.leader().is_some_and(|leader| self.is_alive(leader)) {
            self.led_at = self.ticks;
        } else if self.ticks >= self.led_at + patience {
            self.led_at = self.ticks;
            self.effects.push(Effect::LeaderMissing);
        }
    }

    pub(super) fn is_alive(&self, id: NodeId) -> bool {
        let patience = u64::from(self.params.raft.election_tick);
        id == self.config.id || self.heard.get(&id).is_some_and(|at| self.ticks - at <= patience)
    }

    /// The consenters, by Raft id, that were heard of within an election timeout, and this node.
    pub fn alive(&self) -> Vec<NodeId> {
        self.consenter_ids().iter().copied().filter(|id| self.is_alive(*id)).collect()
    }

    /// The consenters in the order of the configuration.
    pub fn consenters(&self) -> Vec<ConsenterStatus> {
        let members = self.node.members();
        let status = |id: &NodeId| ConsenterStatus {
            id: *id,
            votes: members.voters.contains(id),
            leads: self.leader() == Some(*id),
            alive: self.is_alive(*id),
            matched: self.node.matched(*id).filter(|_| self.is_leader()),
        };
        self.consenter_ids().iter().map(status).collect()
    }
}
