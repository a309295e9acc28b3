//! The configuration file of each node, and `network.json`.

use std::path::PathBuf;

use super::credentials::Made;
use super::genesis::Parts;
use super::ports::Addresses;
use crate::error::Outcome;
use crate::node::config::{LogConfig, NodeConfig, OperationsTlsConfig, TlsConfig};
use crate::state::{
    ChaincodeEntry, ChannelEntry, NetworkDir, NetworkFile, NodeEntry, OperationsTls,
    OrganisationEntry, SCHEMA, UserEntry, replace_file,
};
use crate::topology::{Node, OrganisationRole};

const CONFIG_FILE: &str = "node.toml";
const DATA_DIR: &str = "data";
const PID_FILE: &str = "pid";

/// Writes `node.toml` of every node.
pub(super) fn write_nodes(dir: &NetworkDir, parts: &Parts<'_>) -> Outcome<()> {
    for (node, addresses) in parts.topology.nodes.iter().zip(parts.addresses) {
        let config = node_config(dir, parts, node, addresses)?;
        replace_file(&dir.node(&node.name).join(CONFIG_FILE), config.to_toml().as_bytes())?;
    }
    Ok(())
}

/// What `network.json` will say.
pub(super) fn network_file(dir: &NetworkDir, parts: &Parts<'_>, now: i64) -> Outcome<NetworkFile> {
    let topology = parts.topology;
    let nodes = topology
        .nodes
        .iter()
        .zip(parts.addresses)
        .map(|(node, addresses)| node_entry(dir, parts, node, addresses))
        .collect::<Outcome<_>>()?;
    let channels = topology.channels.iter().map(|channel| ChannelEntry {
        name: channel.name.clone(),
        organisations: channel.organisations.clone(),
        orderers: channel.orderers.clone(),
        genesis_file: dir.genesis(&channel.name),
    });
    let chaincodes = topology.channels.iter().flat_map(|channel| {
        channel.chaincodes.iter().map(|chaincode| ChaincodeEntry {
            name: chaincode.name.clone(),
            version: chaincode.version.clone(),
            channel: channel.name.clone(),
            endorsement: chaincode.endorsement.clone(),
            deployed: false,
        })
    });
    Ok(NetworkFile {
        schema: SCHEMA.to_owned(),
        name: topology.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_unix_s: now,
        organisations: organisation_entries(parts),
        nodes,
        users: user_entries(parts),
        channels: channels.collect(),
        chaincodes: chaincodes.collect(),
    })
}

fn node_config(
    dir: &NetworkDir,
    parts: &Parts<'_>,
    node: &Node,
    addresses: &Addresses,
) -> Outcome<NodeConfig> {
    let organisation = parts.topology.organisation(&node.organisation);
    let folder = made(parts, &node.organisation)
        .folder
        .node(&node.name)
        .map_err(super::credentials::failure)?;
    let channels = parts.topology.channels.iter().filter(|channel| match node.role {
        OrganisationRole::Orderer => channel.orderers.contains(&node.name),
        OrganisationRole::Peer => channel.organisations.contains(&node.organisation),
    });
    Ok(NodeConfig {
        name: node.name.clone(),
        msp_id: organisation.msp_id.clone(),
        msp_dir: folder.msp(),
        data_dir: dir.node(&node.name).join(DATA_DIR),
        address: addresses.client.clone(),
        cluster_address: addresses.cluster.clone(),
        operations_address: Some(addresses.operations.clone()),
        admin_address: addresses.admin.clone(),
        admin_client_roots: match addresses.admin {
            Some(_) => vec![made(parts, &node.organisation).folder.tls_ca_certificate()],
            None => Vec::new(),
        },
        channels: channels.map(|channel| dir.genesis(&channel.name)).collect(),
        threads: 1,
        handshake_time_shift_s: 0,
        tls: TlsConfig {
            certificate: folder.tls_certificate(),
            key: folder.tls_key(),
            roots: parts.made.iter().map(|made| made.folder.tls_ca_certificate()).collect(),
            require_client_certificate: false,
        },
        operations_tls: parts.topology.operations_tls.then(|| OperationsTlsConfig {
            client_roots: vec![made(parts, &node.organisation).folder.tls_ca_certificate()],
        }),
        cas: Vec::new(),
        log: LogConfig::default(),
        vault: None,
    })
}

fn node_entry(
    dir: &NetworkDir,
    parts: &Parts<'_>,
    node: &Node,
    addresses: &Addresses,
) -> Outcome<NodeEntry> {
    let organisation = parts.topology.organisation(&node.organisation);
    let own = dir.node(&node.name);
    let operations_tls = operations_tls(parts, node);
    let scheme = if operations_tls.is_some() { "https" } else { "http" };
    Ok(NodeEntry {
        name: node.name.clone(),
        role: node.role.word().to_owned(),
        organisation: node.organisation.clone(),
        msp_id: organisation.msp_id.clone(),
        address: addresses.client.clone(),
        cluster_address: addresses.cluster.clone(),
        operations_address: addresses.operations.clone(),
        admin_address: addresses.admin.clone(),
        operations_scheme: scheme.to_owned(),
        operations_tls,
        tls_server_name: node.full_name(parts.topology),
        tls_ca_file: made(parts, &node.organisation).folder.tls_ca_certificate(),
        config_file: own.join(CONFIG_FILE),
        data_dir: own.join(DATA_DIR),
        log_file: dir.log(&node.name),
        pid_file: own.join(PID_FILE),
    })
}

/// The administrator's TLS certificate opens the operations services of the organisation's nodes.
fn operations_tls(parts: &Parts<'_>, node: &Node) -> Option<OperationsTls> {
    let made = made(parts, &node.organisation);
    let (_, admin) = made.people.first().filter(|_| parts.topology.operations_tls)?;
    Some(OperationsTls {
        ca_file: made.folder.tls_ca_certificate(),
        server_name: node.full_name(parts.topology),
        client_certificate_file: admin.tls_certificate(),
        client_key_file: admin.tls_key(),
    })
}

fn organisation_entries(parts: &Parts<'_>) -> Vec<OrganisationEntry> {
    let entry = |(organisation, made): (&crate::topology::Organisation, &Made)| OrganisationEntry {
        name: organisation.name.clone(),
        msp_id: organisation.msp_id.clone(),
        domain: organisation.domain.clone(),
        role: organisation.role.word().to_owned(),
        msp_dir: made.folder.msp(),
        tls_ca_file: made.folder.tls_ca_certificate(),
    };
    parts.topology.organisations.iter().zip(parts.made).map(entry).collect()
}

fn user_entries(parts: &Parts<'_>) -> Vec<UserEntry> {
    let mut users = Vec::new();
    for (organisation, made) in parts.topology.organisations.iter().zip(parts.made) {
        for (person, member) in &made.people {
            users.push(user_entry(
                &organisation.name,
                &organisation.msp_id,
                made.folder.tls_ca_certificate(),
                person,
                member,
            ));
        }
    }
    users
}

/// The entry of a person whose folder was just written.
pub(crate) fn user_entry(
    organisation: &str,
    msp_id: &str,
    tls_ca_file: PathBuf,
    person: &carecord_ca::Person,
    member: &carecord_ca::layout::MemberFolder,
) -> UserEntry {
    UserEntry {
        name: person.name.clone(),
        organisation: organisation.to_owned(),
        msp_id: msp_id.to_owned(),
        role: person.role.clone(),
        admin: person.admin,
        key_kind: person.key.name().to_owned(),
        certificate_file: member.certificate(),
        key_file: member.key(),
        tls_certificate_file: member.tls_certificate(),
        tls_key_file: member.tls_key(),
        tls_ca_file,
    }
}

fn made<'a>(parts: &'a Parts<'_>, organisation: &str) -> &'a Made {
    let index = parts
        .topology
        .organisations
        .iter()
        .position(|other| other.name == organisation)
        .expect("a checked topology names only organisations it describes");
    &parts.made[index]
}
