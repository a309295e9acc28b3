//! A newcomer agrees to the chaincodes that a channel runs already: without that its own peers do not run them.

use std::time::{Duration, Instant};

use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, QueryChaincodeDefinitionsArgs,
    QueryChaincodeDefinitionsResult, chaincode_source,
    query_chaincode_definitions_result::ChaincodeDefinition,
};
use carecord_sdk::{Error, Network};
use prost::Message;

use crate::chaincodes;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk, is_passing};
use crate::state::{ChannelEntry, UserEntry};

const LIFECYCLE: &str = "_lifecycle";
const QUERY: &str = "QueryChaincodeDefinitions";
const APPROVE: &str = "ApproveChaincodeDefinitionForMyOrg";
const PAUSE: Duration = Duration::from_millis(100);

/// Approves, for the organisation of `admin`, every definition that the channel has committed; returns what was approved.
///
/// Chaincodes of our own are part of every peer, so no package is named.
pub async fn adopt(
    session: &Session,
    channel: &ChannelEntry,
    admin: &UserEntry,
    patience: Duration,
) -> Outcome<Vec<String>> {
    let network = session.gateway(admin, None)?.network(&channel.name);
    let deadline = Instant::now() + patience;
    let query = QueryChaincodeDefinitionsArgs {}.encode_to_vec();
    let answer = network
        .contract(LIFECYCLE)
        .evaluate(QUERY, [query])
        .await
        .map_err(|error| from_sdk(&error))?;
    let found = QueryChaincodeDefinitionsResult::decode(answer).map_err(|error| {
        Failure::new(Code::Deploy, format!("the answer to {QUERY} cannot be read: {error}"))
    })?;
    let mut names = Vec::new();
    for definition in found.chaincode_definitions {
        names.push(format!("{} {}", definition.name, definition.version));
        approve(&network, admin, definition, deadline).await?;
    }
    Ok(names)
}

async fn approve(
    network: &Network,
    admin: &UserEntry,
    definition: ChaincodeDefinition,
    deadline: Instant,
) -> Outcome<()> {
    let args = ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: definition.sequence,
        name: definition.name,
        version: definition.version,
        endorsement_plugin: definition.endorsement_plugin,
        validation_plugin: definition.validation_plugin,
        validation_parameter: definition.validation_parameter,
        collections: definition.collections,
        init_required: definition.init_required,
        source: Some(ChaincodeSource {
            r#type: Some(chaincode_source::Type::Unavailable(chaincode_source::Unavailable {})),
        }),
    };
    loop {
        let error = match once(network, admin, args.encode_to_vec()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if chaincodes::is_approved_before(&error.to_string()) {
            return Ok(());
        }
        if Instant::now() >= deadline || !is_passing(&error) {
            return Err(from_sdk(&error));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(network: &Network, admin: &UserEntry, args: Vec<u8>) -> Result<(), Error> {
    network
        .contract(LIFECYCLE)
        .proposal(APPROVE)
        .arguments([args])
        .organisations([admin.msp_id.clone()])
        .build()?
        .endorse()
        .await?
        .submit()
        .await?
        .wait_valid()
        .await
        .map(|_| ())
}
