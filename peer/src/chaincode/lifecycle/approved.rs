//! `QueryApprovedChaincodeDefinition` and its plural: what this organisation has approved, in plain text.
//!
//! A peer answers from the approvals that it endorsed itself. For one that another peer of the organisation endorsed, it
//! knows hashes and says that the data is not available.

use bytes::Bytes;
use carecord_ledger::{
    Simulator,
    definition::{LIFECYCLE, implicit_collection},
};
use carecord_proto::lifecycle::{
    ChaincodeEndorsementInfo, ChaincodeSource, ChaincodeValidationInfo,
    QueryApprovedChaincodeDefinitionArgs, QueryApprovedChaincodeDefinitionResult,
    QueryApprovedChaincodeDefinitionsArgs, QueryApprovedChaincodeDefinitionsResult, StateData,
    StateMetadata, chaincode_source,
    query_approved_chaincode_definitions_result::ApprovedChaincodeDefinition, state_data::Type,
};
use carecord_proto::protos::CollectionConfigPackage;
use prost::Message;

use super::{
    Failure,
    input::decode,
    record::{self, CHAINCODE_SOURCES, NAMESPACES},
};
use crate::chaincode::definitions::sequence;

/// Approvals that one answer lists at most.
const MAX_LISTED: usize = 10_000;
/// In front of the keys of all approvals, and the first key behind them.
const ALL: (&str, &str) = ("namespaces/metadata/", "namespaces/metadata/\u{7f}");

/// One approval: of this sequence, or of the newest there is.
pub(super) fn one(
    channel_id: &str,
    simulator: &mut Simulator<'_>,
    msp_id: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let QueryApprovedChaincodeDefinitionArgs { name, sequence: wanted } =
        decode("QueryApprovedChaincodeDefinition", input)?;
    let mut approvals = Approvals { simulator, collection: implicit_collection(msp_id) };
    let wanted = if wanted == 0 { approvals.newest(&name)? } else { wanted };
    let found = approvals.get(&name, wanted)?.ok_or_else(|| {
        format!(
            "could not fetch approved chaincode definition (name: '{name}', sequence: '{wanted}') \
             on channel '{channel_id}'"
        )
    })?;
    let result = QueryApprovedChaincodeDefinitionResult {
        sequence: found.sequence,
        version: found.version,
        endorsement_plugin: found.endorsement_plugin,
        validation_plugin: found.validation_plugin,
        validation_parameter: found.validation_parameter,
        collections: found.collections,
        init_required: found.init_required,
        source: found.source,
    };
    Ok(result.encode_to_vec())
}

/// All approvals of the channel that this peer holds.
pub(super) fn all(
    simulator: &mut Simulator<'_>,
    msp_id: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let QueryApprovedChaincodeDefinitionsArgs {} =
        decode("QueryApprovedChaincodeDefinitions", input)?;
    let collection = implicit_collection(msp_id);
    let rows = simulator
        .private_range(LIFECYCLE, &collection, ALL, MAX_LISTED)
        .map_err(|error| format!("could not fetch metadatas: {error}"))?;
    let mut approvals = Approvals { simulator, collection };
    let mut approved_chaincode_definitions = Vec::new();
    for (key, _) in rows {
        let private_name = key.strip_prefix(ALL.0).unwrap_or_default();
        let (name, sequence) = split(private_name)?;
        approved_chaincode_definitions.extend(approvals.get(name, sequence)?);
    }
    Ok(QueryApprovedChaincodeDefinitionsResult { approved_chaincode_definitions }.encode_to_vec())
}

fn split(private_name: &str) -> Result<(&str, i64), String> {
    let invalid = || format!("invalid private name format: {private_name}");
    let (name, sequence) = private_name.split_once('#').ok_or_else(invalid)?;
    Ok((name, sequence.parse().map_err(|_| invalid())?))
}

/// The collection of approvals.
struct Approvals<'a, 'l> {
    simulator: &'a mut Simulator<'l>,
    collection: String,
}

// === impl Approvals ===

impl Approvals<'_, '_> {
    /// The sequence in force, or the next one if that is approved already.
    fn newest(&mut self, name: &str) -> Result<i64, String> {
        let current = sequence(self.simulator, name)?;
        let next = self.metadata(NAMESPACES, &record::private_name(name, current + 1))?;
        Ok(if next.is_some() { current + 1 } else { current })
    }

    fn get(
        &mut self,
        name: &str,
        sequence: i64,
    ) -> Result<Option<ApprovedChaincodeDefinition>, String> {
        let private_name = record::private_name(name, sequence);
        let Some(metadata) = self.metadata(NAMESPACES, &private_name)? else { return Ok(None) };
        if metadata.datatype != record::PARAMETERS {
            return Err(format!("not a chaincode parameters type: {}", metadata.datatype));
        }
        let parameters = format!("could not deserialize chaincode parameters for {private_name}");
        let mut message = |field: &str| match self.field(NAMESPACES, &private_name, field)? {
            Some(Type::Bytes(bytes)) => Ok(bytes),
            _ => Err(format!("{parameters}: field {field} is not bytes")),
        };
        let endorsement: ChaincodeEndorsementInfo =
            parse(&parameters, message("EndorsementInfo")?)?;
        let validation: ChaincodeValidationInfo = parse(&parameters, message("ValidationInfo")?)?;
        let collections: CollectionConfigPackage = parse(&parameters, message("Collections")?)?;
        Ok(Some(ApprovedChaincodeDefinition {
            name: name.to_owned(),
            sequence,
            version: endorsement.version,
            endorsement_plugin: endorsement.endorsement_plugin,
            validation_plugin: validation.validation_plugin,
            validation_parameter: validation.validation_parameter,
            collections: Some(collections),
            init_required: endorsement.init_required,
            source: Some(self.source(&private_name)?),
        }))
    }

    fn source(&mut self, private_name: &str) -> Result<ChaincodeSource, String> {
        use chaincode_source::{Local, Type as Source, Unavailable};
        let metadata = self.metadata(CHAINCODE_SOURCES, private_name)?;
        let metadata = metadata.ok_or_else(|| {
            format!("could not fetch chaincode-source metadata for {private_name}")
        })?;
        if metadata.datatype != record::LOCAL_PACKAGE {
            return Err(format!("not a chaincode local package type: {}", metadata.datatype));
        }
        let package_id = match self.field(CHAINCODE_SOURCES, private_name, "PackageID")? {
            Some(Type::String(package_id)) => package_id,
            _ => return Err(format!("could not deserialize chaincode package for {private_name}")),
        };
        let source = match package_id.is_empty() {
            true => Source::Unavailable(Unavailable {}),
            false => Source::LocalPackage(Local { package_id }),
        };
        Ok(ChaincodeSource { r#type: Some(source) })
    }

    fn metadata(&mut self, namespace: &str, name: &str) -> Result<Option<StateMetadata>, String> {
        let failed = |reason: String| {
            format!(
                "could not deserialize namespace metadata for {name}: could not query metadata for \
                 namespace {namespace}/{name}: {reason}"
            )
        };
        let stored = self.stored(&record::metadata_key(namespace, name)).map_err(failed)?;
        stored
            .map(|bytes| StateMetadata::decode(bytes).map_err(|error| failed(error.to_string())))
            .transpose()
    }

    fn field(&mut self, namespace: &str, name: &str, field: &str) -> Result<Option<Type>, String> {
        let key = record::field_key(namespace, name, field);
        let Some(stored) = self.stored(&key)? else { return Ok(None) };
        let data = StateData::decode(stored)
            .map_err(|error| format!("could not unmarshal state for key {key}: {error}"))?;
        Ok(data.r#type)
    }

    fn stored(&mut self, key: &str) -> Result<Option<Bytes>, String> {
        self.simulator
            .get_private(LIFECYCLE, &self.collection, key)
            .map_err(|error| error.to_string())
    }
}

fn parse<M: Message + Default>(what: &str, bytes: Bytes) -> Result<M, String> {
    M::decode(bytes).map_err(|error| format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_name_is_a_name_and_a_number() {
        assert_eq!(split("bench#3"), Ok(("bench", 3)));
        for bad in ["bench", "bench#", "bench#x", "bench#1#2"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
