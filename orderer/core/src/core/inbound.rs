//! Another consenter speaks: through the inbox to Raft, or into a catch-up.

use carecord_proto::carecord::orderer::RaftMessage;

use super::{ChannelCore, Stop};
use crate::chain::{self, ChainError};
use crate::event::{Effect, NodeId};
use crate::raft::{self, ConfChange, Dropped};
use crate::record::EntryBody;

impl ChannelCore {
    pub(super) fn on_inbound(&mut self, from: NodeId, message: RaftMessage) -> Result<(), Stop> {
        if self.tip.consenters.consenter_ids.contains(&from) || self.node.members().contains(from) {
            self.heard.insert(from, self.ticks);
        }
        match raft::check(from, &message, &self.node.facts(self.promises_are_durable())) {
            Ok(()) if message.snapshot.is_some() => self.on_snapshot(message),
            Ok(()) => {
                self.check_appended(&message)?;
                self.node.follower_lost_data(&message)?;
                Ok(self.node.step(message)?)
            }
            Err(reason) => {
                *self.counts.dropped.entry(reason).or_default() += 1;
                if reason == Dropped::CommitBeyondLog {
                    let answer = self.node.resync(message)?;
                    self.effects.push(Effect::Send { to: answer.to, message: answer });
                    // A leader commits to a node only what that node confirmed.
                    if self.node.stop_voting() {
                        self.effects.push(Effect::LostData);
                    }
                }
                Ok(())
            }
        }
    }
}

impl ChannelCore {
    /// What a leader appends must be blocks by their numbers, before anything else enters the log.
    fn check_appended(&self, message: &RaftMessage) -> Result<(), Stop> {
        let appends = raft::is_append(message)
            && !message.entries.is_empty()
            && message.term >= self.node.term()
            && message.index >= self.node.committed()
            && self.node.has_point(message.index, message.log_term);
        if !appends {
            return Ok(());
        }
        let newest = self.node.newest_block(message.index);
        let mut number = newest.and_then(|b| chain::claimed_number(&b)).unwrap_or(self.tip.number);
        for entry in &message.entries {
            let stop = |error: String| {
                Stop(format!("entry {} of node {}: {error}", entry.index, message.from))
            };
            match raft::body_in(entry) {
                EntryBody::Empty => {}
                EntryBody::ConfChange(bytes) => {
                    ConfChange::decode(&bytes).map_err(|error| stop(error.to_string()))?;
                }
                EntryBody::Block(bytes) => {
                    number = next_number(number, &bytes).map_err(|e| stop(e.to_string()))?;
                }
            }
        }
        Ok(())
    }
}

fn next_number(before: u64, bytes: &bytes::Bytes) -> Result<u64, ChainError> {
    let header = chain::decode(bytes)?.header.ok_or(ChainError::Missing("header"))?;
    if Some(header.number) != before.checked_add(1) {
        return Err(ChainError::Number { tip: before, found: header.number });
    }
    Ok(header.number)
}
