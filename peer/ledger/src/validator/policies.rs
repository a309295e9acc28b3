//! Which policy a write must satisfy: the chaincode's, a collection's, or the lifecycle's.
//!
//! Everything is read once per block, from the state before it: a definition that changes in a block counts from the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_channel::policy::{Policy, from_application_policy};
use carecord_msp::Identity;

use crate::cause::Lack;
use crate::definition::{self, Definition, DefinitionError, LIFECYCLE};
use crate::state::{EngineError, StateView};

/// The one validation plugin there is.
const PLUGIN: &str = "vscc";

/// A policy ready to be asked, or none that could be: then nothing satisfies it.
#[derive(Clone)]
pub(super) struct Demand(Option<Arc<Policy>>);

impl Demand {
    pub(super) fn is_met_by(&self, endorsers: &[Arc<Identity>]) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.evaluate(endorsers).is_ok())
    }

    /// What `endorsers` lack under it, for the text of an error; `whose` says whose policy it is.
    pub(super) fn lack(&self, whose: String, endorsers: &[Arc<Identity>]) -> Lack {
        Lack::new(whose, endorsers, self.0.as_ref())
    }
}

/// What is known about one namespace.
pub(super) enum Namespace {
    /// No usable definition: nothing may be written here.
    Undefined,
    /// `_lifecycle` itself, or a defined chaincode.
    Defined { policy: Demand, definition: Option<Arc<Definition>> },
}

/// The policies of one block, read as they are asked for.
pub(super) struct Policies<'a> {
    bundle: &'a Bundle,
    state: StateView<'a>,
    namespaces: BTreeMap<String, Arc<Namespace>>,
    compiled: BTreeMap<Bytes, Demand>,
}

impl<'a> Policies<'a> {
    pub(super) fn new(bundle: &'a Bundle, state: StateView<'a>) -> Self {
        Policies { bundle, state, namespaces: BTreeMap::new(), compiled: BTreeMap::new() }
    }

    pub(super) fn namespace(&mut self, name: &str) -> Result<Arc<Namespace>, EngineError> {
        if let Some(known) = self.namespaces.get(name) {
            return Ok(Arc::clone(known));
        }
        let namespace = Arc::new(self.look_up(name)?);
        self.namespaces.insert(name.to_owned(), Arc::clone(&namespace));
        Ok(namespace)
    }

    fn look_up(&mut self, name: &str) -> Result<Namespace, EngineError> {
        if name == LIFECYCLE {
            return Ok(Namespace::Defined {
                policy: Demand(Some(self.bundle.lifecycle_endorsement())),
                definition: None,
            });
        }
        match definition::read(self.state, name) {
            Ok(Some(found)) if found.validation_plugin == PLUGIN && !found.policy.is_empty() => {
                let policy = self.compile(&found.policy);
                Ok(Namespace::Defined { policy, definition: Some(Arc::new(found)) })
            }
            Ok(_) | Err(DefinitionError::Unusable { .. }) => Ok(Namespace::Undefined),
            Err(DefinitionError::State(error)) => Err(error),
        }
    }

    /// The policy of a collection: `Some` of its own one, `None` if the chaincode's counts.
    pub(super) fn collection(
        &mut self,
        definition: Option<&Definition>,
        collection: &str,
    ) -> Option<Demand> {
        if let Some(msp_id) = definition::implicit_collection_msp_id(collection) {
            return Some(Demand(self.bundle.implicit_collection_endorsement(msp_id)));
        }
        let Some(config) = definition.and_then(|found| found.collection(collection)) else {
            return Some(Demand(None));
        };
        let own = config.endorsement_policy.as_ref().map(prost::Message::encode_to_vec);
        own.filter(|own| !own.is_empty()).map(|own| self.compile(&own.into()))
    }

    /// The policy in the bytes of an application policy.
    pub(super) fn compile(&mut self, bytes: &Bytes) -> Demand {
        if let Some(known) = self.compiled.get(bytes) {
            return known.clone();
        }
        let demand = Demand(from_application_policy(bytes, self.bundle).ok());
        self.compiled.insert(bytes.clone(), demand.clone());
        demand
    }
}
