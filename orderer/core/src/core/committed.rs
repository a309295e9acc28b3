//! What is agreed takes effect: blocks join the chain, clients hear SUCCESS, consenters come and go.

use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::common::{Block, Status};

use super::{ChannelCore, Stop};
use crate::chain::{self, ChainError};
use crate::event::Effect;
use crate::raft::ConfChange;
use crate::record::{EntryBody, LogEntry};

impl ChannelCore {
    pub(super) fn on_committed(&mut self, entries: Vec<LogEntry>) -> Result<(), Stop> {
        let Some(last) = entries.last().map(|entry| entry.index) else { return Ok(()) };
        for entry in entries {
            match entry.body {
                EntryBody::Empty => {}
                EntryBody::Block(bytes) => {
                    self.on_block(entry.index, entry.term, bytes).map_err(|error| {
                        Stop(format!(
                            "committed entry {} is not the next block: {error}",
                            entry.index
                        ))
                    })?;
                }
                EntryBody::ConfChange(bytes) => {
                    let change = ConfChange::decode(&bytes).map_err(|error| {
                        Stop(format!("committed entry {}: {error}", entry.index))
                    })?;
                    self.node.apply_conf_change(&change)?;
                    self.forget_strangers();
                    self.effects.push(Effect::MembersChanged);
                }
            }
        }
        self.node.applied_to(last, self.tip.number, self.tip.hash)?;
        self.catch_up.forget_below(&self.tip);
        Ok(())
    }

    fn forget_strangers(&mut self) {
        let (members, wanted) = (self.node.members(), &self.tip.consenters.consenter_ids);
        self.heard.retain(|id, _| members.contains(*id) || wanted.contains(id));
    }

    fn on_block(&mut self, index: u64, term: u64, encoded: Bytes) -> Result<(), ChainError> {
        let block = match self.own_block(index, term) {
            Some((ids, block)) => {
                self.tip = self.tip.follow_made(&block)?;
                for id in ids {
                    self.reply(id, Status::Success, "");
                }
                block
            }
            None => {
                let block = chain::decode(&encoded)?;
                self.tip = self.tip.follow_at(&block, index)?;
                Arc::new(block)
            }
        };
        let is_config = block::is_config(&block);
        self.awaits_configuration |= is_config;
        self.counts.committed += 1;
        self.effects.push(Effect::Commit { block, encoded, is_config });
        Ok(())
    }

    /// The block at this place, if this leader made it.
    fn own_block(
        &mut self,
        index: u64,
        term: u64,
    ) -> Option<(Vec<crate::event::RequestId>, Arc<Block>)> {
        let leadership = self.leadership.as_mut().filter(|l| l.term == term)?;
        let oldest = leadership.under_way.front()?;
        if oldest.index != index || !oldest.is_proposed() {
            return None;
        }
        leadership.under_way.pop_front()?.into_proposed()
    }
}
