//! Arguments that say which network, channel, node and person a command is about.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use carecord_health::vocabulary::Purpose;
use carecord_sdk::health::Person;
use carecord_sdk::{Contract, Network};
use clap::Args;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk, issuer};
use crate::state::{NodeEntry, UserEntry, read_credential};

/// Function that answers who is registered, and refuses everybody else.
const WHO_AM_I: &str = "identity:Me";
const NOT_REGISTERED: &str = "CR-CC-022";
/// How long a peer may take to accept a connection.
const PROBE: Duration = Duration::from_millis(500);

/// Which network.
#[derive(Debug, Clone, Args)]
pub(super) struct Folder {
    /// Folder of the network.
    #[arg(long, env = "CARECORD_DIR", default_value = "carecord-network", value_name = "DIR")]
    pub(super) dir: PathBuf,
}

/// Which chain: a channel at a node.
#[derive(Debug, Clone, Args)]
pub(super) struct Chain {
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    pub(super) channel: Option<String>,
    /// Node that is asked; the first peer that takes a connection if not named.
    #[arg(long, env = "CARECORD_NODE")]
    pub(super) node: Option<String>,
}

/// Which person at which gateway.
#[derive(Debug, Clone, Args)]
pub(super) struct Caller {
    #[command(flatten)]
    pub(super) chain: Chain,
    /// Person who acts; see `carecord identity list`.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "USER")]
    pub(super) user: String,
}

// === impl Chain ===

impl Chain {
    pub(super) fn open(&self) -> Outcome<Session> {
        Session::open(&self.folder.dir)
    }

    pub(super) fn channel<'a>(&self, session: &'a Session) -> Outcome<&'a str> {
        Ok(&session.file().channel(self.channel.as_deref())?.name)
    }

    pub(super) fn node<'a>(&self, session: &'a Session) -> Outcome<&'a NodeEntry> {
        let file = session.file();
        if let Some(name) = &self.node {
            return file.node(name);
        }
        let members = &file.channel(self.channel.as_deref())?.organisations;
        let mut peers = members.iter().filter_map(|member| file.peer_of(member).ok());
        match peers.find(|peer| takes_connections(peer)) {
            Some(peer) => Ok(peer),
            // None: the first one, so that the failure names it.
            None => file.peer_of(members.first().map_or("", String::as_str)),
        }
    }

    /// Says at which peers a gateway that could not be reached may be.
    pub(super) fn placed<T>(&self, result: Outcome<T>) -> Outcome<T> {
        result.map_err(|failure| {
            if failure.code() != Code::GatewayUnreachable.text() || failure.has_place() {
                return failure;
            }
            match self.deaf_peers() {
                Ok(names) if !names.is_empty() => failure.at(names.join(", ")),
                _ => failure,
            }
        })
    }

    /// Peers of the channel that take no connection.
    fn deaf_peers(&self) -> Outcome<Vec<String>> {
        let session = self.open()?;
        let members = &session.file().channel(self.channel.as_deref())?.organisations;
        let peers = session.file().nodes_of("peer");
        let deaf = peers
            .filter(|node| members.contains(&node.organisation))
            .filter(|node| !takes_connections(node));
        Ok(deaf.map(|node| format!("{} at {}", node.name, node.address)).collect())
    }
}

// === impl Caller ===

impl Caller {
    pub(super) fn open(&self) -> Outcome<Session> {
        self.chain.open()
    }

    pub(super) fn user<'a>(&self, session: &'a Session) -> Outcome<&'a UserEntry> {
        session.file().user(&self.user)
    }

    pub(super) fn network(&self, session: &Session) -> Outcome<Network> {
        let gateway = session.gateway(self.user(session)?, self.chain.node.as_deref())?;
        Ok(gateway.network(self.chain.channel(session)?))
    }

    /// The caller, who must be registered: else every later refusal would name another cause.
    pub(super) async fn person(&self, session: &Session) -> Outcome<Person> {
        let user = self.user(session)?;
        let person = session.person(user, self.chain.channel(session)?)?;
        let known = person.contract().evaluate(WHO_AM_I, Vec::<String>::new()).await;
        known.map_err(|error| {
            let failure = from_sdk(&error);
            if failure.code() != NOT_REGISTERED {
                return failure;
            }
            let name = session.file().full_name(user);
            let dir = session.dir().root().display();
            failure.at(&name).hint(format!(
                "register the person first: `carecord identity register --dir {dir} {name}`"
            ))
        })?;
        Ok(person)
    }

    /// Says at which peers a gateway that could not be reached may be, and why this caller is refused.
    pub(super) fn placed<T>(&self, result: Outcome<T>) -> Outcome<T> {
        self.chain.placed(result).map_err(|failure| {
            let failure = self.named(failure);
            let Some(reason) = self.reason(&failure) else { return failure };
            failure.hint(reason)
        })
    }

    /// Names the nodes whose addresses a gateway gave.
    fn named(&self, failure: Failure) -> Failure {
        let Ok(session) = self.open() else { return failure };
        let nodes = session.file().nodes.iter();
        nodes.fold(failure, |failure, node| failure.naming(&node.name, &node.address))
    }

    /// What the network's folder tells of the cause that the failure itself leaves open.
    fn reason(&self, failure: &Failure) -> Option<String> {
        let session = self.open().ok()?;
        let user = self.user(&session).ok()?;
        if failure.cause().contains("access denied: channel") {
            return session.own_fault(user, self.chain.channel(&session).ok()?);
        }
        if !failure.cause().contains("invalid peer certificate") {
            return None;
        }
        let node = match &self.chain.node {
            Some(name) => session.file().node(name).ok()?,
            None => session.file().peer_of(&user.organisation).ok()?,
        };
        let trusted = issuer(&read_credential(&node.tls_ca_file).ok()?)?;
        Some(format!(
            "{} at {} must show a certificate of {trusted} ({}) for the name {}: is network.json about this node, and \
             the CA file its organisation's?",
            node.name,
            node.address,
            node.tls_ca_file.display(),
            node.tls_server_name
        ))
    }

    pub(super) fn contract(&self, session: &Session, chaincode: &str) -> Outcome<Contract> {
        Ok(self.network(session)?.contract(chaincode))
    }
}

fn takes_connections(node: &NodeEntry) -> bool {
    let mut addresses = node.address.to_socket_addrs().into_iter().flatten();
    addresses.any(|address| TcpStream::connect_timeout(&address, PROBE).is_ok())
}

/// For which purpose.
#[derive(Debug, Clone, Args)]
pub(super) struct Purposeful {
    /// Purpose of use: TREAT, ETREAT, HPAYMT, HOPERAT, HRESCH or PATRQT.
    #[arg(long, default_value = "TREAT", env = "CARECORD_PURPOSE")]
    purpose: String,
}

// === impl Purposeful ===

impl Purposeful {
    pub(super) fn purpose(&self) -> Outcome<Purpose> {
        Purpose::parse_word(&self.purpose).ok_or_else(|| {
            let words: Vec<&str> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
            Failure::new(Code::Argument, format!("{:?} is not a purpose", self.purpose))
                .hint(format!("it is one of {}", words.join(", ")))
        })
    }
}
