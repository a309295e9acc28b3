//! The rules that a topology must keep, all checked in one pass so that every problem is shown at once.

mod words;

use std::ops::Range;

use carecord_ca::{KeyKind, attributes};
use toml::Spanned;

use super::model::{
    Batch, Chaincode, Channel, Node, Organisation, OrganisationRole, Raft, Topology, User,
};
use super::place::Place;
use super::problem::Problem;
use super::{policy, raw};
use crate::codes::Code;
use words::Seen;

/// Most nodes in one file: beyond it one machine cannot run them.
const NODES_MAX: usize = 64;
/// gRPC messages are limited to 100 MiB, and a block must fit into one.
const BLOCK_BYTES_MAX: i64 = 99 * 1024 * 1024;
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_VERSION: &str = "1.0";

/// Collects problems and knows the text they are in.
pub(super) struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

/// Checks `raw` and resolves its references.
pub(super) fn check(raw: raw::Topology, text: &str) -> Result<Topology, Vec<Problem>> {
    let mut checker = Checker { text, problems: Vec::new() };
    let organisations = checker.organisations(&raw.organisations);
    let nodes = checker.nodes(&raw.nodes, &organisations);
    let channels = checker.channels(&raw.channels, &organisations, &nodes);
    let users = checker.users(&raw.users, &organisations);
    checker.name(&raw.name, "network");
    checker.enough(&raw);
    let topology = Topology {
        name: raw.name.into_inner(),
        operations_tls: raw.operations_tls.unwrap_or(true),
        ca: raw.ca,
        organisations,
        nodes,
        channels,
        users,
    };
    if checker.problems.is_empty() {
        return Ok(topology);
    }
    checker.problems.sort_by_key(|problem| problem.place);
    Err(checker.problems)
}

// === impl Checker ===

impl Checker<'_> {
    pub(super) fn problem(&mut self, code: Code, span: &Range<usize>, message: String) {
        let place = Place::of(self.text, span);
        self.problems.push(Problem { code, place, message, hint: None });
    }

    fn hint(&mut self, hint: &str) {
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.to_owned());
        }
    }

    fn organisations(&mut self, raw: &[Spanned<raw::Organisation>]) -> Vec<Organisation> {
        let mut seen = Seen::default();
        let mut organisations = Vec::with_capacity(raw.len());
        for entry in raw {
            let entry = entry.get_ref();
            self.name(&entry.name, "organisation");
            self.name(&entry.domain, "domain");
            self.msp_id(&entry.msp_id);
            self.unique(&mut seen, "organisation", entry.name.get_ref(), &entry.name.span());
            self.unique(&mut seen, "MSP id", entry.msp_id.get_ref(), &entry.msp_id.span());
            self.unique(&mut seen, "domain", entry.domain.get_ref(), &entry.domain.span());
            let role = self.role(&entry.role);
            organisations.push(Organisation {
                name: entry.name.get_ref().clone(),
                msp_id: entry.msp_id.get_ref().clone(),
                domain: entry.domain.get_ref().clone(),
                country: entry.country.as_ref().map(|country| self.country(country)),
                roles: self.health_roles(entry.roles.as_deref(), role),
                role,
            });
        }
        organisations
    }

    /// What an organisation's CA may give: what is named, else everything where there are peers, and so people.
    fn health_roles(
        &mut self,
        named: Option<&[Spanned<String>]>,
        role: OrganisationRole,
    ) -> Vec<String> {
        let Some(named) = named else {
            return match role {
                OrganisationRole::Peer => attributes::ROLES.map(str::to_owned).to_vec(),
                OrganisationRole::Orderer => Vec::new(),
            };
        };
        for role in
            named.iter().filter(|role| !attributes::ROLES.contains(&role.get_ref().as_str()))
        {
            self.word(role, "role", &attributes::ROLES);
        }
        plain(named)
    }

    fn nodes(&mut self, raw: &[Spanned<raw::Node>], organisations: &[Organisation]) -> Vec<Node> {
        let mut seen = Seen::default();
        let mut nodes = Vec::with_capacity(raw.len());
        for entry in raw {
            let entry = entry.get_ref();
            self.name(&entry.name, "node");
            self.unique(&mut seen, "node", entry.name.get_ref(), &entry.name.span());
            let host = match &entry.host {
                Some(host) => self.host(host),
                None => DEFAULT_HOST.to_owned(),
            };
            let organisation = find(organisations, entry.organisation.get_ref());
            if organisation.is_none() {
                self.no_organisation("node", entry.name.get_ref(), &entry.organisation);
            }
            nodes.push(Node {
                name: entry.name.get_ref().clone(),
                organisation: entry.organisation.get_ref().clone(),
                role: organisation.map_or(OrganisationRole::Peer, |organisation| organisation.role),
                port: self.port(entry.port.as_ref(), &host, &mut seen),
                cluster_port: self.port(entry.cluster_port.as_ref(), &host, &mut seen),
                operations_port: self.port(entry.operations_port.as_ref(), &host, &mut seen),
                admin_port: self.port(entry.admin_port.as_ref(), &host, &mut seen),
                host,
            });
        }
        nodes
    }

    fn channels(
        &mut self,
        raw: &[Spanned<raw::Channel>],
        organisations: &[Organisation],
        nodes: &[Node],
    ) -> Vec<Channel> {
        let mut seen = Seen::default();
        let mut channels = Vec::with_capacity(raw.len());
        for entry in raw {
            let channel = entry.get_ref();
            self.channel_id(&channel.name);
            self.unique(&mut seen, "channel", channel.name.get_ref(), &channel.name.span());
            self.members(channel, &entry.span(), organisations, nodes);
            self.orderers(channel, &entry.span(), nodes);
            channels.push(Channel {
                name: channel.name.get_ref().clone(),
                organisations: plain(&channel.organisations),
                orderers: plain(&channel.orderers),
                batch: self.batch(channel.batch.as_ref()),
                raft: self.raft(channel.raft.as_ref()),
                chaincodes: self.chaincodes(channel, organisations),
            });
        }
        channels
    }

    fn members(
        &mut self,
        channel: &raw::Channel,
        span: &Range<usize>,
        organisations: &[Organisation],
        nodes: &[Node],
    ) {
        let name = channel.name.get_ref();
        let mut seen = Seen::default();
        if channel.organisations.is_empty() {
            self.missing(span, format!("channel {name:?} has no member organisation"));
        }
        for member in &channel.organisations {
            self.unique(&mut seen, "member", member.get_ref(), &member.span());
            match find(organisations, member.get_ref()) {
                None => self.no_organisation("channel", name, member),
                Some(found) if found.role != OrganisationRole::Peer => {
                    let message = format!(
                        "channel {name:?} has the member {:?}, which runs orderers, not peers",
                        found.name
                    );
                    self.problem(Code::TopologyReference, &member.span(), message);
                }
                Some(found) if !nodes.iter().any(|node| node.organisation == found.name) => {
                    let message = format!("organisation {:?} has no peer", found.name);
                    self.missing(&member.span(), message);
                    self.hint("add a [[nodes]] section for it");
                }
                Some(_) => {}
            }
        }
    }

    fn orderers(&mut self, channel: &raw::Channel, span: &Range<usize>, nodes: &[Node]) {
        let name = channel.name.get_ref();
        let mut seen = Seen::default();
        if channel.orderers.is_empty() {
            self.missing(span, format!("channel {name:?} has no orderer"));
        }
        for orderer in &channel.orderers {
            self.unique(&mut seen, "orderer", orderer.get_ref(), &orderer.span());
            let found = nodes.iter().find(|node| node.name == *orderer.get_ref());
            let message = match found {
                None => format!(
                    "channel {name:?} names the orderer {:?}, which no [[nodes]] section describes",
                    orderer.get_ref()
                ),
                Some(node) if node.role != OrganisationRole::Orderer => {
                    format!(
                        "channel {name:?} names {:?} as an orderer, but it is a peer",
                        node.name
                    )
                }
                Some(_) => continue,
            };
            self.problem(Code::TopologyReference, &orderer.span(), message);
        }
    }

    fn chaincodes(
        &mut self,
        channel: &raw::Channel,
        organisations: &[Organisation],
    ) -> Vec<Chaincode> {
        let mut seen = Seen::default();
        let msp_ids: Vec<&str> = channel
            .organisations
            .iter()
            .filter_map(|name| find(organisations, name.get_ref()))
            .map(|organisation| organisation.msp_id.as_str())
            .collect();
        let mut chaincodes = Vec::with_capacity(channel.chaincodes.len());
        for entry in &channel.chaincodes {
            self.name(&entry.name, "chaincode");
            self.unique(&mut seen, "chaincode", entry.name.get_ref(), &entry.name.span());
            if let Some(endorsement) = &entry.endorsement
                && let Err(message) = policy::check(endorsement.get_ref(), &msp_ids)
            {
                self.problem(Code::TopologyPolicy, &endorsement.span(), message);
            }
            chaincodes.push(Chaincode {
                name: entry.name.get_ref().clone(),
                version: text_or(entry.version.as_ref(), DEFAULT_VERSION),
                endorsement: text_or(entry.endorsement.as_ref(), policy::DEFAULT),
            });
        }
        chaincodes
    }

    fn users(&mut self, raw: &[raw::User], organisations: &[Organisation]) -> Vec<User> {
        let mut seen = Seen::default();
        let mut users = Vec::with_capacity(raw.len());
        for entry in raw {
            self.name(&entry.name, "user");
            self.unique(&mut seen, "user", entry.name.get_ref(), &entry.name.span());
            if find(organisations, entry.organisation.get_ref()).is_none() {
                self.no_organisation("user", entry.name.get_ref(), &entry.organisation);
            }
            if let Some(role) = &entry.role
                && !attributes::ROLES.contains(&role.get_ref().as_str())
            {
                self.word(role, "role", &attributes::ROLES);
            }
            users.push(User {
                name: entry.name.get_ref().clone(),
                organisation: entry.organisation.get_ref().clone(),
                role: entry.role.as_ref().map(|role| role.get_ref().clone()),
                key: entry.key.as_ref().map_or_else(KeyKind::default, |key| self.key(key)),
            });
        }
        users
    }

    fn batch(&mut self, raw: Option<&raw::Batch>) -> Batch {
        let empty = raw::Batch::default();
        let raw = raw.unwrap_or(&empty);
        let max_bytes =
            self.number("max_bytes", raw.max_bytes.as_ref(), 10 << 20, 1..=BLOCK_BYTES_MAX);
        let preferred = raw.preferred_bytes.as_ref();
        let batch = Batch {
            max_messages: self.number("max_messages", raw.max_messages.as_ref(), 500, 1..=100_000),
            max_bytes,
            preferred_bytes: self.number(
                "preferred_bytes",
                preferred,
                2 << 20,
                1..=BLOCK_BYTES_MAX,
            ),
            timeout_ms: self.number("timeout_ms", raw.timeout_ms.as_ref(), 200, 1..=600_000),
        };
        if batch.preferred_bytes > batch.max_bytes {
            let span = preferred.or(raw.max_bytes.as_ref()).map_or(0..0, Spanned::span);
            let message = format!(
                "preferred_bytes ({}) is above max_bytes ({})",
                batch.preferred_bytes, batch.max_bytes
            );
            self.problem(Code::TopologyRange, &span, message);
        }
        batch
    }

    fn raft(&mut self, raw: Option<&raw::Raft>) -> Raft {
        let empty = raw::Raft::default();
        let raw = raw.unwrap_or(&empty);
        let election = raw.election_ticks.as_ref();
        let raft = Raft {
            tick_ms: self.number("tick_ms", raw.tick_ms.as_ref(), 100, 1..=60_000),
            election_ticks: self.number("election_ticks", election, 10, 2..=1_000),
            heartbeat_ticks: self.number(
                "heartbeat_ticks",
                raw.heartbeat_ticks.as_ref(),
                1,
                1..=999,
            ),
            max_inflight_blocks: self.number(
                "max_inflight_blocks",
                raw.max_inflight_blocks.as_ref(),
                5,
                1..=1_000,
            ),
            snapshot_interval_bytes: self.number(
                "snapshot_interval_bytes",
                raw.snapshot_interval_bytes.as_ref(),
                16 << 20,
                1..=i64::from(u32::MAX),
            ),
        };
        if raft.heartbeat_ticks >= raft.election_ticks {
            let span = election.or(raw.heartbeat_ticks.as_ref()).map_or(0..0, Spanned::span);
            let message = format!(
                "election_ticks ({}) must be above heartbeat_ticks ({})",
                raft.election_ticks, raft.heartbeat_ticks
            );
            self.problem(Code::TopologyRange, &span, message);
        }
        raft
    }

    /// What no single section can know: that the parts make a network.
    fn enough(&mut self, raw: &raw::Topology) {
        let start = 0..0;
        if raw.organisations.is_empty() {
            self.missing(&start, "no [[organisations]] section".to_owned());
        }
        if raw.nodes.is_empty() {
            self.missing(&start, "no [[nodes]] section".to_owned());
        }
        if raw.channels.is_empty() {
            self.missing(&start, "no [[channels]] section".to_owned());
        }
        if let Some(node) = raw.nodes.get(NODES_MAX) {
            let message = format!("{} nodes, at most {NODES_MAX} are possible", raw.nodes.len());
            self.problem(Code::TopologyRange, &node.span(), message);
        }
    }
}

fn find<'a>(organisations: &'a [Organisation], name: &str) -> Option<&'a Organisation> {
    organisations.iter().find(|organisation| organisation.name == name)
}

fn plain(values: &[Spanned<String>]) -> Vec<String> {
    values.iter().map(|value| value.get_ref().clone()).collect()
}

fn text_or(value: Option<&Spanned<String>>, default: &str) -> String {
    value.map_or_else(|| default.to_owned(), |value| value.get_ref().clone())
}
