//! Endorsement of one transaction's writes in one namespace: key by key, then collection, then chaincode.
//!
//! | a written key has | what its write needs |
//! |---|---|
//! | a parameter changed earlier in this block | cannot be met |
//! | a stored parameter | that policy; one that is no policy cannot be met |
//! | none, in a collection with its own policy | the collection's |
//! | none | the chaincode's |
//!
//! If nothing was asked, the chaincode's policy is. A change counts as made as soon as the transaction passed these
//! checks *in that namespace*, even if it fails elsewhere or later (interface 0.1.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use carecord_msp::Identity;
use carecord_proto::common::SignaturePolicyEnvelope;
use carecord_proto::protos::{ApplicationPolicy, application_policy::Type};
use carecord_proto::rwset::NsRwSet;
use prost::Message;

use super::policies::{Demand, Policies};
use crate::cause::{Lack, of_place, shown};
use crate::definition::Definition;
use crate::state::{EngineError, StateView};
use crate::updates::Place;

/// Metadata entry that holds a key's endorsement policy.
pub(super) const VALIDATION_PARAMETER: &str = "VALIDATION_PARAMETER";

/// A key by namespace, collection and name or hash.
type ChangedKey = (String, Option<String>, Bytes);

/// Keys whose metadata an earlier transaction of the block changed.
#[derive(Default)]
pub(super) struct ChangedParameters {
    keys: BTreeSet<ChangedKey>,
}

impl ChangedParameters {
    /// Takes note of a namespace of a transaction that passed its checks there.
    pub(super) fn note(&mut self, ns: &NsRwSet) {
        for write in &ns.kv.metadata_writes {
            let key = Bytes::copy_from_slice(write.key.as_bytes());
            self.keys.insert((ns.namespace.clone(), None, key));
        }
        for collection in &ns.collections {
            for write in &collection.hashed.metadata_writes {
                let name = Some(collection.name.clone());
                self.keys.insert((ns.namespace.clone(), name, write.key_hash.clone()));
            }
        }
    }

    fn contains(&self, place: Place<'_>) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let key = Bytes::copy_from_slice(place.key);
        self.keys.contains(&(place.namespace.to_owned(), place.collection.map(str::to_owned), key))
    }
}

/// The checks of one transaction in one namespace.
pub(super) struct NamespaceCheck<'a, 'b> {
    pub(super) name: &'b str,
    pub(super) policies: &'b mut Policies<'a>,
    pub(super) state: StateView<'a>,
    pub(super) changed: &'b ChangedParameters,
    pub(super) chaincode: Demand,
    pub(super) definition: Option<Arc<Definition>>,
    pub(super) endorsers: &'b [Arc<Identity>],
    /// Whose policy was asked, and met: a collection's, or (none) the chaincode's.
    pub(super) asked: BTreeSet<Option<String>>,
    /// Whether any policy was asked, a key's included.
    pub(super) asked_any: bool,
}

impl NamespaceCheck<'_, '_> {
    /// What the endorsers lack to write all that `ns` writes; none if they may. `ns` is none if the rwset does not name
    /// the chaincode.
    pub(super) fn lack(&mut self, ns: Option<&NsRwSet>) -> Result<Option<Lack>, EngineError> {
        for place in ns.into_iter().flat_map(written) {
            if let Some(lack) = self.lack_for(place)? {
                return Ok(Some(lack));
            }
        }
        if self.asked_any {
            return Ok(None);
        }
        Ok(unmet(&self.chaincode, self.endorsers, || of_chaincode(self.name)))
    }

    fn lack_for(&mut self, place: Place<'_>) -> Result<Option<Lack>, EngineError> {
        if self.changed.contains(place) {
            let changed = format!("the policy of {}, changed in this block,", of_place(place));
            return Ok(Some(Lack::new(changed, self.endorsers, None)));
        }
        let stored = place.read(self.state)?;
        let parameter = stored.and_then(|stored| {
            stored.entries().into_iter().find(|entry| entry.name == VALIDATION_PARAMETER)
        });
        match parameter.map(|entry| entry.value).filter(|policy| !policy.is_empty()) {
            None => Ok(self.default_lack(place.collection)),
            Some(policy) => {
                self.asked_any = true;
                Ok(self.key_lack(place, &policy))
            }
        }
    }

    fn key_lack(&mut self, place: Place<'_>, parameter: &Bytes) -> Option<Lack> {
        let whose = || format!("the policy of {}", of_place(place));
        let Ok(policy) = SignaturePolicyEnvelope::decode(parameter.clone()) else {
            return Some(Lack::new(whose(), self.endorsers, None));
        };
        let policy = ApplicationPolicy { r#type: Some(Type::SignaturePolicy(policy)) };
        unmet(&self.policies.compile(&policy.encode_to_vec().into()), self.endorsers, whose)
    }

    fn default_lack(&mut self, collection: Option<&str>) -> Option<Lack> {
        if let Some(name) = collection {
            let asked = Some(name.to_owned());
            if self.asked.contains(&asked) {
                return None;
            }
            if let Some(demand) = self.policies.collection(self.definition.as_deref(), name) {
                let whose = || {
                    let (collection, chaincode) =
                        (shown(name.as_bytes()), shown(self.name.as_bytes()));
                    format!("the policy of collection {collection} of namespace {chaincode}")
                };
                let lack = unmet(&demand, self.endorsers, whose);
                return self.ask(asked, lack);
            }
        }
        if self.asked.contains(&None) {
            return None;
        }
        let lack = unmet(&self.chaincode, self.endorsers, || of_chaincode(self.name));
        self.ask(None, lack)
    }

    /// Each of these policies is asked once; one that is not met ends the check.
    fn ask(&mut self, whose: Option<String>, lack: Option<Lack>) -> Option<Lack> {
        self.asked.insert(whose);
        self.asked_any = true;
        lack
    }
}

fn unmet(
    demand: &Demand,
    endorsers: &[Arc<Identity>],
    whose: impl FnOnce() -> String,
) -> Option<Lack> {
    (!demand.is_met_by(endorsers)).then(|| demand.lack(whose(), endorsers))
}

fn of_chaincode(name: &str) -> String {
    format!("the endorsement policy of chaincode {}", shown(name.as_bytes()))
}

/// All written keys, values before metadata, public before hashed.
fn written(ns: &NsRwSet) -> impl Iterator<Item = Place<'_>> {
    let namespace = ns.namespace.as_str();
    let values = ns.kv.writes.iter().map(|write| write.key.as_bytes());
    let metadata = ns.kv.metadata_writes.iter().map(|write| write.key.as_bytes());
    let public = values.chain(metadata);
    let public = public.map(move |key| Place { namespace, collection: None, key });
    let hashed_values = ns.collections.iter().flat_map(move |collection| {
        let name = Some(collection.name.as_str());
        let writes = collection.hashed.hashed_writes.iter();
        writes.map(move |write| Place { namespace, collection: name, key: &write.key_hash })
    });
    let hashed_metadata = ns.collections.iter().flat_map(move |collection| {
        let name = Some(collection.name.as_str());
        let writes = collection.hashed.metadata_writes.iter();
        writes.map(move |write| Place { namespace, collection: name, key: &write.key_hash })
    });
    public.chain(hashed_values).chain(hashed_metadata)
}
