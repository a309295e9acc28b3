//! Chaincodes are deployed by ordinary `_lifecycle` transactions: every member approves, then one commits.

use std::time::{Duration, Instant};

use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CommitChaincodeDefinitionArgs,
    chaincode_source,
};
use carecord_proto::protos::{ApplicationPolicy, application_policy};
use carecord_sdk::Error;
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::session::{Session, from_sdk};
use crate::state::{ChaincodeEntry, ChannelEntry};

const LIFECYCLE: &str = "_lifecycle";
const APPROVE: &str = "ApproveChaincodeDefinitionForMyOrg";
const COMMIT: &str = "CommitChaincodeDefinition";
const ENDORSEMENT_PLUGIN: &str = "escc";
const VALIDATION_PLUGIN: &str = "vscc";
/// The first definition of a chaincode.
const FIRST_SEQUENCE: i64 = 1;
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// What a peer says of a definition that was approved or committed before.
const DONE_BEFORE: [&str; 2] = ["unchanged content", "new definition must be sequence 2"];

/// Deploys what the network file names and has not been deployed; returns the names.
pub async fn deploy(session: &Session, patience: Duration, output: Output) -> Outcome<Vec<String>> {
    let waiting: Vec<&ChaincodeEntry> =
        session.file().chaincodes.iter().filter(|chaincode| !chaincode.deployed).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let step = output.step("chaincodes");
    let deadline = Instant::now() + patience;
    for chaincode in &waiting {
        step.progress(&chaincode.name);
        let channel = session.file().channel(Some(&chaincode.channel))?;
        let approvals = channel
            .organisations
            .iter()
            .map(|member| approve(session, channel, chaincode, member, deadline));
        futures::future::try_join_all(approvals).await?;
        commit(session, channel, chaincode, deadline).await?;
    }
    let names: Vec<String> = waiting.iter().map(|chaincode| chaincode.name.clone()).collect();
    mark_deployed(session)?;
    step.done(&names.join(", "));
    Ok(names)
}

async fn approve(
    session: &Session,
    channel: &ChannelEntry,
    chaincode: &ChaincodeEntry,
    member: &str,
    deadline: Instant,
) -> Outcome<()> {
    let args = ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: FIRST_SEQUENCE,
        name: chaincode.name.clone(),
        version: chaincode.version.clone(),
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: policy(&chaincode.endorsement)?.into(),
        collections: None,
        init_required: false,
        source: Some(ChaincodeSource {
            r#type: Some(chaincode_source::Type::Unavailable(chaincode_source::Unavailable {})),
        }),
    };
    let msp_id = session.file().organisation(member)?.msp_id.clone();
    let call = Call { function: APPROVE, args: args.encode_to_vec(), endorsers: vec![msp_id] };
    call.submit(session, channel, member, deadline)
        .await
        .map_err(|failure| failed(chaincode, &format!("approval of {member}"), &failure))
}

async fn commit(
    session: &Session,
    channel: &ChannelEntry,
    chaincode: &ChaincodeEntry,
    deadline: Instant,
) -> Outcome<()> {
    let args = CommitChaincodeDefinitionArgs {
        sequence: FIRST_SEQUENCE,
        name: chaincode.name.clone(),
        version: chaincode.version.clone(),
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: policy(&chaincode.endorsement)?.into(),
        collections: None,
        init_required: false,
    };
    let endorsers = channel
        .organisations
        .iter()
        .map(|member| Ok(session.file().organisation(member)?.msp_id.clone()))
        .collect::<Outcome<_>>()?;
    let call = Call { function: COMMIT, args: args.encode_to_vec(), endorsers };
    let member = channel.organisations.first().expect("a checked channel has members");
    call.submit(session, channel, member, deadline)
        .await
        .map_err(|failure| failed(chaincode, "commit", &failure))
}

/// One `_lifecycle` transaction.
struct Call {
    function: &'static str,
    args: Vec<u8>,
    endorsers: Vec<String>,
}

// === impl Call ===

impl Call {
    /// Submits until it is valid; peers that are still catching up or a missing leader are waited for.
    async fn submit(
        &self,
        session: &Session,
        channel: &ChannelEntry,
        member: &str,
        deadline: Instant,
    ) -> Outcome<()> {
        let admin = session.file().admin(member)?;
        let network = session.gateway(admin, None)?.network(&channel.name);
        loop {
            let error = match self.once(&network).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let failure = from_sdk(&error);
            let text = error.to_string();
            if DONE_BEFORE.iter().any(|done| text.contains(done)) {
                return Ok(());
            }
            if Instant::now() >= deadline || !is_passing(&error) {
                return Err(failure);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn once(&self, network: &carecord_sdk::Network) -> Result<(), Error> {
        network
            .contract(LIFECYCLE)
            .proposal(self.function)
            .arguments([self.args.clone()])
            .organisations(self.endorsers.clone())
            .build()?
            .endorse()
            .await?
            .submit()
            .await?
            .wait_valid()
            .await
            .map(|_| ())
    }
}

/// Whether a network that has just started gets over it by itself.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Gateway { status, .. } => matches!(
            status.code(),
            tonic::Code::Unavailable | tonic::Code::Aborted | tonic::Code::FailedPrecondition
        ),
        other => other.is_retryable(),
    }
}

/// The validation parameter of a definition.
fn policy(endorsement: &str) -> Outcome<Vec<u8>> {
    use application_policy::Type;
    let policy = if endorsement.starts_with('/') {
        Type::ChannelConfigPolicyReference(endorsement.to_owned())
    } else {
        let parsed = carecord_channel::policy::dsl::parse(endorsement)
            .map_err(|error| Failure::new(Code::TopologyPolicy, error).at(endorsement))?;
        Type::SignaturePolicy(parsed)
    };
    Ok(ApplicationPolicy { r#type: Some(policy) }.encode_to_vec())
}

fn mark_deployed(session: &Session) -> Outcome<()> {
    let mut file = session.dir().read()?;
    for chaincode in &mut file.chaincodes {
        chaincode.deployed = true;
    }
    session.dir().write(&file)
}

fn failed(chaincode: &ChaincodeEntry, what: &str, failure: &Failure) -> Failure {
    Failure::new(Code::Deploy, format!("{what} failed: {failure}"))
        .at(format!("chaincode {} on channel {}", chaincode.name, chaincode.channel))
        .hint("repair the cause and run `carecord network up --dir DIR` again")
}
