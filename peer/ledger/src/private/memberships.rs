//! Of which collections this peer is a member, by the definitions in force before a block.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::lifecycle::StateData;
use carecord_proto::lifecycle::state_data::Type;
use carecord_proto::protos::CollectionConfigPackage;
use prost::Message;

use super::keys::{self, COLUMN};
use super::store::PrivateStore;
use crate::collection::Collection;
use crate::definition::{self, Definition, DefinitionError, LIFECYCLE};
use crate::state::{EngineError, StateView, WriteBatch, damaged};
use crate::updates::Updates;

/// The collections that one block touches.
pub(super) struct Memberships<'a> {
    msp_id: Option<&'a str>,
    state: StateView<'a>,
    definitions: BTreeMap<String, Option<Definition>>,
    known: BTreeMap<(String, String), Option<Arc<Collection>>>,
}

impl<'a> Memberships<'a> {
    pub(super) fn new(store: &'a PrivateStore, state: StateView<'a>) -> Self {
        let (definitions, known) = (BTreeMap::new(), BTreeMap::new());
        Self { msp_id: store.msp_id.as_deref(), state, definitions, known }
    }

    /// The collection, if this peer is to hold it.
    pub(super) fn own(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Collection>>, EngineError> {
        let Some(msp_id) = self.msp_id else { return Ok(None) };
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let found = Collection::of(self.definition(namespace)?, name);
        let own = found.filter(|collection| collection.has_member(msp_id)).map(Arc::new);
        self.known.insert(key, own.clone());
        Ok(own)
    }

    fn definition(&mut self, namespace: &str) -> Result<Option<&Definition>, EngineError> {
        if !self.definitions.contains_key(namespace) {
            let found = match namespace {
                LIFECYCLE => None,
                _ => definition::read(self.state, namespace).or_else(|error| match error {
                    DefinitionError::Unusable { .. } => Ok(None),
                    DefinitionError::State(error) => Err(error),
                })?,
            };
            self.definitions.insert(namespace.to_owned(), found);
        }
        Ok(self.definitions.get(namespace).and_then(Option::as_ref))
    }
}

impl PrivateStore {
    /// Keeps what a block's definitions say of collections, for questions about older blocks.
    pub(super) fn keep_definitions(batch: &mut WriteBatch, number: u64, updates: &Updates) {
        for (key, row) in updates.public(LIFECYCLE).into_iter().flatten() {
            let name = std::str::from_utf8(key).ok();
            let name = name.and_then(|key| key.strip_prefix("namespaces/fields/"));
            let name = name.and_then(|key| key.strip_suffix("/Collections"));
            if let (Some(name), Some(value)) = (name, &row.value) {
                batch.put(COLUMN, keys::collections(name, number), value.clone());
            }
        }
    }

    /// The static collections that were in force for block `number`; `None` if this peer has not kept that.
    pub(crate) fn collections_at(
        &self,
        namespace: &str,
        number: u64,
    ) -> Result<Option<CollectionConfigPackage>, EngineError> {
        let Some(before) = number.checked_sub(1) else { return Ok(None) };
        let (from, to) = (keys::collections(namespace, before), keys::collections(namespace, 0));
        // The end is not part of a scan, and no definition lies in block 0.
        let rows = self.engine.scan(COLUMN, &from, &to, 1)?;
        let Some((stored, value)) = rows.into_iter().next() else { return Ok(None) };
        let package = |value: Bytes| match StateData::decode(value).ok()?.r#type {
            Some(Type::Bytes(bytes)) => CollectionConfigPackage::decode(bytes).ok(),
            None => Some(CollectionConfigPackage::default()),
            Some(_) => None,
        };
        package(value).map(Some).ok_or_else(|| damaged(&stored))
    }
}
