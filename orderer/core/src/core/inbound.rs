//! Another consenter speaks: through the inbox to Raft, or into a catch-up.

use carecord_proto::carecord::orderer::RaftMessage;

use super::{ChannelCore, Stop};
use crate::event::{Effect, NodeId};
use crate::raft::{self, Dropped};

impl ChannelCore {
    pub(super) fn on_inbound(&mut self, from: NodeId, message: RaftMessage) -> Result<(), Stop> {
        match raft::check(from, &message, &self.node.facts(self.is_settled())) {
            Ok(()) if message.snapshot.is_some() => self.on_snapshot(message),
            Ok(()) => {
                self.node.follower_lost_data(&message)?;
                Ok(self.node.step(message)?)
            }
            Err(reason) => {
                *self.counts.dropped.entry(reason).or_default() += 1;
                if reason == Dropped::CommitBeyondLog {
                    let answer = self.node.resync(message)?;
                    self.effects.push(Effect::Send { to: answer.to, message: answer });
                }
                Ok(())
            }
        }
    }
}
