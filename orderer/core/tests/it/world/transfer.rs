//! Leadership that is handed over on somebody's wish.

use carecord_consensus::{Event, NodeId, TransferError, TransferToken};

use super::World;

impl World {
    /// Asks a node to hand leadership to another, or to anybody.
    pub(crate) fn transfer(&mut self, node: NodeId, to: Option<NodeId>) -> TransferToken {
        let token = TransferToken(self.transfers.len() as u64);
        self.transfers.insert(token, None);
        self.tell(node, Event::TransferLeadership { token, to });
        token
    }

    /// What was told of it; nothing yet while it is under way.
    pub(crate) fn transferred(&self, token: TransferToken) -> Option<Result<(), TransferError>> {
        self.transfers[&token].clone()
    }

    pub(super) fn transfer_ended(
        &mut self,
        token: TransferToken,
        outcome: Result<(), TransferError>,
    ) {
        if !matches!(self.transfers.insert(token, Some(outcome)), Some(None)) {
            self.violation(format!("{token:?} ended twice or was never begun"));
        }
    }
}
