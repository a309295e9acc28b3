//! Maintenance of the ordering service: how a channel enters and leaves it.
//!
//! In maintenance only orderer administrators write. Entering and leaving must be the only change of an update, so that
//! nothing slips in with it.

use carecord_proto::common::{ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope, Envelope};
use carecord_proto::envelope::Opened;
use prost::Message;

use crate::Bundle;
use crate::channel::ORDERER_GROUP;
use crate::orderer::{CONSENSUS_TYPE, OrdererConfig};

/// Why an update must not change the state or type of consensus so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceError {
    /// No `Orderer` group.
    #[error("next config is missing orderer group")]
    NoOrderer,
    /// The update cannot be read again.
    #[error("envelope to config update unmarshalling error")]
    Update,
    /// The ordering service's capabilities allow neither state nor type to change.
    #[error("next config attempted to change {0}, but capability is disabled")]
    Capability(&'static str),
    /// Something changes together with the state.
    #[error("{0}")]
    MoreThanState(&'static str),
    /// The type or metadata change together with the state.
    #[error("attempted to change {what}, but ConsensusType.State is changing from {from} to {to}")]
    WithState {
        /// What changes too.
        what: &'static str,
        /// The current state.
        from: &'static str,
        /// The next one.
        to: &'static str,
    },
    /// The type changes while not in maintenance.
    #[error(
        "attempted to change consensus type from {from} to {to}, but current config ConsensusType.State is not in \
         maintenance mode"
    )]
    NotInMaintenance {
        /// The current type.
        from: String,
        /// The next one.
        to: String,
    },
    /// The type changes to one that our orderers do not run.
    #[error("attempted to change consensus type from {from} to {to}, transition not supported")]
    Transition {
        /// The current type.
        from: String,
        /// The next one.
        to: String,
    },
}

// === impl Bundle ===

impl Bundle {
    /// Whether `next`, to which `update` led, changes state and type of consensus only as allowed.
    pub fn check_maintenance(
        &self,
        next: &Self,
        update: &Envelope,
    ) -> Result<(), MaintenanceError> {
        let current = self.orderer().ok_or(MaintenanceError::NoOrderer)?;
        let next = next.orderer().ok_or(MaintenanceError::NoOrderer)?;
        let same_type = current.consensus_type == next.consensus_type;
        if !current.capabilities.consensus_type_migration() {
            return match (next.maintenance, same_type) {
                (true, _) => Err(MaintenanceError::Capability("ConsensusType.State")),
                (_, false) => Err(MaintenanceError::Capability("ConsensusType.Type")),
                _ => Ok(()),
            };
        }
        if current.maintenance != next.maintenance {
            check_only_state(update)?;
            check_rest(current, next)?;
        }
        let (from, to) = (current.consensus_type.clone(), next.consensus_type.clone());
        match (same_type, current.maintenance) {
            (true, _) => Ok(()),
            (false, false) => Err(MaintenanceError::NotInMaintenance { from, to }),
            (false, true) => Err(MaintenanceError::Transition { from, to }),
        }
    }
}

fn check_rest(current: &OrdererConfig, next: &OrdererConfig) -> Result<(), MaintenanceError> {
    let state = |config: &OrdererConfig| match config.maintenance {
        true => "STATE_MAINTENANCE",
        false => "STATE_NORMAL",
    };
    let (from, to) = (state(current), state(next));
    if current.consensus_type != next.consensus_type {
        return Err(MaintenanceError::WithState { what: "ConsensusType.Type", from, to });
    }
    if current.consensus_metadata != next.consensus_metadata {
        return Err(MaintenanceError::WithState { what: "ConsensusType.Metadata", from, to });
    }
    Ok(())
}

/// Refuses an update that writes anything but the consensus type.
fn check_only_state(update: &Envelope) -> Result<(), MaintenanceError> {
    let write_set = write_set(update).ok_or(MaintenanceError::Update)?;
    let refuse = |why| Err(MaintenanceError::MoreThanState(why));
    if write_set.groups.is_empty() {
        return refuse("config update contains no changes");
    }
    if !write_set.values.is_empty() {
        return refuse("config update contains changes to values in group Channel");
    }
    if write_set.groups.len() > 1 {
        return refuse("config update contains changes to more than one group");
    }
    let Some(orderer) = write_set.groups.get(ORDERER_GROUP) else {
        return refuse("update does not contain the Orderer group");
    };
    if !orderer.groups.is_empty() {
        return refuse("config update contains changes to groups within the Orderer group");
    }
    if !orderer.values.contains_key(CONSENSUS_TYPE) {
        return refuse("config update does not contain the ConsensusType value");
    }
    if orderer.values.len() > 1 {
        return refuse(
            "config update contain more then just the ConsensusType value in the Orderer group",
        );
    }
    Ok(())
}

fn write_set(update: &Envelope) -> Option<ConfigGroup> {
    let opened = Opened::open(update).ok()?;
    let update = ConfigUpdateEnvelope::decode(opened.payload.data).ok()?;
    ConfigUpdate::decode(update.config_update).ok()?.write_set
}
