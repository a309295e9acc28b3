//! Addresses of nodes: those the topology fixes, and free ones for the rest.

use std::collections::BTreeSet;
use std::net::{TcpListener, ToSocketAddrs};

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::NetworkFile;
use crate::topology::{Node, OrganisationRole, Topology};

/// Free ports are taken from here: below the range from which the system gives ports to outgoing connections, so
/// that a node finds its port free again after a restart.
const FIRST_PORT: u16 = 17_000;
const LAST_PORT: u16 = 31_999;

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    /// For clients.
    pub(super) client: String,
    /// For other orderers.
    pub(super) cluster: Option<String>,
    /// For metrics and health.
    pub(super) operations: String,
    /// For administrators of orderers.
    pub(super) admin: Option<String>,
}

/// Chooses ports; listeners are held until all are chosen, so that no port is given twice.
struct Chooser {
    next: u16,
    held: Vec<TcpListener>,
    fixed: BTreeSet<u16>,
}

/// Addresses of all nodes, in the order of the topology.
pub(super) fn choose(topology: &Topology) -> Outcome<Vec<Addresses>> {
    let fixed = topology
        .nodes
        .iter()
        .flat_map(|node| [node.port, node.cluster_port, node.operations_port, node.admin_port])
        .flatten()
        .collect();
    let mut chooser = Chooser { next: first_try(), held: Vec::new(), fixed };
    topology.nodes.iter().map(|node| chooser.addresses(node)).collect()
}

/// Two free addresses on `host` for one more node of a network, whose own ports are left out.
pub(super) fn two(file: &NetworkFile, host: &str, node: &str) -> Outcome<(String, String)> {
    let known = file.nodes.iter().flat_map(|node| {
        [Some(&node.address), node.cluster_address.as_ref(), Some(&node.operations_address)]
    });
    let port = |address: &String| address.rsplit_once(':')?.1.parse().ok();
    let fixed = known.flatten().filter_map(port).collect();
    let mut chooser = Chooser { next: first_try(), held: Vec::new(), fixed };
    let first = chooser.free_on(host, node)?;
    let second = chooser.free_on(host, node)?;
    Ok((format!("{host}:{first}"), format!("{host}:{second}")))
}

/// Fails if somebody listens on `address`; `node` and `what` say whose it was to be.
pub(super) fn check_free(node: &str, address: &str) -> Outcome<()> {
    let taken = |cause: String| {
        Failure::new(Code::PortTaken, cause).at(address).hint(format!(
            "stop the program that uses it (ss -ltnp shows which), or give {node} another port in the topology"
        ))
    };
    let resolved = address
        .to_socket_addrs()
        .map_err(|error| taken(format!("{node} cannot listen here: {error}").to_lowercase()))?
        .next();
    match resolved.map(TcpListener::bind) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(taken(format!("the address of {node} is taken by another program")))
        }
        Some(Err(error)) => {
            Err(taken(format!("{node} cannot listen here: {}", error.to_string().to_lowercase())))
        }
        None => Err(taken(format!("{node} cannot listen here: the host has no address"))),
    }
}

// === impl Chooser ===

impl Chooser {
    fn addresses(&mut self, node: &Node) -> Outcome<Addresses> {
        let (cluster, admin) = match node.role {
            OrganisationRole::Orderer => (
                Some(self.address(node, node.cluster_port)?),
                Some(self.address(node, node.admin_port)?),
            ),
            OrganisationRole::Peer => (None, None),
        };
        Ok(Addresses {
            client: self.address(node, node.port)?,
            cluster,
            operations: self.address(node, node.operations_port)?,
            admin,
        })
    }

    fn address(&mut self, node: &Node, fixed: Option<u16>) -> Outcome<String> {
        let host = &node.host;
        let port = match fixed {
            Some(port) => {
                check_free(&node.name, &format!("{host}:{port}"))?;
                port
            }
            None => self.free(node)?,
        };
        Ok(format!("{host}:{port}"))
    }

    fn free(&mut self, node: &Node) -> Outcome<u16> {
        self.free_on(&node.host, &node.name)
    }

    fn free_on(&mut self, host: &str, name: &str) -> Outcome<u16> {
        for _ in FIRST_PORT..=LAST_PORT {
            let port = self.next;
            self.next = if port == LAST_PORT { FIRST_PORT } else { port + 1 };
            if self.fixed.contains(&port) {
                continue;
            }
            if let Ok(listener) = TcpListener::bind((host, port)) {
                self.held.push(listener);
                return Ok(port);
            }
        }
        Err(Failure::new(
            Code::PortTaken,
            format!("no free port between {FIRST_PORT} and {LAST_PORT} for {name}"),
        )
        .at(host)
        .hint("is the host an address of this machine?"))
    }
}

/// Two bring-ups at the same time should not look at the same ports first.
fn first_try() -> u16 {
    FIRST_PORT + rand::random_range(0..=(LAST_PORT - FIRST_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::DEMO;

    #[test]
    fn every_node_gets_addresses_of_its_own() {
        let addresses = choose(&Topology::parse(DEMO).unwrap()).unwrap();
        let all: Vec<_> = addresses
            .iter()
            .flat_map(|a| {
                [Some(&a.client), a.cluster.as_ref(), Some(&a.operations), a.admin.as_ref()]
            })
            .flatten()
            .collect();
        let different: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), 7 * 2 + 3 * 2);
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_taken_port_is_named_with_its_node_and_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let failure = check_free("orderer1", &address).unwrap_err().to_string();
        assert!(failure.starts_with(&format!(
            "error CR-NET-010: {address}: the address of orderer1 is taken"
        )));
        assert!(failure.contains("hint: stop the program that uses it"));
    }
}
