//! Chaincode definitions as they lie in the state of namespace `_lifecycle`.
//!
//! Place in the flow: the validator asks for the endorsement policy and the collections of every written namespace,
//! the endorser for sequence, version and whether init is required. Encoding: interface A.2, `_lifecycle` state.

use bytes::Bytes;
use carecord_proto::lifecycle::state_data::Type;
use carecord_proto::lifecycle::{
    ChaincodeEndorsementInfo, ChaincodeValidationInfo, StateData, StateMetadata,
};
use carecord_proto::protos::collection_config::Payload;
use carecord_proto::protos::{CollectionConfigPackage, StaticCollectionConfig};
use prost::Message;

use crate::state::{EngineError, StateView};

/// The namespace of definitions and approvals.
pub const LIFECYCLE: &str = "_lifecycle";

/// Datatype of the metadata that marks a committed definition.
const DATATYPE: &str = "ChaincodeDefinition";

/// In front of the MSP id in the name of an organisation's implicit collection.
const IMPLICIT: &str = "_implicit_org_";

/// What the channel has agreed on about one chaincode.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The number of this definition, from 1.
    pub sequence: i64,
    /// The version every endorsement names.
    pub version: String,
    /// Whether the first call must be an init call.
    pub init_required: bool,
    /// Name of the endorsement plugin, `escc` by default.
    pub endorsement_plugin: String,
    /// Name of the validation plugin, `vscc` by default.
    pub validation_plugin: String,
    /// The endorsement policy, a `protos.ApplicationPolicy`.
    pub policy: Bytes,
    /// The static collections.
    pub collections: CollectionConfigPackage,
}

impl Definition {
    /// The static collection of this name.
    pub fn collection(&self, name: &str) -> Option<&StaticCollectionConfig> {
        self.collections.config.iter().find_map(|config| match &config.payload {
            Some(Payload::StaticCollectionConfig(found)) if found.name == name => Some(found),
            _ => None,
        })
    }
}

/// Why no definition could be read.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// The state could not be read: an infrastructure error.
    #[error(transparent)]
    State(#[from] EngineError),
    /// The state holds something else than a definition; every peer sees the same.
    #[error("definition of chaincode '{chaincode}' is not usable: {reason}")]
    Unusable {
        /// The chaincode's name.
        chaincode: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Key of the metadata that says a definition exists.
pub fn metadata_key(chaincode: &str) -> String {
    format!("namespaces/metadata/{chaincode}")
}

/// Key of one field of a definition.
pub fn field_key(chaincode: &str, field: &str) -> String {
    format!("namespaces/fields/{chaincode}/{field}")
}

/// Key of the sequence number, which every endorsement reads.
pub fn sequence_key(chaincode: &str) -> String {
    field_key(chaincode, "Sequence")
}

/// The MSP id in the name of an implicit collection.
pub fn implicit_collection_msp_id(collection: &str) -> Option<&str> {
    collection.strip_prefix(IMPLICIT)
}

/// The name of an organisation's implicit collection.
pub fn implicit_collection(msp_id: &str) -> String {
    format!("{IMPLICIT}{msp_id}")
}

/// The committed definition of `chaincode`, if there is one.
pub fn read(state: StateView<'_>, chaincode: &str) -> Result<Option<Definition>, DefinitionError> {
    let unusable = |reason| DefinitionError::Unusable { chaincode: chaincode.to_owned(), reason };
    let get = |key: String| state.public(LIFECYCLE, key.as_bytes());
    let Some(metadata) = get(metadata_key(chaincode))? else { return Ok(None) };
    let metadata = StateMetadata::decode(metadata.value)
        .map_err(|_| unusable("its metadata is no message"))?;
    if metadata.datatype != DATATYPE {
        return Err(unusable("its metadata names another type"));
    }
    let field = |name: &str| -> Result<Option<Type>, DefinitionError> {
        let Some(stored) = get(field_key(chaincode, name))? else { return Ok(None) };
        let data =
            StateData::decode(stored.value).map_err(|_| unusable("a field is no message"))?;
        Ok(data.r#type)
    };
    let bytes = |name: &str| match field(name)? {
        None => Ok(Bytes::new()),
        Some(Type::Bytes(bytes)) => Ok(bytes),
        Some(_) => Err(unusable("a field has another type")),
    };
    let sequence = match field("Sequence")? {
        None => 0,
        Some(Type::Int64(sequence)) => sequence,
        Some(_) => return Err(unusable("a field has another type")),
    };
    let endorsement = ChaincodeEndorsementInfo::decode(bytes("EndorsementInfo")?)
        .map_err(|_| unusable("its endorsement information is no message"))?;
    let validation = ChaincodeValidationInfo::decode(bytes("ValidationInfo")?)
        .map_err(|_| unusable("its validation information is no message"))?;
    let collections = CollectionConfigPackage::decode(bytes("Collections")?)
        .map_err(|_| unusable("its collections are no message"))?;
    Ok(Some(Definition {
        sequence,
        version: endorsement.version,
        init_required: endorsement.init_required,
        endorsement_plugin: endorsement.endorsement_plugin,
        validation_plugin: validation.validation_plugin,
        policy: validation.validation_parameter,
        collections,
    }))
}
