//! `QueryChaincodeDefinition` and `QueryChaincodeDefinitions`: what the channel has agreed on.

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE, field_key, metadata_key},
};
use carecord_proto::lifecycle::{
    QueryChaincodeDefinitionArgs, QueryChaincodeDefinitionResult, QueryChaincodeDefinitionsResult,
    query_chaincode_definitions_result::ChaincodeDefinition,
};
use prost::Message;

use super::{Failure, commit, input::decode};

/// In front of the keys of all definitions, and the first key behind them.
const ALL_METADATA: (&str, &str) = ("namespaces/metadata/", "namespaces/metadata/\u{7f}");

/// One definition, and who has approved it.
pub(super) fn definition(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let args: QueryChaincodeDefinitionArgs = decode("QueryChaincodeDefinition", input)?;
    let name = args.name;
    let definition = read(simulator, &name)?
        .ok_or_else(|| Failure::NotFound(format!("namespace {name} is not defined")))?;
    let approvals = commit::approvals(bundle, simulator, &name, &definition)?;
    let result = QueryChaincodeDefinitionResult {
        sequence: definition.sequence,
        version: definition.version,
        endorsement_plugin: definition.endorsement_plugin,
        validation_plugin: definition.validation_plugin,
        validation_parameter: definition.policy,
        collections: Some(definition.collections),
        init_required: definition.init_required,
        approvals: commit::approved(approvals),
    };
    Ok(result.encode_to_vec())
}

/// All definitions of the channel.
pub(super) fn definitions(simulator: &mut Simulator<'_>) -> Result<Vec<u8>, Failure> {
    let mut chaincode_definitions = Vec::new();
    for name in names(simulator)? {
        let Some(definition) = read(simulator, &name)? else { continue };
        chaincode_definitions.push(ChaincodeDefinition {
            name,
            sequence: definition.sequence,
            version: definition.version,
            endorsement_plugin: definition.endorsement_plugin,
            validation_plugin: definition.validation_plugin,
            validation_parameter: definition.policy,
            collections: Some(definition.collections),
            init_required: definition.init_required,
        });
    }
    Ok(QueryChaincodeDefinitionsResult { chaincode_definitions }.encode_to_vec())
}

/// The names of all definitions of the channel.
pub(super) fn names(simulator: &mut Simulator<'_>) -> Result<Vec<String>, String> {
    let failed = |error: carecord_ledger::SimulationError| error.to_string();
    let range = simulator.range(LIFECYCLE, ALL_METADATA.0, ALL_METADATA.1).map_err(failed)?;
    let mut names = Vec::new();
    loop {
        let batch = simulator.next_batch(range).map_err(failed)?;
        let found = batch.rows.iter().filter_map(|(key, _)| key.strip_prefix(ALL_METADATA.0));
        names.extend(found.map(str::to_owned));
        if !batch.has_more {
            return Ok(names);
        }
    }
}

/// The definition in force, its keys recorded as read.
pub(super) fn read(
    simulator: &mut Simulator<'_>,
    name: &str,
) -> Result<Option<Definition>, String> {
    let metadata = simulator.get(LIFECYCLE, &metadata_key(name)).map_err(|e| e.to_string())?;
    if metadata.is_none() {
        return Ok(None);
    }
    for field in ["Sequence", "EndorsementInfo", "ValidationInfo", "Collections"] {
        simulator.get(LIFECYCLE, &field_key(name, field)).map_err(|error| error.to_string())?;
    }
    simulator.definition(name).map_err(|error| error.to_string())
}
