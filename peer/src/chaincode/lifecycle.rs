//! `_lifecycle`: organisations approve a chaincode's definition, the channel commits it, clients ask for it.
//!
//! Place in the flow: called like any chaincode, and its reads and writes are Fabric's, key for key, because peers of
//! both kinds must endorse the same bytes. Plaintext of approvals is not kept: what this peer knows of them are the hashes
//! that every peer of the channel has.

mod approve;
mod commit;
mod input;
mod query;
mod record;

use std::sync::Arc;

use bytes::Bytes;
use carecord_chaincode::Response;
use carecord_channel::acl as resources;
use carecord_ledger::{
    Simulator,
    definition::{Definition, implicit_collection},
};

use super::{Call, text};
use crate::{acl, channel::Channel};

/// Why a call of `_lifecycle` failed.
enum Failure {
    /// Nobody has defined this chaincode: status 404.
    NotDefined(String),
    /// Anything else: status 500.
    Other(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// Answers one call.
pub(super) fn invoke(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    args: &[Bytes],
) -> Response {
    match args.len() {
        0 => return Response::error("lifecycle scc must be invoked with arguments"),
        2 => {}
        count => {
            return Response::error(format!(
                "lifecycle scc operations require exactly two arguments but received {count}"
            ));
        }
    }
    let function = text(args, 0);
    if let Err(reason) = check_access(call, channel, &function) {
        return Response::error(format!(
            "Failed to authorize invocation due to failed ACL check: {reason}"
        ));
    }
    match answer(call, channel, simulator, &function, &args[1]) {
        Ok(payload) => Response::success(payload),
        Err(Failure::NotDefined(reason)) => {
            Response { status: 404, message: reason, payload: Bytes::new() }
        }
        Err(Failure::Other(reason)) => Response::error(format!(
            "failed to invoke backing implementation of '{function}': {reason}"
        )),
    }
}

fn answer(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    function: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let bundle = channel.bundle();
    let msp_id = call.peer.config().signer.msp_id();
    match function {
        "ApproveChaincodeDefinitionForMyOrg" => approve::approve(&bundle, simulator, msp_id, input),
        "CommitChaincodeDefinition" => commit::commit(&bundle, simulator, msp_id, input),
        "CheckCommitReadiness" => commit::check_readiness(&bundle, simulator, input),
        "QueryChaincodeDefinition" => query::definition(&bundle, simulator, input),
        "QueryChaincodeDefinitions" => query::definitions(simulator),
        "InstallChaincode"
        | "QueryInstalledChaincode"
        | "QueryInstalledChaincodes"
        | "GetInstalledChaincodePackage"
        | "QueryApprovedChaincodeDefinition"
        | "QueryApprovedChaincodeDefinitions" => Err(Failure::Other(
            "chaincode of this peer is built into it; there are no packages and no plaintext of approvals"
                .to_owned(),
        )),
        _ => Err(Failure::Other(format!("receiver *lifecycle.Invocation.{function} does not exist"))),
    }
}

fn check_access(call: &Call<'_>, channel: &Channel, function: &str) -> Result<(), String> {
    let resource = format!("_lifecycle/{function}");
    match resources::local(&resource) {
        Some(policy) => {
            let creator = &call.opened.signature_header.creator;
            acl::check_local(&call.peer.credentials().local_msp(), policy, creator, call.signed)
        }
        None => acl::check_identity(&channel.bundle(), &resource, call.identity),
    }
}

/// Whether the organisation has approved the definition in force; looked up outside of any transaction.
pub(super) fn is_approved(
    channel: &Channel,
    msp_id: &str,
    chaincode: &str,
    definition: &Definition,
) -> Result<bool, String> {
    let mut simulator = channel.ledger().simulator("").map_err(|error| error.to_string())?;
    let record = record::parameters(definition);
    let collection = implicit_collection(msp_id);
    let name = record::private_name(chaincode, definition.sequence);
    let mismatches = record.mismatches(&mut simulator, &collection, record::NAMESPACES, &name)?;
    Ok(mismatches.is_empty())
}
