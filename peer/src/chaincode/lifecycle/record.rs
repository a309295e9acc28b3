//! How `_lifecycle` lays records out in state: one key for the record's type, one for each field.
//!
//! A field is written only if its value changes, and the type only if the type changes: that decides which keys a
//! transaction reads and writes, so it follows Fabric exactly.

use bytes::Bytes;
use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE},
};
use carecord_proto::{
    hash::sha256,
    lifecycle::{
        ChaincodeEndorsementInfo, ChaincodeValidationInfo, StateData, StateMetadata,
        state_data::Type,
    },
};
use prost::Message;

/// Where definitions and approvals lie.
pub(super) const NAMESPACES: &str = "namespaces";
/// Where an organisation notes which package it runs.
pub(super) const CHAINCODE_SOURCES: &str = "chaincode-sources";

/// The type of what an organisation approves.
pub(super) const PARAMETERS: &str = "ChaincodeParameters";
/// The type of which package it runs.
pub(super) const LOCAL_PACKAGE: &str = "ChaincodeLocalPackage";

/// A record as it will lie in state.
pub(super) struct Record {
    datatype: &'static str,
    fields: Vec<(&'static str, Bytes)>,
}

/// What is committed for the channel.
pub(super) fn definition(definition: &Definition) -> Record {
    let mut fields = vec![("Sequence", data(Type::Int64(definition.sequence)))];
    fields.extend(parameter_fields(definition));
    Record { datatype: "ChaincodeDefinition", fields }
}

/// What an organisation approves.
pub(super) fn parameters(definition: &Definition) -> Record {
    Record { datatype: PARAMETERS, fields: parameter_fields(definition).into() }
}

/// Which package an organisation runs; empty if none.
pub(super) fn local_package(package_id: &str) -> Record {
    let fields = vec![("PackageID", data(Type::String(package_id.to_owned())))];
    Record { datatype: LOCAL_PACKAGE, fields }
}

/// The name under which an approval lies.
pub(super) fn private_name(chaincode: &str, sequence: i64) -> String {
    format!("{chaincode}#{sequence}")
}

/// The key of a record's type.
pub(super) fn metadata_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/metadata/{name}")
}

/// The key of one of its fields.
pub(super) fn field_key(namespace: &str, name: &str, field: &str) -> String {
    format!("{namespace}/fields/{name}/{field}")
}

fn parameter_fields(definition: &Definition) -> [(&'static str, Bytes); 3] {
    let endorsement = ChaincodeEndorsementInfo {
        version: definition.version.clone(),
        init_required: definition.init_required,
        endorsement_plugin: definition.endorsement_plugin.clone(),
    };
    let validation = ChaincodeValidationInfo {
        validation_plugin: definition.validation_plugin.clone(),
        validation_parameter: definition.policy.clone(),
    };
    let message = |bytes: Vec<u8>| data(Type::Bytes(bytes.into()));
    [
        ("EndorsementInfo", message(endorsement.encode_to_vec())),
        ("ValidationInfo", message(validation.encode_to_vec())),
        ("Collections", message(definition.collections.encode_to_vec())),
    ]
}

fn data(value: Type) -> Bytes {
    StateData { r#type: Some(value) }.encode_to_vec().into()
}

// === impl Record ===

impl Record {
    fn metadata(&self) -> Bytes {
        let fields = self.fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        StateMetadata { datatype: self.datatype.to_owned(), fields }.encode_to_vec().into()
    }

    /// Writes the record into public state.
    pub(super) fn write(
        &self,
        simulator: &mut Simulator<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<(), String> {
        let failed = |error: carecord_ledger::SimulationError| error.to_string();
        let key = metadata_key(namespace, name);
        let stored = simulator.get(LIFECYCLE, &key).map_err(failed)?;
        let known = match stored {
            Some(bytes) => StateMetadata::decode(bytes).map_err(|error| {
                format!("could not unmarshal metadata for namespace {namespace}/{name}: {error}")
            })?,
            None => StateMetadata::default(),
        };
        for field in &known.fields {
            simulator.get(LIFECYCLE, &field_key(namespace, name, field)).map_err(failed)?;
        }
        for (field, value) in &self.fields {
            let key = field_key(namespace, name, field);
            let is_known = known.fields.iter().any(|known| known == field);
            let unchanged =
                is_known && simulator.get(LIFECYCLE, &key).map_err(failed)?.as_ref() == Some(value);
            if !unchanged {
                simulator.set(LIFECYCLE, &key, value.clone()).map_err(failed)?;
            }
        }
        let gone = |field: &&String| self.fields.iter().all(|(name, _)| name != &field.as_str());
        let gone: Vec<_> = known.fields.iter().filter(gone).collect();
        let same_shape = known.datatype == self.datatype && known.fields.len() == self.fields.len();
        if !gone.is_empty() || !same_shape {
            simulator.set(LIFECYCLE, &key, self.metadata()).map_err(failed)?;
        }
        for field in gone {
            let key = field_key(namespace, name, field);
            simulator.delete(LIFECYCLE, &key).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes the record into a collection, of which this peer knows hashes.
    pub(super) fn write_private(
        &self,
        simulator: &mut Simulator<'_>,
        collection: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(), String> {
        let failed = |error: carecord_ledger::SimulationError| error.to_string();
        let key = metadata_key(namespace, name);
        let metadata = self.metadata();
        let stored = simulator.private_hash(LIFECYCLE, collection, &key).map_err(failed)?;
        let same_shape = stored.as_deref() == Some(&sha256(&[&metadata])[..]);
        for (field, value) in &self.fields {
            let key = field_key(namespace, name, field);
            let unchanged = same_shape && is_stored(simulator, collection, &key, value)?;
            if !unchanged {
                simulator
                    .set_private(LIFECYCLE, collection, &key, value.clone())
                    .map_err(failed)?;
            }
        }
        if !same_shape {
            simulator.set_private(LIFECYCLE, collection, &key, metadata).map_err(failed)?;
        }
        Ok(())
    }

    /// Which parts of the record a collection does not hold; empty if it holds the record.
    ///
    /// If the type differs, it alone is named; all keys are read in any case.
    pub(super) fn mismatches(
        &self,
        simulator: &mut Simulator<'_>,
        collection: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<String>, String> {
        let key = metadata_key(namespace, name);
        let has_type = is_stored(simulator, collection, &key, &self.metadata())?;
        let mut mismatches = Vec::new();
        for (field, value) in &self.fields {
            let key = field_key(namespace, name, field);
            if !is_stored(simulator, collection, &key, value)? {
                mismatches.push((*field).to_owned());
            }
        }
        Ok(if has_type { mismatches } else { vec![self.datatype.to_owned()] })
    }
}

fn is_stored(
    simulator: &mut Simulator<'_>,
    collection: &str,
    key: &str,
    value: &[u8],
) -> Result<bool, String> {
    let stored = simulator
        .private_hash(LIFECYCLE, collection, key)
        .map_err(|error| format!("could not get value for key {key}: {error}"))?;
    Ok(stored.as_deref() == Some(&sha256(&[value])[..]))
}
