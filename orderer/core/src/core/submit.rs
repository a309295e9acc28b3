//! Envelopes come in: into the leader's line, on to the leader, or back to the client. Each gets one answer.

use carecord_proto::common::Status;

use super::ChannelCore;
use crate::admission::Class;
use crate::config::Acknowledge;
use crate::event::{Effect, Millis, NodeId, RequestId, Submission};
use crate::limits;

/// An envelope that the leader was asked to order.
#[derive(Debug)]
pub(super) struct Forwarded {
    to: NodeId,
    /// The tick at which it is given up, and what is told then.
    deadline: u64,
    late: &'static str,
}

impl ChannelCore {
    pub(super) fn on_submit(&mut self, now: Millis, submission: Submission) {
        if submission.admitted.config_seq < self.params.config_seq {
            self.effects.push(Effect::Readmit { submission });
            return;
        }
        if self.leadership.is_some() {
            if let Some(why) = self.refuse_config(&submission) {
                return self.reply(submission.id, Status::BadRequest, why);
            }
            return self.queue(now, submission);
        }
        match self.node.leader() {
            Some(to) if !submission.forwarded && to != self.config.id => {
                self.forward(to, submission);
            }
            _ => self.reply(submission.id, Status::ServiceUnavailable, "no Raft leader"),
        }
    }

    /// Only the leader knows who is alive.
    fn refuse_config(&self, submission: &Submission) -> Option<String> {
        match &submission.admitted.class {
            Class::Normal => None,
            Class::Config(change) => change.loses_quorum(&self.alive()),
        }
    }

    /// Takes an envelope into the leader's line.
    fn queue(&mut self, now: Millis, mut submission: Submission) {
        let Some(leadership) = &mut self.leadership else { return };
        let (count, bytes) = leadership.cutter.waiting();
        let id = submission.id;
        let limit = if count >= self.config.max_pending_envelopes {
            format!("{} envelopes", self.config.max_pending_envelopes)
        } else if bytes.saturating_add(submission.admitted.size) > self.config.max_pending_bytes {
            format!("{} bytes", self.config.max_pending_bytes)
        } else {
            let answer = self.config.acknowledge == Acknowledge::Queued && !submission.answered;
            submission.answered |= answer;
            leadership.cutter.push(now, submission);
            if answer {
                self.reply(id, Status::Success, "");
            }
            return;
        };
        let info = format!("too many envelopes wait to be ordered: the limit is {limit}");
        self.reply(id, Status::ServiceUnavailable, info);
    }

    fn forward(&mut self, to: NodeId, submission: Submission) {
        let id = submission.id;
        if self.forwarded.len() >= limits::MAX_FORWARDED_ENVELOPES {
            let info = format!(
                "too many envelopes wait for the leader: the limit is {}",
                limits::MAX_FORWARDED_ENVELOPES
            );
            return self.reply(id, Status::ServiceUnavailable, info);
        }
        let patience = limits::FORWARD_ELECTIONS.saturating_mul(self.params.raft.election_tick);
        let deadline = self.ticks + u64::from(patience);
        let late = "the leader did not answer in time";
        self.forwarded.insert(id, Forwarded { to, deadline, late });
        let envelope = submission.admitted.submitted().clone();
        self.effects.push(Effect::Forward { to, id, envelope });
    }

    pub(super) fn on_forward_reply(&mut self, id: RequestId, status: Status, info: String) {
        if self.forwarded.remove(&id).is_some() {
            self.reply(id, status, info);
        }
    }

    /// Answers all forwarded envelopes: nothing can be waited for any longer.
    pub(super) fn give_up_forwarded(&mut self, why: &str) {
        for (id, _) in std::mem::take(&mut self.forwarded) {
            self.reply(id, Status::ServiceUnavailable, why);
        }
    }

    pub(super) fn expire_forwarded(&mut self) {
        let ticks = self.ticks;
        let expired = self.forwarded.extract_if(.., |_, forwarded| forwarded.deadline <= ticks);
        let expired: Vec<_> = expired.map(|(id, forwarded)| (id, forwarded.late)).collect();
        for (id, why) in expired {
            self.reply(id, Status::ServiceUnavailable, why);
        }
    }

    /// A leader that was replaced answers all that it took, and may have ordered it before it handed over; its answers are
    /// on their way. When the link to it breaks, the shell says so.
    pub(super) fn hurry_old_leader(&mut self, leader: Option<NodeId>) {
        let patience = limits::OLD_LEADER_ELECTIONS.saturating_mul(self.params.raft.election_tick);
        let soon = self.ticks + u64::from(patience);
        for forwarded in self.forwarded.values_mut().filter(|f| Some(f.to) != leader) {
            if soon < forwarded.deadline {
                (forwarded.deadline, forwarded.late) = (soon, "leadership changed");
            }
        }
    }
}
