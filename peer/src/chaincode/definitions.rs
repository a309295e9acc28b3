//! Which chaincode is deployed on a channel, and whether this peer may run it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use carecord_chaincode::Chaincode;
use carecord_channel::Bundle;
use carecord_ledger::{
    Collection, Simulator,
    definition::{Definition, LIFECYCLE, implicit_collection_msp_id, sequence_key},
};
use carecord_proto::lifecycle::{StateData, state_data::Type};
use carecord_proto::protos::collection_config::Payload;
use parking_lot::{Mutex, RwLock};
use prost::Message;

use super::{
    lifecycle::source::{self, Source},
    packages::Code,
    shim_metrics::ShimMetrics,
};
use crate::{channel::Channel, gateway::Layout, peer::Peer};

/// The definitions of one channel that this peer's organisation has approved, kept until one changes.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    known: RwLock<HashMap<String, Arc<Deployed>>>,
}

/// A chaincode that this peer may run on a channel.
pub(crate) struct Deployed {
    /// What the channel has agreed on.
    pub(crate) definition: Definition,
    /// What runs.
    pub(crate) chaincode: Arc<dyn Chaincode>,
    /// Where its requests are counted.
    pub(crate) metrics: ShimMetrics,
    /// The static collections of the definition, by name.
    collections: BTreeMap<String, Arc<Collection>>,
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

    /// Whether this peer runs what the channel has defined under this name.
    pub(crate) fn runs(&self, peer: &Peer, channel: &Channel, name: &str) -> bool {
        self.known(name).is_some()
            || channel.ledger().simulator("").is_ok_and(|mut simulator| {
                self.deployed(peer, channel, &mut simulator, name).is_ok()
            })
    }

    /// The definition that the snapshot holds; reading its sequence number goes into the read-write set, as in Fabric.
    pub(crate) fn deployed(
        &self,
        peer: &Peer,
        channel: &Channel,
        simulator: &mut Simulator<'_>,
        name: &str,
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
        let chaincode = code(peer, channel, name, &definition)?;
        let metrics = ShimMetrics::new(
            &peer.config().metrics.chaincode,
            channel.id(),
            name,
            &definition.version,
        );
        let collections = statics(&definition);
        let layouts = Mutex::default();
        let deployed = Arc::new(Deployed { definition, chaincode, metrics, collections, layouts });
        self.known.write().insert(name.to_owned(), Arc::clone(&deployed));
        Ok(deployed)
    }
}

// === impl Deployed ===

impl std::fmt::Debug for Deployed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployed").field("definition", &self.definition).finish_non_exhaustive()
    }
}

impl Deployed {
    /// A collection of the chaincode: one of its definition, or an organisation's own.
    pub(crate) fn collection(&self, bundle: &Bundle, name: &str) -> Option<Arc<Collection>> {
        match implicit_collection_msp_id(name) {
            None => self.collections.get(name).cloned(),
            Some(msp_id) if is_member(bundle, msp_id) => Collection::of(None, name).map(Arc::new),
            Some(_) => None,
        }
    }

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

fn statics(definition: &Definition) -> BTreeMap<String, Arc<Collection>> {
    let configs = definition.collections.config.iter().filter_map(|config| match &config.payload {
        Some(Payload::StaticCollectionConfig(found)) => Some(&found.name),
        None => None,
    });
    let named = configs
        .filter_map(|name| Some((name.clone(), Arc::new(Collection::of(Some(definition), name)?))));
    named.collect()
}

/// Whether an organisation is a member of the channel.
fn is_member(bundle: &Bundle, msp_id: &str) -> bool {
    bundle.application().is_some_and(|application| {
        application.organizations.values().any(|organization| organization.msp_id == msp_id)
    })
}

/// What this peer runs for a definition, as its organisation's approval says; looked up outside of any transaction.
fn code(
    peer: &Peer,
    channel: &Channel,
    name: &str,
    definition: &Definition,
) -> Result<Arc<dyn Chaincode>, String> {
    let mut simulator = channel.ledger().simulator("").map_err(|error| error.to_string())?;
    let msp_id = peer.config().signer.msp_id();
    let absent =
        || format!("chaincode definition for '{name}' exists, but chaincode is not installed");
    let built_in = match source::of(&mut simulator, peer.packages(), msp_id, name, definition)? {
        Source::NotApproved => {
            let (sequence, channel) = (definition.sequence, channel.id());
            return Err(format!(
                "chaincode definition for '{name}' at sequence {sequence} on channel '{channel}' \
                 has not yet been approved by this org"
            ));
        }
        Source::NotInstalled => return Err(absent()),
        Source::Unnamed => name.to_owned(),
        Source::Package(package) => match &package.code {
            Code::BuiltIn(built_in) => built_in.clone(),
            Code::Service(address) => {
                return Err(format!(
                    "chaincode '{name}' is a service at {address} (package '{}'), and this version \
                     runs built-in chaincode only",
                    package.id
                ));
            }
        },
    };
    peer.chaincode(&built_in).ok_or_else(absent)
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
