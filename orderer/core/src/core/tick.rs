//! Time goes by: elections, heartbeats, forwarded envelopes that nobody answers, the commit index to be written.

use super::{ChannelCore, Stop};

impl ChannelCore {
    pub(super) fn on_tick(&mut self) -> Result<(), Stop> {
        self.ticks += 1;
        let settled = self.is_settled();
        let stands = !self.tip.evicts(self.config.id);
        self.node.tick(settled, stands)?;
        self.urge_transferee()?;
        self.miss_leader();
        self.expire_forwarded();
        self.ask_for_blocks();
        // The commit index goes along with the next entries; when none come it is written here, without an fsync.
        if settled && let Some(record) = self.node.take_commit_record() {
            self.persist(vec![record], false, 0, Vec::new());
        }
        Ok(())
    }
}
