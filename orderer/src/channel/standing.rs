//! How a channel fares here, in the words of channel participation (Fabric's `orderer/common/types/channelinfo.go`).

use carecord_monitoring::OrdererMetrics;

/// How a channel fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A consenter: somebody else, this node, or nobody leads.
    Active { leader: Option<u64>, is_self: bool },
    /// No consenter: it takes the blocks that the consenters made.
    Following {
        /// The blocks below the one that the channel was joined by are still missing.
        onboarding: bool,
        /// Whether a source is connected.
        connected: bool,
    },
    /// The channel halted; nothing is accepted, blocks are still delivered.
    Failed { reason: String },
    /// The channel was removed from this node.
    Removed,
}

/// What this node is to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It takes part in consensus.
    Consenter = 1,
    /// It fetches blocks only.
    Follower = 2,
}

/// How far a channel is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stores no blocks.
    Inactive = 0,
    /// It runs.
    Active = 1,
    /// Blocks below the one that it was joined by are missing.
    Onboarding = 2,
    /// It cannot go on.
    Failed = 3,
}

// === impl State ===

impl State {
    pub(crate) fn relation(&self) -> Relation {
        match self {
            Self::Following { .. } => Relation::Follower,
            Self::Active { .. } | Self::Failed { .. } | Self::Removed => Relation::Consenter,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Following { onboarding: true, .. } => Standing::Onboarding,
            Self::Active { .. } | Self::Following { .. } => Standing::Active,
            Self::Failed { .. } => Standing::Failed,
            Self::Removed => Standing::Inactive,
        }
    }

    /// Shows it in the metrics, by Fabric's numbers.
    pub(crate) fn measure(&self, metrics: &OrdererMetrics, channel: &str) {
        let name = [channel];
        metrics.participation_status.with_label_values(&name).set(self.standing() as i64);
        let relation = self.relation() as i64;
        metrics.participation_consensus_relation.with_label_values(&name).set(relation);
    }
}

// === impl Relation ===

impl Relation {
    /// Fabric's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Consenter => "consenter",
            Self::Follower => "follower",
        }
    }
}

// === impl Standing ===

impl Standing {
    /// Fabric's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Onboarding => "onboarding",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
        }
    }
}
