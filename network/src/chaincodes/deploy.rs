//! All steps in one: install, approve for every organisation whose administrator is here, commit, wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_proto::lifecycle::QueryChaincodeDefinitionResult;
use carecord_proto::protos::CollectionConfigPackage;

use super::calls::{self, Approval};
use super::definition::Definition;
use super::package::Package;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChaincodeEntry, ChannelEntry};

const PAUSE: Duration = Duration::from_millis(50);

/// What is to be in force; what is not given stays as it is, or takes its default the first time.
pub struct Deployment<'a> {
    /// The chaincode.
    pub name: &'a str,
    /// Its version.
    pub version: Option<&'a str>,
    /// Who must endorse: the path of a channel policy, or an expression.
    pub policy: Option<&'a str>,
    /// Whether the first call must be an init call.
    pub init_required: Option<bool>,
    /// Static collections.
    pub collections: Option<CollectionConfigPackage>,
    /// The package to run; none: what is built into the peers.
    pub package: Option<&'a Package>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The number of the definition in force.
    pub sequence: i64,
    /// Its version.
    pub version: String,
    /// The package that every organisation approved.
    pub package_id: Option<String>,
    /// Whether anything changed.
    pub changed: bool,
}

/// Brings a definition into force on `channel` and waits until every peer of it knows.
pub async fn deploy(
    session: &Session,
    channel: &ChannelEntry,
    wanted: &Deployment<'_>,
    patience: Duration,
) -> Outcome<Deployed> {
    let deadline = Instant::now() + patience;
    let current = in_force(session, channel, wanted.name).await?;
    let mut definition = wanted.definition(current.as_ref())?;
    let package_id = match wanted.package {
        Some(package) => Some(install_everywhere(session, channel, package).await?),
        None => None,
    };
    let same = current.as_ref().is_some_and(|current| is_same(current, &definition));
    if same {
        definition.sequence -= 1;
    }
    let approvals = channel.organisations.iter().map(|organisation| {
        let package_id = package_id.as_deref();
        let approval = Approval { definition: &definition, organisation, package_id };
        approve(session, channel, approval, deadline)
    });
    futures::future::try_join_all(approvals).await?;
    if !same {
        calls::commit(session, channel, &definition, &channel.organisations, deadline)
            .await
            .map_err(|failure| failed(channel, wanted.name, "commit", &failure))?;
    }
    settle(session, channel, &definition, deadline).await?;
    note(session, channel, wanted, &definition)?;
    let Definition { sequence, version, .. } = definition;
    Ok(Deployed { sequence, version, package_id, changed: !same })
}

async fn approve(
    session: &Session,
    channel: &ChannelEntry,
    approval: Approval<'_>,
    deadline: Instant,
) -> Outcome<()> {
    let (name, what) =
        (&approval.definition.name, format!("approval of {}", approval.organisation));
    let approved = calls::approve(session, channel, &approval, deadline).await;
    approved.map_err(|failure| failed(channel, name, &what, &failure))
}

// === impl Deployment ===

impl Deployment<'_> {
    /// The next definition after the one in force.
    fn definition(&self, current: Option<&QueryChaincodeDefinitionResult>) -> Outcome<Definition> {
        let version = self.version.map(str::to_owned);
        let old = |of: fn(&QueryChaincodeDefinitionResult) -> Bytes| current.map(of);
        let policy = match self.policy {
            Some(policy) => super::policy(policy)?,
            None => old(|it| it.validation_parameter.clone()).unwrap_or_default(),
        };
        Ok(Definition {
            name: self.name.to_owned(),
            version: version
                .or_else(|| current.map(|it| it.version.clone()))
                .unwrap_or_else(|| "1.0".to_owned()),
            sequence: current.map_or(1, |it| it.sequence + 1),
            policy,
            init_required: self
                .init_required
                .unwrap_or_else(|| current.is_some_and(|it| it.init_required)),
            collections: self
                .collections
                .clone()
                .or_else(|| current.and_then(|it| it.collections.clone()))
                .unwrap_or_default(),
        })
    }
}

fn is_same(current: &QueryChaincodeDefinitionResult, next: &Definition) -> bool {
    current.version == next.version
        && current.validation_parameter == next.policy
        && current.init_required == next.init_required
        && current.collections.clone().unwrap_or_default() == next.collections
}

async fn in_force(
    session: &Session,
    channel: &ChannelEntry,
    name: &str,
) -> Outcome<Option<QueryChaincodeDefinitionResult>> {
    let member = channel.organisations.first().expect("a checked channel has members");
    let (peer, admin) = (session.file().peer_of(member)?, session.file().admin(member)?);
    calls::committed(session, peer, admin, &channel.name, name).await
}

async fn install_everywhere(
    session: &Session,
    channel: &ChannelEntry,
    package: &Package,
) -> Outcome<String> {
    let mut id = String::new();
    for organisation in &channel.organisations {
        let admin = session.file().admin(organisation)?;
        let own = session.file().nodes_of("peer").filter(|node| node.organisation == *organisation);
        for peer in own {
            id = calls::install(session, peer, admin, package).await?;
        }
    }
    Ok(id)
}

/// Waits until every peer of the channel has the definition: a call that comes next then meets it everywhere.
async fn settle(
    session: &Session,
    channel: &ChannelEntry,
    definition: &Definition,
    deadline: Instant,
) -> Outcome<()> {
    for organisation in &channel.organisations {
        let admin = session.file().admin(organisation)?;
        let own = session.file().nodes_of("peer").filter(|node| node.organisation == *organisation);
        for peer in own {
            loop {
                let name = &definition.name;
                let found = calls::committed(session, peer, admin, &channel.name, name).await;
                let sequence = found.as_ref().ok().and_then(Option::as_ref).map(|it| it.sequence);
                if sequence.is_some_and(|sequence| sequence >= definition.sequence) {
                    break;
                }
                if Instant::now() >= deadline {
                    found?;
                    let cause = "it is committed, and this peer has not taken it over in time";
                    return Err(Failure::new(Code::ChaincodeRefused, cause).at(&peer.name));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok(())
}

/// Keeps in the network's file what is deployed, for the commands that list it.
fn note(
    session: &Session,
    channel: &ChannelEntry,
    wanted: &Deployment<'_>,
    definition: &Definition,
) -> Outcome<()> {
    let mut file = session.dir().read()?;
    let entries: BTreeMap<_, _> = file
        .chaincodes
        .iter()
        .enumerate()
        .map(|(index, entry)| ((entry.channel.clone(), entry.name.clone()), index))
        .collect();
    let known = entries.get(&(channel.name.clone(), wanted.name.to_owned()));
    match known.and_then(|index| file.chaincodes.get_mut(*index)) {
        Some(entry) => {
            entry.version.clone_from(&definition.version);
            entry.deployed = true;
            if let Some(policy) = wanted.policy {
                policy.clone_into(&mut entry.endorsement);
            }
        }
        None => file.chaincodes.push(ChaincodeEntry {
            name: wanted.name.to_owned(),
            version: definition.version.clone(),
            channel: channel.name.clone(),
            endorsement: wanted.policy.unwrap_or(carecord_channel::ENDORSEMENT).to_owned(),
            deployed: true,
        }),
    }
    session.dir().write(&file)
}

fn failed(channel: &ChannelEntry, name: &str, what: &str, failure: &Failure) -> Failure {
    Failure::new(Code::Deploy, format!("{what} failed: {failure}"))
        .at(format!("chaincode {name} on channel {}", channel.name))
        .hint("repair the cause and run the command again; what is done already stays done")
}
