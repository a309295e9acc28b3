//! Followers that lost something: messages, a snapshot on its way, or data that they once confirmed.

use carecord_proto::carecord::orderer::RaftMessage;
use raft::eraftpb::{Message, MessageType};
use raft::{ProgressState, RawNode, SnapshotStatus};

use super::{Fault, Node};
use crate::event::NodeId;
use crate::raft::convert;
use crate::raft::view::View;

impl Node {
    /// A heartbeat claims that this node had more than it has. The leader's claim to lead is taken, its commit index
    /// is not, and the answer tells it where this log really ends.
    pub(crate) fn resync(&mut self, mut heartbeat: RaftMessage) -> Result<RaftMessage, Fault> {
        let claimed = heartbeat.commit;
        let (to, from) = (heartbeat.from, heartbeat.to);
        heartbeat.commit = self.committed();
        self.step(heartbeat)?;
        let last = self.last_index();
        let mut answer = Message::default();
        answer.set_msg_type(MessageType::MsgAppendResponse);
        answer.to = to;
        answer.from = from;
        answer.term = self.term();
        answer.index = claimed;
        answer.reject = true;
        answer.reject_hint = last;
        answer.log_term = self.raw.raft.raft_log.term(last).unwrap_or_default();
        Ok(convert::message_out(answer))
    }

    /// A follower refused an entry that it once confirmed, so it lost data: send from where its log ends.
    pub(crate) fn follower_lost_data(&mut self, message: &RaftMessage) -> Result<(), Fault> {
        let lost = message.reject
            && message.term == self.term()
            && self.is_leader()
            && message.r#type == MessageType::MsgAppendResponse as i32;
        if !lost {
            return Ok(());
        }
        self.run(|raw| {
            let Some(progress) = raw.raft.mut_prs().get_mut(message.from) else { return };
            if message.index <= progress.matched && message.reject_hint < progress.matched {
                progress.matched = message.reject_hint;
                progress.snapshot_failure();
                progress.become_probe();
            }
        })
    }

    pub(crate) fn unreachable(&mut self, node: NodeId) -> Result<(), Fault> {
        self.run(|raw| {
            raw.report_unreachable(node);
            raw.report_snapshot(node, SnapshotStatus::Failure);
        })
    }

    /// A snapshot message may be lost; a follower that shows no progress in time is probed again.
    pub(super) fn retry_snapshots(&mut self) {
        let waiting: Vec<NodeId> = self
            .raw
            .raft
            .prs()
            .iter()
            .filter(|(_, progress)| progress.state == ProgressState::Snapshot)
            .map(|(id, _)| *id)
            .collect();
        self.snapshots.retain(|(id, _)| waiting.contains(id));
        for id in waiting {
            match self.snapshots.iter_mut().find(|(known, _)| *known == id) {
                None => self.snapshots.push((id, 0)),
                Some((_, ticks)) if *ticks < self.snapshot_patience => *ticks += 1,
                Some((_, ticks)) => {
                    *ticks = 0;
                    self.raw.report_snapshot(id, SnapshotStatus::Failure);
                }
            }
        }
    }
}

/// Reordered answers can set the next index at or below the matched one, which raft 0.7.0 does not mend.
pub(super) fn keep_sane(raw: &mut RawNode<View>, from: NodeId) {
    if let Some(progress) = raw.raft.mut_prs().get_mut(from)
        && progress.next_idx <= progress.matched
    {
        progress.next_idx = progress.matched + 1;
    }
}
