//! A topology that has been checked: every reference in it resolves.

use carecord_ca::KeyKind;

/// A network as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Name of the network, for people.
    pub name: String,
    /// Whether metrics and health are served over TLS, and metrics only to the node's own organisation.
    pub operations_tls: bool,
    /// Whether each organisation runs a membership service.
    pub ca: bool,
    /// Organisations in the order of the file.
    pub organisations: Vec<Organisation>,
    /// Nodes in the order of the file.
    pub nodes: Vec<Node>,
    /// Channels in the order of the file.
    pub channels: Vec<Channel>,
    /// People who get a certificate besides each organisation's `Admin`.
    pub users: Vec<User>,
}

/// What an organisation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganisationRole {
    /// Ordering nodes.
    Orderer,
    /// Peers.
    Peer,
}

/// A member of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Name of its group in the channel configuration.
    pub name: String,
    /// What its certificates are known by.
    pub msp_id: String,
    /// What its nodes and people are named by.
    pub domain: String,
    /// Two letters for its certificates.
    pub country: Option<String>,
    /// What it runs.
    pub role: OrganisationRole,
    /// Values of `carecord.role` that its CA may give.
    pub roles: Vec<String>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Short name, unique in the network.
    pub name: String,
    /// Name of the organisation that runs it.
    pub organisation: String,
    /// What it runs as.
    pub role: OrganisationRole,
    /// Address that it listens on and that others reach it by.
    pub host: String,
    /// Port for clients; a free one if none.
    pub port: Option<u16>,
    /// Port for the other orderers; a free one if none.
    pub cluster_port: Option<u16>,
    /// Port of metrics and health; a free one if none.
    pub operations_port: Option<u16>,
    /// Port of channel participation at an orderer; a free one if none.
    pub admin_port: Option<u16>,
}

/// A channel and what is deployed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Channel id.
    pub name: String,
    /// Peer organisations that are members.
    pub organisations: Vec<String>,
    /// Names of the orderers that are consenters.
    pub orderers: Vec<String>,
    /// When a block is cut.
    pub batch: Batch,
    /// How the orderers keep together.
    pub raft: Raft,
    /// Chaincodes that bring-up deploys.
    pub chaincodes: Vec<Chaincode>,
}

/// When a block is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Most transactions in a block.
    pub max_messages: u32,
    /// Most bytes in a block.
    pub max_bytes: u32,
    /// Bytes at which a block is cut if it can be.
    pub preferred_bytes: u32,
    /// Longest wait of a transaction for company.
    pub timeout_ms: u32,
}

/// How the orderers keep together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raft {
    /// Length of a tick.
    pub tick_ms: u32,
    /// Ticks without a leader's sign of life until an election.
    pub election_ticks: u32,
    /// Ticks between two signs of life.
    pub heartbeat_ticks: u32,
    /// Most proposals in flight to one follower.
    pub max_inflight_blocks: u32,
    /// Bytes of log between two snapshots.
    pub snapshot_interval_bytes: u32,
}

/// A chaincode to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chaincode {
    /// Name it is called by.
    pub name: String,
    /// Version in its definition.
    pub version: String,
    /// Path of a channel policy, or an expression over MSPs.
    pub endorsement: String,
}

/// A person with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name on the command line (`--as`), unique in the network.
    pub name: String,
    /// Organisation that issues the certificate.
    pub organisation: String,
    /// Value of `carecord.role`.
    pub role: Option<String>,
    /// Curve of the key.
    pub key: KeyKind,
}

// === impl Topology ===

impl Topology {
    /// The organisation named `name`.
    ///
    /// # Panics
    /// If there is none, which checking rules out for every name inside a topology.
    pub fn organisation(&self, name: &str) -> &Organisation {
        self.organisations
            .iter()
            .find(|organisation| organisation.name == name)
            .expect("a checked topology names only organisations it describes")
    }

    /// Organisations of one kind.
    pub fn organisations_of(&self, role: OrganisationRole) -> impl Iterator<Item = &Organisation> {
        self.organisations.iter().filter(move |organisation| organisation.role == role)
    }

    /// Nodes that the organisation `name` runs.
    pub fn nodes_of(&self, name: &str) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.organisation == name)
    }
}

// === impl OrganisationRole ===

impl OrganisationRole {
    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Orderer => "orderer",
            Self::Peer => "peer",
        }
    }
}

// === impl Node ===

impl Node {
    /// The node's name with its organisation's domain, as its certificates say it.
    pub fn full_name(&self, topology: &Topology) -> String {
        format!("{}.{}", self.name, topology.organisation(&self.organisation).domain)
    }
}
