//! `carecord channel create`: one more channel of a network that runs.

use std::time::{Duration, Instant};

use carecord_channel::genesis::{ChannelLevel, ChannelSpec, OrganizationSpec, genesis_block};
use carecord_msp::keystore;
use carecord_proto::block;
use carecord_proto::common::Block;
use carecord_proto::protos::AnchorPeer;
use clap::Args;
use prost::Message;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, consenters};
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::participation;
use crate::session::Session;
use crate::state::{ChannelEntry, NetworkFile, NodeEntry, OrganisationEntry, replace_file};
use crate::topology::Topology;

const NONCE_BYTES: usize = 24;
const POLL: Duration = Duration::from_millis(50);
/// What an orderer says of a channel that it is on.
const JOINED: &str = "channel already exists";

#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    #[command(flatten)]
    folder: Folder,
    /// Name of the channel.
    name: String,
    /// Member; may be given again; all peer organisations if none is given.
    #[arg(long = "member", value_name = "ORGANISATION")]
    members: Vec<String>,
    /// Orderer; may be given again; all if none is given.
    #[arg(long = "orderer", value_name = "NODE")]
    orderers: Vec<String>,
    /// Seconds until every node must serve it.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Create ===

impl Create {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let entry = self.entry(&session)?;
        let block = first_block(&session, &entry)?;
        for name in &entry.orderers {
            participation::answers(&session, session.file().node(name)?)?;
        }
        replace_file(&entry.genesis_file, &block.encode_to_vec())?;
        for name in &entry.orderers {
            let node = session.file().node(name)?;
            match participation::join(&session, node, &block.encode_to_vec()) {
                // An earlier try got as far as this, with the same block.
                Err(failure) if failure.cause().contains(JOINED) => {}
                joined => joined?,
            }
        }
        let peers = peers(session.file(), &entry);
        for node in &peers {
            let admin = session.file().admin(&node.organisation)?;
            configuring::join_peer(&session, node, admin, &block).await?;
        }
        let mut file = session.dir().read()?;
        file.channels.push(entry.clone());
        session.dir().write(&file)?;
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        let orderers = entry.orderers.iter().map(|name| session.file().node(name));
        for node in orderers.chain(peers.iter().map(|node| Ok(*node))) {
            served(&session, node?, &entry.name, deadline).await?;
        }
        let value =
            json!({"schema": "carecord.channel-create/v1", "channel": entry, "peers": peers.len()});
        output.result(&value, || {
            format!(
                "channel {} is served by {} and {} peers",
                entry.name,
                entry.orderers.join(", "),
                peers.len()
            )
        });
        Ok(())
    }

    fn entry(&self, session: &Session) -> Outcome<ChannelEntry> {
        let file = session.file();
        carecord_channel::config::names::check_channel_id(&self.name).map_err(|error| {
            Failure::new(Code::Argument, error)
                .at(&self.name)
                .hint("a small letter, then small letters, digits, dots and dashes")
        })?;
        if file.channels.iter().any(|channel| channel.name == self.name) {
            return Err(Failure::new(Code::ConfigMember, "the network has the channel already")
                .at(&self.name)
                .hint("`carecord channel list` names the channels"));
        }
        let role = |role: &'static str| {
            file.organisations.iter().filter(move |organisation| organisation.role == role)
        };
        let organisations = match self.members.is_empty() {
            true => role("peer").map(|organisation| organisation.name.clone()).collect(),
            false => self.members.clone(),
        };
        let orderers = match self.orderers.is_empty() {
            true => file.nodes_of("orderer").map(|node| node.name.clone()).collect(),
            false => self.orderers.clone(),
        };
        let genesis_file = session.dir().genesis(&self.name);
        Ok(ChannelEntry { name: self.name.clone(), organisations, orderers, genesis_file })
    }
}

fn peers<'a>(file: &'a NetworkFile, channel: &ChannelEntry) -> Vec<&'a NodeEntry> {
    file.nodes_of("peer")
        .filter(|node| channel.organisations.contains(&node.organisation))
        .collect()
}

/// The first block that a try which did not get to its end has made, or a new one. One that says something else stays:
/// nodes may have it, and two first blocks under one name would be two chains.
fn first_block(session: &Session, entry: &ChannelEntry) -> Outcome<Block> {
    let new = genesis(session, entry)?;
    let Ok(bytes) = std::fs::read(&entry.genesis_file) else { return Ok(new) };
    let says = |block: &Block| block::config_envelope(block).ok().flatten();
    let old = Block::decode(bytes.as_slice()).ok().filter(|old| says(old) == says(&new));
    old.ok_or_else(|| {
        let cause =
            "an earlier try has made the channel's first block with other members or orderers";
        Failure::new(Code::ConfigMember, cause)
            .at(entry.genesis_file.display())
            .hint("name the same with --member and --orderer, or take another name for the channel")
    })
}

/// The first block, with the policies, limits and times of the network's first channel when it was brought up; those of
/// the demonstration network where the folder has no topology.
fn genesis(session: &Session, channel: &ChannelEntry) -> Outcome<Block> {
    let file = session.file();
    let wrong = |error: carecord_channel::Error| {
        Failure::new(Code::Genesis, error).at(format!("channel {}", channel.name))
    };
    let mut spec = ChannelSpec::new(&channel.name);
    spec.level = ChannelLevel::V3_0;
    let made_from = session.dir().topology();
    let (topology, _) = Topology::load(made_from.exists().then_some(made_from.as_path()))?;
    if let Some(first) = topology.channels.first() {
        crate::bringup::genesis_settings(&mut spec, first);
    }
    let orderers = channel
        .orderers
        .iter()
        .map(|name| file.node(name))
        .collect::<Outcome<Vec<&NodeEntry>>>()?;
    for node in &orderers {
        spec.orderer.consenters.push(consenters::consenter(node)?);
    }
    for organisation in &file.organisations {
        let own = orderers.iter().filter(|node| node.organisation == organisation.name);
        let endpoints: Vec<String> = own.map(|node| node.address.clone()).collect();
        if !endpoints.is_empty() {
            let (name, msp_id) = (&organisation.name, &organisation.msp_id);
            let orderer = OrganizationSpec::orderer(name, msp_id, msp(organisation)?, endpoints);
            spec.orderer.organizations.push(orderer.map_err(wrong)?);
        }
    }
    for name in &channel.organisations {
        let organisation = file.organisation(name)?;
        let anchors = anchors(file, name);
        let member =
            OrganizationSpec::application(name, &organisation.msp_id, msp(organisation)?, anchors);
        spec.application.organizations.push(member.map_err(wrong)?);
    }
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Failure::new(Code::Genesis, error))?;
    genesis_block(&spec, nonce.into(), crate::bringup::now_unix_s()).map_err(wrong)
}

fn msp(organisation: &OrganisationEntry) -> Outcome<carecord_proto::msp::MspConfig> {
    keystore::load_msp_config(&organisation.msp_dir, &organisation.msp_id)
        .map_err(|error| Failure::new(Code::Certificate, error).at(organisation.msp_dir.display()))
}

fn anchors(file: &NetworkFile, organisation: &str) -> Vec<AnchorPeer> {
    let own = file.nodes_of("peer").filter(|node| node.organisation == organisation);
    own.filter_map(|node| {
        let (host, port) = node.address.rsplit_once(':')?;
        Some(AnchorPeer { host: host.to_owned(), port: port.parse().ok()? })
    })
    .collect()
}

async fn served(
    session: &Session,
    node: &NodeEntry,
    channel: &str,
    deadline: Instant,
) -> Outcome<()> {
    loop {
        match crate::chain::tip(session, node, channel).await {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
