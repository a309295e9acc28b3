//! `CommitChaincodeDefinition` and `CheckCommitReadiness`: the channel takes a definition over once enough have approved.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_ledger::{
    Simulator,
    definition::{Definition, implicit_collection},
};
use carecord_proto::lifecycle::{
    CheckCommitReadinessArgs, CheckCommitReadinessResult, CommitChaincodeDefinitionArgs,
    CommitChaincodeDefinitionResult, check_commit_readiness_result::Mismatches,
};
use prost::Message;

use super::{
    Failure,
    input::{Input, decode},
    record::{self, NAMESPACES},
};
use crate::chaincode::definitions::sequence;

/// Which parts of a definition each organisation has not approved; empty: all of it.
pub(super) type Approvals = BTreeMap<String, Vec<String>>;

/// Puts a definition in force, if the peer's own organisation has approved it; others are the endorsement policy's matter.
pub(super) fn commit(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    msp_id: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let args: CommitChaincodeDefinitionArgs = decode("CommitChaincodeDefinition", input)?;
    let mut input = Input::from(args);
    input.check(bundle, simulator)?;
    if bundle.application().is_none_or(|application| application.group_of(msp_id).is_none()) {
        return Err(Failure::Other(
            "impossibly, this peer's org is processing requests for a channel it is not a member of"
                .to_owned(),
        ));
    }
    let approvals = readiness(bundle, simulator, &mut input)?;
    record::definition(&input.definition).write(simulator, NAMESPACES, &input.name)?;
    if approvals.get(msp_id).is_none_or(|mismatches| !mismatches.is_empty()) {
        return Err(Failure::Other(format!(
            "chaincode definition not agreed to by this org ({msp_id})"
        )));
    }
    Ok(CommitChaincodeDefinitionResult {}.encode_to_vec())
}

/// Tells who has approved.
pub(super) fn check_readiness(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let args: CheckCommitReadinessArgs = decode("CheckCommitReadiness", input)?;
    let approvals = readiness(bundle, simulator, &mut Input::from(args))?;
    let mismatches = approvals
        .iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(msp_id, items)| (msp_id.clone(), Mismatches { items: items.clone() }))
        .collect();
    let approvals = approved(approvals);
    Ok(CheckCommitReadinessResult { approvals, mismatches }.encode_to_vec())
}

fn readiness(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    input: &mut Input,
) -> Result<Approvals, Failure> {
    let next = sequence(simulator, &input.name)? + 1;
    let requested = input.definition.sequence;
    if requested != next {
        return Err(Failure::Other(format!(
            "requested sequence is {requested}, but new definition must be sequence {next}"
        )));
    }
    input.set_defaults(bundle)?;
    Ok(approvals(bundle, simulator, &input.name, &input.definition)?)
}

/// Asks each organisation's collection whether it holds this definition.
pub(super) fn approvals(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    name: &str,
    definition: &Definition,
) -> Result<Approvals, String> {
    let record = record::parameters(definition);
    let private_name = record::private_name(name, definition.sequence);
    let msp_ids = bundle.application().into_iter().flat_map(|application| application.msp_ids());
    msp_ids
        .map(|msp_id| {
            let collection = implicit_collection(msp_id);
            let mismatches =
                record.mismatches(simulator, &collection, NAMESPACES, &private_name).map_err(
                    |reason| format!("serialization check failed for key {private_name}: {reason}"),
                )?;
            Ok((msp_id.to_owned(), mismatches))
        })
        .collect()
}

/// Who has approved, as messages tell it.
pub(super) fn approved(approvals: Approvals) -> BTreeMap<String, bool> {
    approvals.into_iter().map(|(msp_id, mismatches)| (msp_id, mismatches.is_empty())).collect()
}
