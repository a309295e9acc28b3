//! Calls of `_lifecycle`: transactions through a gateway, questions straight to one peer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_proto::lifecycle::{
    CheckCommitReadinessResult, InstallChaincodeArgs, InstallChaincodeResult,
    QueryChaincodeDefinitionArgs, QueryChaincodeDefinitionResult, QueryChaincodeDefinitionsArgs,
    QueryChaincodeDefinitionsResult, QueryInstalledChaincodesArgs, QueryInstalledChaincodesResult,
};
use carecord_sdk::Error;
use prost::Message;

use super::approved::is_approved_before;
use super::definition::Definition;
use super::package::Package;
use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk};
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

const LIFECYCLE: &str = "_lifecycle";
const APPROVE: &str = "ApproveChaincodeDefinitionForMyOrg";
const COMMIT: &str = "CommitChaincodeDefinition";
const OK: i32 = 200;
const NOT_FOUND: i32 = 404;
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// What a peer says of a package that is there already.
const INSTALLED: &str = "chaincode already successfully installed";

/// An approval: of what, by whom, and with which package.
pub struct Approval<'a> {
    /// What is approved.
    pub definition: &'a Definition,
    /// The organisation.
    pub organisation: &'a str,
    /// The package that its peers are to run; none: what is built into them.
    pub package_id: Option<&'a str>,
}

/// A package on a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its id.
    pub package_id: String,
    /// Its label.
    pub label: String,
    /// What it runs: `channel/name:version`.
    pub runs: Vec<String>,
}

/// Installs a package on a peer; gives its id, also if it was there already.
pub async fn install(
    session: &Session,
    peer: &NodeEntry,
    admin: &UserEntry,
    package: &Package,
) -> Outcome<String> {
    let bytes = package.bytes.clone().into();
    let args = InstallChaincodeArgs { chaincode_install_package: bytes };
    let asked = Question { peer, user: admin, channel: "", function: "InstallChaincode" };
    match asked.ask::<InstallChaincodeResult>(session, &args).await {
        Ok(result) => Ok(result.package_id),
        Err(Refusal::Peer(_, text)) if text.contains(INSTALLED) => {
            let id = text.split('\'').rev().nth(1).unwrap_or_default();
            Ok(id.to_owned())
        }
        Err(refusal) => Err(refusal.failure(peer)),
    }
}

/// The packages on a peer.
pub async fn installed(
    session: &Session,
    peer: &NodeEntry,
    admin: &UserEntry,
) -> Outcome<Vec<Installed>> {
    let function = "QueryInstalledChaincodes";
    let asked = Question { peer, user: admin, channel: "", function };
    let result: Result<QueryInstalledChaincodesResult, _> =
        asked.ask(session, &QueryInstalledChaincodesArgs {}).await;
    let result = result.map_err(|refusal| refusal.failure(peer))?;
    let packages = result.installed_chaincodes.into_iter().map(|package| {
        let runs = package.references.iter().flat_map(|(channel, references)| {
            let name = move |it: &carecord_proto::lifecycle::query_installed_chaincodes_result::Chaincode| {
                format!("{channel}/{}:{}", it.name, it.version)
            };
            references.chaincodes.iter().map(name)
        });
        let runs = runs.collect();
        Installed { package_id: package.package_id, label: package.label, runs }
    });
    Ok(packages.collect())
}

/// The definition in force under a name, if there is one, and who has approved it.
pub async fn committed(
    session: &Session,
    peer: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    name: &str,
) -> Outcome<Option<QueryChaincodeDefinitionResult>> {
    let asked = Question { peer, user, channel, function: "QueryChaincodeDefinition" };
    match asked.ask(session, &QueryChaincodeDefinitionArgs { name: name.to_owned() }).await {
        Ok(result) => Ok(Some(result)),
        Err(Refusal::Peer(NOT_FOUND, _)) => Ok(None),
        Err(refusal) => Err(refusal.failure(peer)),
    }
}

/// All definitions in force.
pub async fn committed_all(
    session: &Session,
    peer: &NodeEntry,
    user: &UserEntry,
    channel: &str,
) -> Outcome<QueryChaincodeDefinitionsResult> {
    let asked = Question { peer, user, channel, function: "QueryChaincodeDefinitions" };
    let result = asked.ask(session, &QueryChaincodeDefinitionsArgs {}).await;
    result.map_err(|refusal| refusal.failure(peer))
}

/// Who has approved a definition that is to be committed.
pub async fn readiness(
    session: &Session,
    peer: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    definition: &Definition,
) -> Outcome<BTreeMap<String, bool>> {
    let asked = Question { peer, user, channel, function: "CheckCommitReadiness" };
    let result: Result<CheckCommitReadinessResult, _> =
        asked.ask(session, &definition.readiness()).await;
    Ok(result.map_err(|refusal| refusal.failure(peer))?.approvals)
}

/// Records an organisation's approval; one that was given before counts.
pub async fn approve(
    session: &Session,
    channel: &ChannelEntry,
    approval: &Approval<'_>,
    deadline: Instant,
) -> Outcome<()> {
    let Approval { definition, organisation, package_id } = approval;
    let msp_id = session.file().organisation(organisation)?.msp_id.clone();
    let args = definition.approval(*package_id).encode_to_vec();
    let done_before: &(dyn Fn(&str) -> bool + Sync) = &is_approved_before;
    let call = Call { function: APPROVE, args, endorsers: vec![msp_id], done_before };
    call.submit(session, channel, organisation, deadline).await
}

/// Puts a definition in force, endorsed by `members`: those that have approved it, since the peers of others refuse.
pub async fn commit(
    session: &Session,
    channel: &ChannelEntry,
    definition: &Definition,
    members: &[String],
    deadline: Instant,
) -> Outcome<()> {
    let endorsers = members
        .iter()
        .map(|member| Ok(session.file().organisation(member)?.msp_id.clone()))
        .collect::<Outcome<_>>()?;
    // Whoever was quicker has done it too.
    let next = format!("new definition must be sequence {}", definition.sequence + 1);
    let args = definition.commit().encode_to_vec();
    let done_before = |text: &str| text.contains(&next);
    let call = Call { function: COMMIT, args, endorsers, done_before: &done_before };
    let nobody = || Failure::new(Code::ChaincodeNotReady, "no organisation is to endorse it");
    let member = members.first().ok_or_else(nobody)?;
    call.submit(session, channel, member, deadline).await
}

/// A question to one peer.
struct Question<'a> {
    peer: &'a NodeEntry,
    user: &'a UserEntry,
    channel: &'a str,
    function: &'a str,
}

/// Why there is no answer.
enum Refusal {
    /// The peer's status and text.
    Peer(i32, String),
    /// The peer cannot be asked.
    Unasked(Failure),
}

// === impl Question ===

impl Question<'_> {
    async fn ask<R: Message + Default>(
        &self,
        session: &Session,
        args: &impl Message,
    ) -> Result<R, Refusal> {
        let Question { peer, user, channel, function } = self;
        let args = vec![Bytes::copy_from_slice(function.as_bytes()), args.encode_to_vec().into()];
        let answer = configuring::call(session, peer, user, channel, LIFECYCLE, args).await;
        let response = answer.map_err(Refusal::Unasked)?.response.unwrap_or_default();
        if response.status != OK {
            return Err(Refusal::Peer(response.status, response.message));
        }
        R::decode(response.payload)
            .map_err(|error| Refusal::Unasked(Failure::new(Code::ChaincodeRefused, error)))
    }
}

// === impl Refusal ===

impl Refusal {
    fn failure(self, peer: &NodeEntry) -> Failure {
        match self {
            Self::Unasked(failure) => failure,
            Self::Peer(_, text) => Failure::new(Code::ChaincodeRefused, text).at(&peer.name),
        }
    }
}

/// One `_lifecycle` transaction.
struct Call<'a> {
    function: &'static str,
    args: Vec<u8>,
    endorsers: Vec<String>,
    /// Whether what a peer says means that it was done before.
    done_before: &'a (dyn Fn(&str) -> bool + Sync),
}

// === impl Call ===

impl Call<'_> {
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
            if (self.done_before)(&error.to_string()) {
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
