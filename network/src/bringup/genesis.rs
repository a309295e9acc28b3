//! The first block of each channel.

use std::path::Path;
use std::time::Duration;

use carecord_channel::genesis::{ChannelLevel, ChannelSpec, OrganizationSpec, genesis_block};
use carecord_msp::keystore;
use carecord_proto::etcdraft::{Consenter, Options};
use carecord_proto::orderer::BatchSize;
use carecord_proto::protos::AnchorPeer;
use prost::Message;

use super::credentials::Made;
use super::ports::Addresses;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::{NetworkDir, read_credential, replace_file};
use crate::topology::{Channel, Organisation, OrganisationRole, Topology};

const NONCE_BYTES: usize = 24;

/// What is known when the first blocks are made.
pub(super) struct Parts<'a> {
    /// The topology.
    pub(super) topology: &'a Topology,
    /// Addresses of its nodes, in its order.
    pub(super) addresses: &'a [Addresses],
    /// Certificates of its organisations, in its order.
    pub(super) made: &'a [Made],
}

/// Makes and writes the first block of `channel`.
pub(super) fn write(
    dir: &NetworkDir,
    parts: &Parts<'_>,
    channel: &Channel,
    now: i64,
) -> Outcome<()> {
    let spec = parts.spec(channel)?;
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Failure::new(Code::Genesis, error))?;
    let block = genesis_block(&spec, nonce.into(), now).map_err(|error| {
        Failure::new(Code::Genesis, error).at(format!("channel {}", channel.name))
    })?;
    replace_file(&dir.genesis(&channel.name), &block.encode_to_vec())
}

/// When `channel` cuts blocks and how its orderers keep together, as its topology has it.
pub(crate) fn settings(spec: &mut ChannelSpec, channel: &Channel) {
    let (batch, raft) = (channel.batch, channel.raft);
    spec.orderer.raft = Options {
        tick_interval: format!("{}ms", raft.tick_ms),
        election_tick: raft.election_ticks,
        heartbeat_tick: raft.heartbeat_ticks,
        max_inflight_blocks: raft.max_inflight_blocks,
        snapshot_interval_size: raft.snapshot_interval_bytes,
    };
    spec.orderer.batch_size = BatchSize {
        max_message_count: batch.max_messages,
        absolute_max_bytes: batch.max_bytes,
        preferred_max_bytes: batch.preferred_bytes,
    };
    spec.orderer.batch_timeout = Duration::from_millis(u64::from(batch.timeout_ms));
}

// === impl Parts ===

impl Parts<'_> {
    fn spec(&self, channel: &Channel) -> Outcome<ChannelSpec> {
        let mut spec = ChannelSpec::new(&channel.name);
        // Ed25519 identities need the third level.
        spec.level = ChannelLevel::V3_0;
        spec.orderer.organizations = self.orderer_organisations(channel)?;
        spec.orderer.consenters = self.consenters(channel)?;
        settings(&mut spec, channel);
        spec.application.organizations = channel
            .organisations
            .iter()
            .map(|name| self.member(self.topology.organisation(name)))
            .collect::<Outcome<_>>()?;
        Ok(spec)
    }

    fn orderer_organisations(&self, channel: &Channel) -> Outcome<Vec<OrganizationSpec>> {
        let ours = |organisation: &&Organisation| {
            self.topology
                .nodes_of(&organisation.name)
                .any(|node| channel.orderers.contains(&node.name))
        };
        self.topology
            .organisations_of(OrganisationRole::Orderer)
            .filter(ours)
            .map(|organisation| {
                let endpoints = self
                    .nodes()
                    .filter(|(node, _)| node.organisation == organisation.name)
                    .filter(|(node, _)| channel.orderers.contains(&node.name))
                    .map(|(_, addresses)| addresses.client.clone())
                    .collect();
                let msp = self.msp(organisation)?;
                OrganizationSpec::orderer(&organisation.name, &organisation.msp_id, msp, endpoints)
                    .map_err(|error| unusable(organisation, &error))
            })
            .collect()
    }

    fn member(&self, organisation: &Organisation) -> Outcome<OrganizationSpec> {
        let anchors = self
            .nodes()
            .filter(|(node, _)| node.organisation == organisation.name)
            .map(|(_, addresses)| {
                let (host, port) = host_and_port(&addresses.client);
                AnchorPeer { host: host.to_owned(), port: i32::from(port) }
            })
            .collect();
        let msp = self.msp(organisation)?;
        OrganizationSpec::application(&organisation.name, &organisation.msp_id, msp, anchors)
            .map_err(|error| unusable(organisation, &error))
    }

    fn consenters(&self, channel: &Channel) -> Outcome<Vec<Consenter>> {
        channel
            .orderers
            .iter()
            .map(|name| {
                let (node, addresses) = self
                    .nodes()
                    .find(|(node, _)| node.name == *name)
                    .expect("a checked topology names only nodes it describes");
                let cluster = addresses.cluster.as_ref().expect("an orderer has a cluster address");
                let (host, port) = host_and_port(cluster);
                let folder = self
                    .folder(self.topology.organisation(&node.organisation))
                    .node(name)
                    .map_err(super::credentials::failure)?;
                let certificate = read_credential(&folder.tls_certificate())?;
                Ok(Consenter {
                    host: host.to_owned(),
                    port: u32::from(port),
                    client_tls_cert: certificate.clone().into(),
                    server_tls_cert: certificate.into(),
                })
            })
            .collect()
    }

    fn msp(&self, organisation: &Organisation) -> Outcome<carecord_proto::msp::MspConfig> {
        let folder = self.folder(organisation).msp();
        load_msp(&folder, &organisation.msp_id)
    }

    fn folder(&self, organisation: &Organisation) -> &carecord_ca::layout::OrganisationFolder {
        let index = self
            .topology
            .organisations
            .iter()
            .position(|other| other.name == organisation.name)
            .expect("the organisation comes from this topology");
        &self.made[index].folder
    }

    fn nodes(&self) -> impl Iterator<Item = (&crate::topology::Node, &Addresses)> {
        self.topology.nodes.iter().zip(self.addresses)
    }
}

fn load_msp(folder: &Path, msp_id: &str) -> Outcome<carecord_proto::msp::MspConfig> {
    keystore::load_msp_config(folder, msp_id)
        .map_err(|error| Failure::new(Code::Certificate, error).at(folder.display()))
}

fn unusable(organisation: &Organisation, error: &carecord_channel::Error) -> Failure {
    Failure::new(Code::Genesis, error).at(format!("organisation {}", organisation.name))
}

fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').expect("addresses are made as host:port");
    (host, port.parse().expect("the port was written from a number"))
}
