//! What the owner tells the metrics and those who ask how the consenters fare.

use std::time::Instant;

use carecord_consensus::Admitted;

use super::Owner;

impl Owner<'_> {
    pub(super) fn publish_consenters(&self) {
        let consenters = self.start.core.consenters();
        self.start.shared.consenters.send_if_modified(|published| {
            let changed = *published != consenters;
            *published = consenters;
            changed
        });
    }

    /// Consenters that this node has a stream to, itself included.
    pub(super) fn count_active(&self) {
        let connected = self.peers.connected();
        let active = &self.start.host.metrics.raft.active_nodes;
        active.with_label_values(&[&self.start.shared.name]).set(connected as i64 + 1);
    }

    pub(super) fn count_proposal(&mut self, admitted: &Admitted) {
        let raft = &self.start.host.metrics.raft;
        let received = match admitted.is_config() {
            false => &raft.normal_proposals_received,
            true => &raft.config_proposals_received,
        };
        received.with_label_values(&[&self.start.shared.name]).inc();
        self.filling.get_or_insert_with(Instant::now);
    }

    pub(super) fn count_fill(&mut self) {
        if let Some(since) = self.filling.take() {
            let fill = &self.start.host.metrics.block_fill_duration;
            let fill = fill.with_label_values(&[&self.start.shared.name]);
            fill.observe(since.elapsed().as_secs_f64());
        }
    }
}
