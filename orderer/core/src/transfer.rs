//! What becomes of a wish to hand leadership over.

use crate::event::NodeId;

/// Names one wish to hand leadership over; the shell never uses one twice at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferToken(pub u64);

/// Why leadership did not go to whom it was meant for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Only a leader can hand over.
    #[error("this node does not lead")]
    NotLeader,
    /// There is no other voter that the configuration names.
    #[error("there is no other voter")]
    NobodyElse,
    /// It takes no part in Raft, or only listens until it has caught up.
    #[error("consenter {0} has no vote (yet)")]
    NotVoter(NodeId),
    /// The leader has not heard of it for an election timeout.
    #[error("consenter {0} is not heard of")]
    Silent(NodeId),
    /// Nothing can be ordered until it has caught up, so it is asked again later.
    #[error("the log of consenter {to} is {lag} entries behind")]
    Behind {
        /// Who was to lead.
        to: NodeId,
        /// Entries that it is not known to have.
        lag: u64,
    },
    /// One at a time.
    #[error("leadership is being handed to consenter {0}")]
    UnderWay(NodeId),
    /// It was asked again and again and did not stand for election, or nobody was elected.
    #[error("consenter {0} was asked to lead and did not take leadership in time")]
    TimedOut(NodeId),
    /// Somebody else won the election.
    #[error("consenter {0} took leadership instead")]
    Elsewhere(NodeId),
}

// === impl TransferError ===

impl TransferError {
    /// True if the same node may succeed with the same wish a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotLeader | Self::NobodyElse | Self::Elsewhere(_) => false,
            Self::NotVoter(_)
            | Self::Silent(_)
            | Self::Behind { .. }
            | Self::UnderWay(_)
            | Self::TimedOut(_) => true,
        }
    }
}
