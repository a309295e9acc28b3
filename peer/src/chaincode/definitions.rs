//! Which chaincode is deployed on a channel, and whether this peer may run it.

use std::{collections::HashMap, sync::Arc};

use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE, sequence_key},
};
use carecord_proto::lifecycle::{StateData, state_data::Type};
use parking_lot::{Mutex, RwLock};
use prost::Message;

use super::{lifecycle, shim_metrics::ShimMetrics};
use crate::{channel::Channel, gateway::Layout};

/// The definitions of one channel that this peer's organisation has approved, kept until one changes.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    known: RwLock<HashMap<String, Arc<Deployed>>>,
}

/// A chaincode that this peer may run on a channel.
#[derive(Debug)]
pub(crate) struct Deployed {
    /// What the channel has agreed on.
    pub(crate) definition: Definition,
    /// Where its requests are counted.
    pub(crate) metrics: ShimMetrics,
    /// The ways to satisfy its policy, under the configuration of this sequence number.
    layouts: Mutex<Option<(u64, Arc<[Layout]>)>>,
}

// === impl Definitions ===

impl Definitions {
    /// Forgets everything: a transaction of `_lifecycle` was committed.
    pub(crate) fn forget(&self) {
        self.known.write().clear();
    }

    /// A chaincode that this peer has run since its definition last changed.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Deployed>> {
        self.known.read().get(name).cloned()
    }

    /// The definition that the snapshot holds; reading its sequence number goes into the read-write set, as in Fabric.
    pub(crate) fn deployed(
        &self,
        channel: &Channel,
        simulator: &mut Simulator<'_>,
        name: &str,
        msp_id: &str,
        metrics: &carecord_monitoring::ChaincodeMetrics,
    ) -> Result<Arc<Deployed>, String> {
        let sequence = sequence(simulator, name)?;
        if sequence == 0 {
            return Err(format!("chaincode {name} not found"));
        }
        let known = self.known.read().get(name).cloned();
        if let Some(known) = known.filter(|known| known.definition.sequence == sequence) {
            return Ok(known);
        }
        let definition = simulator
            .definition(name)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("chaincode {name} not found"))?;
        if !lifecycle::is_approved(channel, msp_id, name, &definition)? {
            return Err(format!(
                "chaincode definition for '{name}' at sequence {sequence} on channel '{}' has not \
                 yet been approved by this org",
                channel.id()
            ));
        }
        let metrics = ShimMetrics::new(metrics, channel.id(), name, &definition.version);
        let deployed = Arc::new(Deployed { definition, metrics, layouts: Mutex::default() });
        self.known.write().insert(name.to_owned(), Arc::clone(&deployed));
        Ok(deployed)
    }
}

// === impl Deployed ===

impl Deployed {
    /// The ways to satisfy the chaincode's policy; worked out once for each configuration.
    pub(crate) fn layouts<E>(
        &self,
        sequence: u64,
        make: impl FnOnce() -> Result<Vec<Layout>, E>,
    ) -> Result<Arc<[Layout]>, E> {
        let mut layouts = self.layouts.lock();
        if let Some((known, layouts)) = &*layouts
            && *known == sequence
        {
            return Ok(Arc::clone(layouts));
        }
        let made: Arc<[Layout]> = make()?.into();
        *layouts = Some((sequence, Arc::clone(&made)));
        Ok(made)
    }
}

/// The sequence number of the definition in force, 0 if there is none; the read is recorded.
pub(super) fn sequence(simulator: &mut Simulator<'_>, name: &str) -> Result<i64, String> {
    let failed = |reason: String| format!("could not get current sequence: {reason}");
    let stored =
        simulator.get(LIFECYCLE, &sequence_key(name)).map_err(|error| failed(error.to_string()))?;
    let Some(stored) = stored else { return Ok(0) };
    match StateData::decode(stored).map_err(|error| failed(error.to_string()))?.r#type {
        Some(Type::Int64(sequence)) => Ok(sequence),
        None => Ok(0),
        Some(_) => Err(failed("expected Int64".to_owned())),
    }
}
