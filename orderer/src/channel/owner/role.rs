//! What this node is in its channel: leader, follower of a leader, about to leave, or halted.

use carecord_consensus::NodeId;

use super::Owner;
use crate::channel::State;
use crate::channel::life::End;

/// Election timeouts after which a node goes that the configuration names no more and that Raft does not let go.
const ELECTIONS_TO_LEAVE: u32 = 6;

impl Owner<'_> {
    /// Another role, if the configuration or what others say asks for one.
    pub(super) fn reconsider(&mut self) -> Option<End> {
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

    pub(super) fn barred(&mut self, info: &str) {
        let shared = &self.start.shared;
        tracing::error!(channel = shared.name, own = self.start.own, info, "must not vote");
        if let Err(error) = shared.bar(self.start.own) {
            self.halted(format!("this node must not vote, and cannot remember it: {error}"));
        }
    }

    pub(super) fn leader_changed(&mut self, leader: Option<NodeId>, term: u64, is_self: bool) {
        let name = self.start.shared.name.as_str();
        tracing::info!(channel = name, ?leader, term, is_self, "leader changed");
        let metrics = &self.start.host.metrics.raft;
        metrics.is_leader.with_label_values(&[name]).set(is_self.into());
        metrics.term.with_label_values(&[name]).set(term as i64);
        if leader.is_some() {
            metrics.leader_changes.with_label_values(&[name]).inc();
        }
        if self.is_taken_for_one(leader, is_self) {
            self.show(State::Active { leader, is_self });
        }
    }

    /// Shows a consenter that never voted as soon as its leader has welcomed it: until then it may be one that lost its data,
    /// to which the leader, who was not told yet, still writes.
    pub(super) fn show_once_welcome(&mut self) {
        let leader = self.start.core.leader();
        if leader.is_some() && self.is_shown_as_follower() && self.is_taken_for_one(leader, false) {
            self.show(State::Active { leader, is_self: false });
        }
    }

    fn is_taken_for_one(&self, leader: Option<NodeId>, is_self: bool) -> bool {
        let welcome = leader.is_some_and(|leader| self.peers.is_connected(leader));
        is_self || welcome || !self.is_shown_as_follower()
    }

    fn is_shown_as_follower(&self) -> bool {
        matches!(*self.start.shared.state.borrow(), State::Following { .. })
    }

    fn show(&self, state: State) {
        self.start.shared.show(state, &self.start.host.metrics);
    }

    pub(super) fn halted(&mut self, reason: String) {
        let name = self.start.shared.name.as_str();
        tracing::error!(channel = name, %reason, "channel halted");
        self.start.host.metrics.participation_status.with_label_values(&[name]).set(3);
        self.start.shared.state.send_replace(State::Failed { reason });
    }
}
