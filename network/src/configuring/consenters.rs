//! Consenters and where orderers are reached: two places of a configuration that are kept in step.

use carecord_channel::Bundle;
use carecord_proto::common::{Block, ConfigGroup, ConfigValue, OrdererAddresses};
use carecord_proto::etcdraft::{ConfigMetadata, Consenter};
use carecord_proto::orderer::ConsensusType;
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::{NetworkFile, NodeEntry, read_credential};

const ORDERER: &str = "Orderer";
const CONSENSUS_TYPE: &str = "ConsensusType";
const ENDPOINTS: &str = "Endpoints";
const ADMINS: &str = "Admins";
/// Addresses of all organisations together, on channels below V3_0.
const GLOBAL: &str = "OrdererAddresses";

/// A node as a consenter: where the others reach it, and its TLS certificate.
pub fn consenter(node: &NodeEntry) -> Outcome<Consenter> {
    let address = node.cluster_address.as_deref().unwrap_or_default();
    let (host, port) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or_else(|| Failure::new(Code::Argument, "the node is no orderer").at(&node.name))?;
    let config = crate::node::config::NodeConfig::load(&node.config_file)?;
    let certificate: bytes::Bytes = read_credential(&config.tls.certificate)?.into();
    Ok(Consenter {
        host: host.to_owned(),
        port,
        client_tls_cert: certificate.clone(),
        server_tls_cert: certificate,
    })
}

/// Adds `node` to the consenters, and its address to those of its organisation.
pub fn add(root: &mut ConfigGroup, file: &NetworkFile, node: &NodeEntry) -> Outcome<()> {
    let new = consenter(node)?;
    edit(root, |consenters| {
        if consenters.iter().any(|other| (&other.host, other.port) == (&new.host, new.port)) {
            return Err(Failure::new(Code::ConfigMember, "the orderer is a consenter already")
                .at(&node.name));
        }
        consenters.push(new);
        Ok(())
    })?;
    let organisation = file.organisation(&node.organisation)?;
    addresses(root, &organisation.name, |list| {
        if !list.contains(&node.address) {
            list.push(node.address.clone());
        }
    })
}

/// Whether the configuration in `block` names `node` among the consenters.
pub fn names(block: &Block, node: &NodeEntry) -> bool {
    let Ok(bundle) = Bundle::from_block(block) else { return false };
    let raft = bundle.orderer().and_then(|orderer| orderer.raft());
    let is = |other: &Consenter| {
        node.cluster_address.as_deref() == Some(&format!("{}:{}", other.host, other.port))
    };
    raft.is_some_and(|raft| raft.consenters.iter().any(is))
}

/// Takes `node` from the consenters, and its address from those of its organisation.
pub fn remove(root: &mut ConfigGroup, file: &NetworkFile, node: &NodeEntry) -> Outcome<()> {
    let address = node.cluster_address.clone().unwrap_or_default();
    edit(root, |consenters| {
        let before = consenters.len();
        consenters.retain(|other| format!("{}:{}", other.host, other.port) != address);
        match consenters.len() {
            after if after < before => Ok(()),
            _ => {
                Err(Failure::new(Code::ConfigMember, "the orderer is no consenter of the channel")
                    .at(&node.name)
                    .hint("`carecord orderer list` names the consenters"))
            }
        }
    })?;
    let organisation = file.organisation(&node.organisation)?;
    addresses(root, &organisation.name, |list| list.retain(|other| *other != node.address))
}

fn edit(
    root: &mut ConfigGroup,
    change: impl FnOnce(&mut Vec<Consenter>) -> Outcome<()>,
) -> Outcome<()> {
    let wrong =
        |error: prost::DecodeError| Failure::new(Code::ConfigFile, error).at(CONSENSUS_TYPE);
    let value = root
        .groups
        .get_mut(ORDERER)
        .and_then(|orderer| orderer.values.get_mut(CONSENSUS_TYPE))
        .ok_or_else(|| Failure::new(Code::ConfigFile, "the configuration has no consensus type"))?;
    let mut kind = ConsensusType::decode(value.value.clone()).map_err(wrong)?;
    let mut metadata = ConfigMetadata::decode(kind.metadata.clone()).map_err(wrong)?;
    change(&mut metadata.consenters)?;
    kind.metadata = metadata.encode_to_vec().into();
    value.value = kind.encode_to_vec().into();
    Ok(())
}

/// Changes the addresses of an organisation, and those of all where a channel has them.
fn addresses(
    root: &mut ConfigGroup,
    organisation: &str,
    change: impl Fn(&mut Vec<String>),
) -> Outcome<()> {
    let own = root.groups.get_mut(ORDERER).and_then(|orderer| orderer.groups.get_mut(organisation));
    let own = own.ok_or_else(|| {
        Failure::new(Code::ConfigMember, format!("{organisation} orders nothing on this channel"))
            .hint("an organisation that is new to the ordering service is added by `carecord channel config propose`")
    })?;
    let value = own
        .values
        .entry(ENDPOINTS.to_owned())
        .or_insert_with(|| ConfigValue { mod_policy: ADMINS.to_owned(), ..Default::default() });
    put(value, &change)?;
    match root.values.get_mut(GLOBAL) {
        Some(value) => put(value, &change),
        None => Ok(()),
    }
}

fn put(value: &mut ConfigValue, change: &impl Fn(&mut Vec<String>)) -> Outcome<()> {
    let mut list = OrdererAddresses::decode(value.value.clone())
        .map_err(|error| Failure::new(Code::ConfigFile, error).at(ENDPOINTS))?;
    change(&mut list.addresses);
    value.value = list.encode_to_vec().into();
    Ok(())
}
