//! `_lifecycle`: organisations approve a chaincode's definition, the channel commits it, clients ask for it.
//!
//! Place in the flow: called like any chaincode, and its reads and writes are Fabric's, key for key, because peers of
//! both kinds must endorse the same bytes. Which code an approval means is found by hashes, which every peer has; the
//! plaintext of approvals is there for those that this peer endorsed.

mod approve;
mod approved;
mod collections;
mod commit;
mod input;
mod installed;
mod query;
mod record;
pub(super) mod source;

use std::sync::Arc;

use bytes::Bytes;
use carecord_chaincode::Response;
use carecord_channel::acl as resources;
use carecord_ledger::Simulator;

use super::{Call, text};
use crate::{acl, channel::Channel};

/// Why a call of `_lifecycle` failed.
enum Failure {
    /// There is no such definition or package: status 404.
    NotFound(String),
    /// Anything else: status 500.
    Other(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// The channel of a call, if it has one, and the simulation on it.
pub(super) type On<'a, 'l> = Option<(&'a Arc<Channel>, &'a mut Simulator<'l>)>;

/// Answers one call.
pub(super) fn invoke(call: &Call<'_>, on: On<'_, '_>, args: &[Bytes]) -> Response {
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
    let channel = on.as_ref().map(|(channel, _)| &***channel);
    if let Err(reason) = check_access(call, channel, &function) {
        return Response::error(format!(
            "Failed to authorize invocation due to failed ACL check: {reason}"
        ));
    }
    match answer(call, on, &function, &args[1]) {
        Ok(payload) => Response::success(payload),
        Err(Failure::NotFound(reason)) => {
            Response { status: 404, message: reason, payload: Bytes::new() }
        }
        Err(Failure::Other(reason)) => Response::error(format!(
            "failed to invoke backing implementation of '{function}': {reason}"
        )),
    }
}

fn answer(
    call: &Call<'_>,
    on: On<'_, '_>,
    function: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    match function {
        "InstallChaincode" => return installed::install(call.peer, input),
        "QueryInstalledChaincode" => return installed::query(call.peer, input),
        "QueryInstalledChaincodes" => return installed::query_all(call.peer, input),
        "GetInstalledChaincodePackage" => return installed::package(call.peer, input),
        _ => {}
    }
    let Some((channel, simulator)) = on else {
        return Err(Failure::Other("invalid channel-less operation".to_owned()));
    };
    let bundle = channel.bundle();
    let msp_id = call.peer.config().signer.msp_id();
    match function {
        "ApproveChaincodeDefinitionForMyOrg" => approve::approve(&bundle, simulator, msp_id, input),
        "QueryApprovedChaincodeDefinition" => approved::one(channel.id(), simulator, msp_id, input),
        "QueryApprovedChaincodeDefinitions" => approved::all(simulator, msp_id, input),
        "CommitChaincodeDefinition" => commit::commit(&bundle, simulator, msp_id, input),
        "CheckCommitReadiness" => commit::check_readiness(&bundle, simulator, input),
        "QueryChaincodeDefinition" => query::definition(&bundle, simulator, input),
        "QueryChaincodeDefinitions" => query::definitions(simulator),
        _ => {
            Err(Failure::Other(format!("receiver *lifecycle.Invocation.{function} does not exist")))
        }
    }
}

fn check_access(call: &Call<'_>, channel: Option<&Channel>, function: &str) -> Result<(), String> {
    let resource = format!("_lifecycle/{function}");
    if let Some(policy) = resources::local(&resource) {
        let creator = &call.opened.signature_header.creator;
        return acl::check_local(
            &call.peer.credentials().local_msp(),
            policy,
            creator,
            call.signed,
        );
    }
    match (channel, resources::default_path(&resource)) {
        (Some(channel), _) => acl::check_identity(&channel.bundle(), &resource, call.identity),
        (None, None) => Err(format!("Unmapped policy for {resource}")),
        // A channel's policy cannot be asked without a channel.
        (None, Some(path)) => Err(format!(
            "Failed getting local MSP principal during channelless check policy with policy \
             [{path}]: [MSP Principal role [{path}] not recognized]"
        )),
    }
}
