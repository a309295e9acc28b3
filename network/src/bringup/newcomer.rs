//! Newcomers of a network that runs: an organisation with its own CAs, nodes and people, or one more node.
//!
//! They are described by a topology of their own and made by the steps that make a whole network; then what they have is
//! put beside what is there. Nothing of the running network is touched: a newcomer is a stranger until a channel's
//! configuration says otherwise.

use std::path::PathBuf;

use super::credentials::{self, Made};
use super::genesis::Parts;
use super::{files, ports, scrape};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::state::{NetworkDir, NetworkFile, replace_file};
use crate::topology::Topology;

/// How often other ports are tried when those chosen belong to nodes that do not run at the moment.
const TRIES: usize = 16;

/// Makes the organisation that `newcomer` describes, with its nodes and people, and adds it to the network's file.
pub fn add_organisation(dir: &NetworkDir, newcomer: &Topology) -> Outcome<NetworkFile> {
    let mut file = dir.read()?;
    refuse_known(&file, newcomer)?;
    let now = super::now_unix_s();
    let organisation = newcomer
        .organisations
        .first()
        .ok_or_else(|| Failure::new(Code::Argument, "the newcomer has no organisation"))?;
    let folder = carecord_ca::layout::OrganisationFolder::new(
        &dir.organizations(),
        credentials::tree(organisation.role),
        &organisation.domain,
    )
    .map_err(credentials::failure)?;
    let mut made = || {
        let made = credentials::make(newcomer, &dir.organizations(), now)?;
        write(dir, &mut file, newcomer, &made, now)
    };
    made().inspect_err(|_| {
        // Half an organisation would stand in the way of the next try.
        let _ = folder.msp().parent().map(std::fs::remove_dir_all);
    })?;
    dir.read()
}

/// Makes the nodes that `newcomer` describes for an organisation whose CAs are in this folder.
pub fn add_nodes(dir: &NetworkDir, newcomer: &Topology) -> Outcome<NetworkFile> {
    let mut file = dir.read()?;
    refuse_known_nodes(&file, newcomer)?;
    let now = super::now_unix_s();
    let made = newcomer
        .organisations
        .iter()
        .map(|organisation| {
            credentials::more_nodes(newcomer, organisation, &dir.organizations(), now)
        })
        .collect::<Result<Vec<Made>, _>>()
        .map_err(credentials::failure)?;
    let (organisations, users) = (file.organisations.clone(), file.users.clone());
    write(dir, &mut file, newcomer, &made, now)?;
    // The organisation and its people were there before.
    (file.organisations, file.users) = (organisations, users);
    dir.write(&file)?;
    dir.read()
}

fn write(
    dir: &NetworkDir,
    file: &mut NetworkFile,
    newcomer: &Topology,
    made: &[Made],
    now: i64,
) -> Outcome<()> {
    let addresses = addresses(file, newcomer)?;
    let parts = Parts { topology: newcomer, addresses: &addresses, made };
    files::write_nodes(dir, &parts)?;
    let own = files::network_file(dir, &parts, now)?;
    let known: Vec<PathBuf> =
        file.organisations.iter().map(|organisation| organisation.tls_ca_file.clone()).collect();
    for node in &own.nodes {
        accept(&node.config_file, &known)?;
    }
    file.organisations.extend(own.organisations);
    file.nodes.extend(own.nodes);
    file.users.extend(own.users);
    scrape::write(dir, file)?;
    dir.write(file)
}

/// A newcomer accepts the TLS CAs of all organisations that the folder knows, as nodes of bring-up do.
fn accept(config_file: &std::path::Path, known: &[PathBuf]) -> Outcome<()> {
    let mut config = NodeConfig::load(config_file)?;
    for root in known {
        if !config.tls.roots.contains(root) {
            config.tls.roots.push(root.clone());
        }
    }
    replace_file(config_file, config.to_toml().as_bytes())
}

/// Ports that no other node of the network has, also of those that are down.
fn addresses(file: &NetworkFile, newcomer: &Topology) -> Outcome<Vec<ports::Addresses>> {
    let taken: Vec<&String> = file
        .nodes
        .iter()
        .flat_map(|node| {
            [Some(&node.address), node.cluster_address.as_ref(), Some(&node.operations_address)]
        })
        .flatten()
        .collect();
    for _ in 0..TRIES {
        let chosen = ports::choose(newcomer)?;
        let clashes = chosen.iter().any(|addresses| {
            [Some(&addresses.client), addresses.cluster.as_ref(), Some(&addresses.operations)]
                .into_iter()
                .flatten()
                .any(|address| taken.contains(&address))
        });
        if !clashes {
            return Ok(chosen);
        }
    }
    Err(Failure::new(Code::PortTaken, "no ports were found that no other node of the network has"))
}

fn refuse_known(file: &NetworkFile, newcomer: &Topology) -> Outcome<()> {
    let taken = |what: &str, name: &str| {
        Err(Failure::new(
            Code::ConfigMember,
            format!("the network has the {what} {name:?} already"),
        )
        .hint("choose another name"))
    };
    for organisation in &newcomer.organisations {
        for other in &file.organisations {
            if other.name == organisation.name {
                return taken("organisation", &other.name);
            }
            if other.msp_id == organisation.msp_id {
                return taken("MSP id", &other.msp_id);
            }
            if other.domain == organisation.domain {
                return taken("domain", &other.domain);
            }
        }
    }
    if let Some(user) =
        newcomer.users.iter().find(|user| file.users.iter().any(|other| other.name == user.name))
    {
        return taken("user", &user.name);
    }
    refuse_known_nodes(file, newcomer)
}

fn refuse_known_nodes(file: &NetworkFile, newcomer: &Topology) -> Outcome<()> {
    match newcomer.nodes.iter().find(|node| file.nodes.iter().any(|other| other.name == node.name))
    {
        Some(node) => Err(Failure::new(
            Code::ConfigMember,
            format!("the network has a node {:?} already", node.name),
        )
        .hint("choose another name")),
        None => Ok(()),
    }
}
