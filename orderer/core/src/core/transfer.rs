//! Leadership is handed over: because an operator wants it, because this node stops, or because it is no consenter any
//! more.
//!
//! | from here | to | when |
//! |---|---|---|
//! | asked | refused with a cause | this node does not lead, or the other cannot lead now |
//! | asked | under way | the other is told to stand for election, once in each heartbeat interval |
//! | under way | ended well | the other leads |
//! | under way | timed out | an election timeout passed and this node leads still: it goes on ordering |
//! | under way | elsewhere, or timed out | this node lost leadership, and another won, or nobody within two more timeouts |
//!
//! Nothing is ordered while it is under way, hence the short patience; whoever asked may ask again.

use super::{ChannelCore, Stop};
use crate::event::{Effect, NodeId};
use crate::limits;
use crate::transfer::{TransferError, TransferToken};

/// A transfer under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    to: NodeId,
    /// Who wants to know what becomes of it; nobody if the core began it itself.
    token: Option<TransferToken>,
    /// The tick at which it began.
    begun: u64,
}

impl ChannelCore {
    pub(super) fn on_transfer(
        &mut self,
        token: TransferToken,
        to: Option<NodeId>,
    ) -> Result<(), Stop> {
        let outcome = match to {
            Some(to) if to == self.config.id && self.is_leader() => Ok(()),
            to => match self.begin_transfer(Some(token), to)? {
                Ok(()) => return Ok(()),
                refused => refused,
            },
        };
        self.effects.push(Effect::TransferEnded { token, outcome });
        Ok(())
    }

    /// Begins to hand over to `to`, or to whoever has most of the log.
    pub(super) fn begin_transfer(
        &mut self,
        token: Option<TransferToken>,
        to: Option<NodeId>,
    ) -> Result<Result<(), TransferError>, Stop> {
        let to = match self.transferee(to) {
            Ok(to) => to,
            Err(refused) => return Ok(Err(refused)),
        };
        self.transfer = Some(Transfer { to, token, begun: self.ticks });
        self.node.begin_transfer(to)?;
        Ok(Ok(()))
    }

    fn transferee(&self, to: Option<NodeId>) -> Result<NodeId, TransferError> {
        if !self.is_leader() {
            return Err(TransferError::NotLeader);
        }
        if let Some(transfer) = &self.transfer {
            return Err(TransferError::UnderWay(transfer.to));
        }
        let named = &self.tip.consenters.consenter_ids;
        let Some(to) = to else {
            return self.node.successor(named).ok_or(TransferError::NobodyElse);
        };
        if !named.contains(&to) || !self.node.members().voters.contains(&to) {
            return Err(TransferError::NotVoter(to));
        }
        if !self.is_alive(to) {
            return Err(TransferError::Silent(to));
        }
        let lag = self.node.last_index().saturating_sub(self.node.matched(to).unwrap_or_default());
        let usual = limits::CAUGHT_UP_LAG + u64::from(self.params.raft.max_inflight_blocks);
        if lag > usual { Err(TransferError::Behind { to, lag }) } else { Ok(to) }
    }

    /// Tells the other once more: the message may have been lost, or have come while it could not stand.
    pub(super) fn urge_transferee(&mut self) -> Result<(), Stop> {
        let Some(transfer) = self.transfer else { return Ok(()) };
        let pause = u64::from(self.params.raft.heartbeat_tick.max(1));
        if self.is_leader() && (self.ticks - transfer.begun).is_multiple_of(pause) {
            self.node.urge(transfer.to)?;
        }
        Ok(())
    }

    /// Ends the transfer under way when it is clear what became of it.
    pub(super) fn watch_transfer(&mut self) -> Result<(), Stop> {
        let Some(Transfer { to, begun, .. }) = self.transfer else { return Ok(()) };
        let elections = (self.ticks - begun) / u64::from(self.params.raft.election_tick.max(1));
        let outcome = match self.leader() {
            _ if self.is_leader() => {
                if self.node.is_transferring() && elections < limits::TRANSFER_ELECTIONS {
                    return Ok(());
                }
                self.node.abort_transfer()?;
                Err(TransferError::TimedOut(to))
            }
            Some(leader) if leader == to => Ok(()),
            Some(leader) => Err(TransferError::Elsewhere(leader)),
            None if elections < limits::TRANSFER_ELECTIONS + limits::ELECTED_ELECTIONS => {
                return Ok(());
            }
            None => Err(TransferError::TimedOut(to)),
        };
        self.end_transfer(outcome);
        Ok(())
    }

    /// Nobody waits any longer for the transfer under way.
    pub(super) fn end_transfer(&mut self, outcome: Result<(), TransferError>) {
        if let Some(Transfer { token: Some(token), .. }) = self.transfer.take() {
            self.effects.push(Effect::TransferEnded { token, outcome });
        }
    }
}
