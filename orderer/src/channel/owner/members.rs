//! Who takes part, as the newest configuration and Raft say.

use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_consensus::{ChannelParams, Event, NodeId};
use carecord_proto::common::Block;

use super::{Owner, Start};
use crate::Error;
use crate::cluster::Members;

impl Owner<'_> {
    /// The bundle of a configuration block, whose metadata number the consenters.
    pub(super) fn put_in_force(&mut self, bundle: Bundle, block: &Block) -> Result<(), Error> {
        let params = ChannelParams::from_bundle(&bundle)?;
        let members = Members::of_block(&crate::consenters(&bundle)?, block)?;
        let (voters, learners) = self.start.core.members();
        let present = |id: NodeId| voters.contains(&id) || learners.contains(&id);
        let before = self.start.shared.members.load_full();
        let members = members.with_those_who_leave(&before, present);
        let size = &self.start.host.metrics.raft.cluster_size;
        size.with_label_values(&[&self.start.shared.name]).set(members.iter().count() as i64);
        if bundle.sequence() >= self.start.shared.bundle.load().sequence() {
            // In this order: see admission.
            self.start.shared.members.store(Arc::new(members));
            self.start.shared.bundle.store(Arc::new(bundle));
        }
        self.start.params = params.clone();
        self.connect()?;
        self.next.push_back(Event::Configured { params });
        Ok(())
    }

    /// Brings the links in line with who takes part now.
    pub(super) fn connect(&mut self) -> Result<(), Error> {
        let Start { own, shared, host, .. } = &self.start;
        self.peers.connect(*own, shared, host)
    }

    /// Raft took somebody in or let somebody go.
    pub(super) fn members_changed(&mut self) {
        let (voters, learners) = self.start.core.members();
        let present = |id: NodeId| voters.contains(&id) || learners.contains(&id);
        let members = self.start.shared.members.load().without_those_who_left(present);
        self.start.shared.members.store(Arc::new(members));
        if let Err(error) = self.connect() {
            self.halted(format!("links to the consenters: {error}"));
        }
    }
}
