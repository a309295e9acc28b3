//! The TLS certificate of an orderer, which the channels' configurations name.

use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_ca::Issued;
use carecord_ca::layout::MemberFolder;
use carecord_proto::common::{ConfigGroup, ConfigValue};
use carecord_proto::etcdraft::ConfigMetadata;
use carecord_proto::orderer::ConsensusType;
use prost::Message;

use super::{ORDERER, taken};
use crate::codes::Code;
use crate::configuring::{self, Change};
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::pairs;
use crate::participation;
use crate::process::Process;
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// How long an orderer that was just started may take to get its vote: two elections with Fabric's own tick.
const VOTES: Duration = Duration::from_secs(10);
/// What an orderer with a vote calls itself.
const CONSENTER: &str = "consenter";

/// Gives an orderer a TLS certificate: known beside the old one, then named by its channels, then in force.
pub(super) async fn renew(
    session: &Session,
    node: &NodeEntry,
    member: &MemberFolder,
    issued: &Issued,
) -> Outcome<()> {
    // What a run before has left half done is finished first: the key in force may have its certificate beside it.
    pairs::finish(&member.tls_certificate(), &member.tls_key())?;
    let mut old = vec![crate::state::read_credential(&member.tls_certificate())?];
    let next = NodeConfig::load(&node.config_file)?.tls.next();
    // A run that was cut short may have got as far as naming its next certificate.
    old.extend(std::fs::read(&next.certificate).ok());
    let before = taken::counts(node);
    pairs::put(&next.certificate, &next.key, issued)?;
    taken::wait(node, "tls", before.tls).await?;

    let new = Bytes::copy_from_slice(issued.certificate_pem.as_bytes());
    for channel in session.file().channels.iter().filter(|c| c.orderers.contains(&node.name)) {
        let signers = administrators(session, channel)?;
        let change = Change {
            channel: &channel.name,
            signers: &signers,
            nodes: &running(configuring::nodes_of(session, channel)),
            patience: PATIENCE,
            force: false,
        };
        configuring::change(session, &change, |root| exchange(root, &old, &new)).await?;
        healthy(session, channel).await?;
    }

    let before = taken::counts(node);
    let (certificate, key) = (member.tls_certificate(), member.tls_key());
    pairs::promote(&certificate, &key)?;
    taken::wait(node, "tls", before.tls).await?;
    for channel in session.file().channels.iter().filter(|c| c.orderers.contains(&node.name)) {
        healthy(session, channel).await?;
    }
    Ok(())
}

/// Who is down reads the configuration when it is started.
fn running(nodes: Vec<&NodeEntry>) -> Vec<&NodeEntry> {
    nodes.into_iter().filter(|node| Process::of_file(&node.pid_file).is_some()).collect()
}

/// Waits a while until all orderers of `node`'s channels vote: while one does not, no certificate of a consenter is
/// exchanged, since the channel could lose its majority in between.
pub(super) async fn all_vote(session: &Session, node: &NodeEntry) -> Outcome<()> {
    let deadline = Instant::now() + VOTES;
    for channel in session.file().channels.iter().filter(|c| c.orderers.contains(&node.name)) {
        for name in &channel.orderers {
            votes(session, session.file().node(name)?, channel, deadline).await?;
        }
    }
    Ok(())
}

async fn votes(
    session: &Session,
    node: &NodeEntry,
    channel: &ChannelEntry,
    deadline: Instant,
) -> Outcome<()> {
    loop {
        let runs = Process::of_file(&node.pid_file).is_some();
        let is = match participation::standing(session, node, &channel.name) {
            Ok(standing) if standing.relation == CONSENTER => return Ok(()),
            Ok(standing) => format!("{}, {}", standing.relation, standing.status),
            Err(_) if !runs => "down".to_owned(),
            Err(failure) => failure.cause().to_owned(),
        };
        if !runs || Instant::now() >= deadline {
            let (name, channel) = (&node.name, &channel.name);
            let cause = format!(
                "{name} has no vote on channel {channel} ({is}), and certificates of its orderers are exchanged only while all vote"
            );
            return Err(Failure::new(Code::Renew, cause).at(name).hint(format!(
                "`carecord orderer status -C {channel}`; start it, or take it out with `carecord orderer remove {name} -C {channel}`"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Administrators of the organisations that order the channel: they decide who orders.
fn administrators<'a>(session: &'a Session, channel: &ChannelEntry) -> Outcome<Vec<&'a UserEntry>> {
    let mut organisations: Vec<&str> = Vec::new();
    for name in &channel.orderers {
        let organisation = session.file().node(name)?.organisation.as_str();
        if !organisations.contains(&organisation) {
            organisations.push(organisation);
        }
    }
    organisations.into_iter().map(|name| session.file().admin(name)).collect()
}

/// Names `new` wherever a consenter is known by one of `old`.
pub(crate) fn exchange(root: &mut ConfigGroup, old: &[Vec<u8>], new: &Bytes) -> Outcome<()> {
    let value = consensus(root)?;
    let unreadable = |error| Failure::new(Code::Renew, format!("the consenters: {error}"));
    let mut kind = ConsensusType::decode(value.value.clone()).map_err(unreadable)?;
    let mut raft = ConfigMetadata::decode(kind.metadata.clone()).map_err(unreadable)?;
    let der = |pem: &[u8]| pem::parse(pem).ok().map(pem::Pem::into_contents);
    let old: Vec<_> = old.iter().filter_map(|pem| der(pem)).collect();
    let same = |pem: &[u8]| der(pem).is_some_and(|der| old.contains(&der));
    let mut found = false;
    for consenter in &mut raft.consenters {
        for named in [&mut consenter.client_tls_cert, &mut consenter.server_tls_cert] {
            if same(named) {
                *named = new.clone();
                found = true;
            }
        }
    }
    if !found {
        return Err(Failure::new(Code::Renew, "no consenter is known by the certificate in force")
            .hint("was it exchanged by hand? name the one in the node's files by a configuration update"));
    }
    kind.metadata = raft.encode_to_vec().into();
    value.value = kind.encode_to_vec().into();
    Ok(())
}

fn consensus(root: &mut ConfigGroup) -> Outcome<&mut ConfigValue> {
    let orderer = root.groups.get_mut("Orderer");
    orderer.and_then(|orderer| orderer.values.get_mut("ConsensusType")).ok_or_else(|| {
        Failure::new(Code::Renew, "the configuration does not say how it is ordered")
    })
}

/// Waits until the channel has a leader that reaches all its orderers, so that the next one may be touched. Followers talk to
/// each other only when they elect, so what they reach says nothing.
async fn healthy(session: &Session, channel: &ChannelEntry) -> Outcome<()> {
    let wanted = channel.orderers.len() as f64;
    let gauge = |node: &NodeEntry, name: &str| taken::gauge(node, name, &channel.name);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut orderers = session.file().nodes_of(ORDERER);
        let settled = orderers.any(|node| {
            gauge(node, "consensus_etcdraft_is_leader") == Some(1.0)
                && gauge(node, "consensus_etcdraft_active_nodes") == Some(wanted)
        });
        if settled {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let cause = "no leader reaches all orderers after the exchange of a certificate";
            return Err(Failure::new(Code::Renew, cause)
                .at(format!("channel {}", channel.name))
                .hint("bring all orderers of the channel up, then run the command again"));
        }
        tokio::time::sleep(POLL).await;
    }
}
