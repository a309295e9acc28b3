//! The consenters and options of Raft in a configuration: what is allowed, and how they may change.
//!
//! Place in the flow: an orderer asks [`Bundle::check_consensus`] after [`Bundle::propose_update`] and before it orders
//! the result; when the result is cut into a block, [`Consenters`] says what Raft has to be told. The verdict over TLS
//! certificates depends on the time, which the orderer gives.

use carecord_msp::{CertificateError, Msp, TlsAuthorities, TlsCertificate};
use carecord_proto::etcdraft::{ConfigMetadata, Consenter};
use carecord_proto::orderer::BatchSize;
use prost::Message;
use std::collections::BTreeSet;

use crate::Bundle;
use crate::duration::{self, DurationError};
use crate::orderer::ETCDRAFT;

/// Why the consensus settings of a configuration are refused.
#[derive(Debug, thiserror::Error)]
pub enum ConsensusError {
    /// No `Orderer` group.
    #[error("config has no orderer section")]
    NoOrderer,
    /// A protocol that our orderers do not run.
    #[error("consensus type {0} is not supported, only etcdraft is")]
    Type(String),
    /// Not the metadata of Raft.
    #[error("failed to unmarshal new etcdraft metadata configuration: {0}")]
    Decode(#[source] prost::DecodeError),
    /// Settings that Raft cannot run with.
    #[error("invalid new config metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// Blocks that nobody could receive.
    #[error("batch size absolute max bytes ({0}) is more than {MAX_BATCH_BYTES}")]
    BatchBytes(u32),
    /// A new consenter whose certificates are not valid now.
    #[error("consenter {host}:{port} has invalid certificates: {source}")]
    NewConsenter {
        /// Its host.
        host: String,
        /// Its port.
        port: u32,
        /// What is wrong.
        source: Box<TlsError>,
    },
    /// More consenters than a channel may have.
    #[error("{0} consenters are more than {MAX_CONSENTERS}")]
    TooMany(usize),
    /// More than Raft can change at once.
    #[error(
        "update of more than one consenter at a time is not supported, requested changes: add {added} node(s), \
         remove {removed} node(s)"
    )]
    TooManyChanges {
        /// How many are new.
        added: usize,
        /// How many are gone.
        removed: usize,
    },
    /// A change after which nothing could be ordered any more.
    #[error(
        "{active} out of {consenters} nodes are alive, configuration will result in quorum loss"
    )]
    QuorumLoss {
        /// How many answer now.
        active: usize,
        /// How many there are now.
        consenters: usize,
    },
}

/// Settings that Raft cannot run with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No options.
    #[error("nil Raft config metadata options")]
    NoOptions,
    /// An option of zero.
    #[error(
        "none of HeartbeatTick ({heartbeat}), ElectionTick ({election}) and MaxInflightBlocks ({inflight}) can be zero"
    )]
    Zero {
        /// Ticks between heartbeats.
        heartbeat: u32,
        /// Ticks until an election.
        election: u32,
        /// Blocks on their way.
        inflight: u32,
    },
    /// Elections before a heartbeat is missed.
    #[error("ElectionTick ({election}) must be greater than HeartbeatTick ({heartbeat})")]
    ElectionTick {
        /// Ticks until an election.
        election: u32,
        /// Ticks between heartbeats.
        heartbeat: u32,
    },
    /// A tick that is no duration.
    #[error("failed to parse TickInterval ({text}) to time duration: {source}")]
    TickInterval {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: DurationError,
    },
    /// A tick of no length.
    #[error("TickInterval cannot be zero")]
    ZeroTick,
    /// Nobody to order.
    #[error("empty consenter set")]
    NoConsenters,
    /// A certificate that cannot be read or that no TLS authority of the orderers' organisations issued.
    #[error("consenter {host}:{port} has invalid certificate: {source}")]
    Certificate {
        /// The consenter's host.
        host: String,
        /// Its port.
        port: u32,
        /// What is wrong.
        source: Box<TlsError>,
    },
    /// The same certificate twice, whoever's it is.
    #[error("duplicate consenter: server cert: {server}, client cert: {client}")]
    Duplicate {
        /// The second one's server certificate.
        server: String,
        /// The second one's client certificate.
        client: String,
    },
}

/// What is wrong with a consenter's TLS certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Not PEM.
    #[error("parsing tls {role} cert of {at}: no PEM data found in cert[{}]", bytes(.text))]
    NoPem {
        /// `client` or `server`.
        role: &'static str,
        /// Whose.
        at: String,
        /// What is there instead.
        text: Vec<u8>,
    },
    /// Not a certificate.
    #[error("parsing tls {role} cert of {at}: {source}")]
    Malformed {
        /// `client` or `server`.
        role: &'static str,
        /// Whose.
        at: String,
        /// What is wrong.
        source: CertificateError,
    },
    /// Not issued by an orderer organisation's TLS authority, or not valid now.
    #[error("verifying tls {role} cert with serial number {serial}: {source}")]
    Untrusted {
        /// `client` or `server`.
        role: &'static str,
        /// The certificate's serial number.
        serial: String,
        /// Why.
        source: CertificateError,
    },
}

/// Go's way to print bytes in hex with spaces.
fn bytes(text: &[u8]) -> String {
    let hex: Vec<String> = text.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(" ")
}

/// Consenters that a channel may have.
pub const MAX_CONSENTERS: usize = 64;

/// How large a batch may be: a block of it must pass as one message, whose limit is 100 MiB everywhere.
pub const MAX_BATCH_BYTES: u32 = 99 << 20;

/// How the set of consenters changes; they are known by their client TLS certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// Not at all.
    Same,
    /// One more, at this position of the new list.
    Add(usize),
    /// One less, by Raft id.
    Remove(u64),
    /// New certificates for the one with this Raft id, at this position of the new list.
    Rotate(u64, usize),
}

/// The consenters after an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consenters {
    /// How they differ from those before it.
    pub change: Membership,
    /// The Raft id of each in the order of the configuration; none for a new one.
    pub ids: Vec<Option<u64>>,
}

/// Refuses settings that Raft cannot run with, and consenters that share a certificate.
///
/// Stricter than Fabric in two points, both of which stop its orderers: a tick of negative length, and no metadata at all.
pub fn check(metadata: &ConfigMetadata) -> Result<(), MetadataError> {
    check_options(metadata)?;
    check_duplicates(&metadata.consenters)
}

fn check_options(metadata: &ConfigMetadata) -> Result<(), MetadataError> {
    let options = metadata.options.as_ref().ok_or(MetadataError::NoOptions)?;
    let (heartbeat, election) = (options.heartbeat_tick, options.election_tick);
    let inflight = options.max_inflight_blocks;
    if heartbeat == 0 || election == 0 || inflight == 0 {
        return Err(MetadataError::Zero { heartbeat, election, inflight });
    }
    if election <= heartbeat {
        return Err(MetadataError::ElectionTick { election, heartbeat });
    }
    let tick = duration::parse_nanos(&options.tick_interval).map_err(|source| {
        MetadataError::TickInterval { text: options.tick_interval.clone(), source }
    })?;
    if tick <= 0 {
        return Err(MetadataError::ZeroTick);
    }
    if metadata.consenters.is_empty() {
        return Err(MetadataError::NoConsenters);
    }
    Ok(())
}

/// Whether a consenter's certificates were issued by one of `authorities` and, unless that is let pass, are valid now.
fn check_certificates(
    consenter: &Consenter,
    authorities: &TlsAuthorities,
    now: i64,
    may_have_expired: bool,
) -> Result<(), Box<TlsError>> {
    let at = || format!("{}:{}", consenter.host, consenter.port);
    let read = |role, text: &[u8]| match TlsCertificate::from_pem(text) {
        None => Err(Box::new(TlsError::NoPem { role, at: at(), text: text.to_vec() })),
        Some(read) => {
            read.map_err(|source| Box::new(TlsError::Malformed { role, at: at(), source }))
        }
    };
    let client = read("client", &consenter.client_tls_cert)?;
    let server = read("server", &consenter.server_tls_cert)?;
    for (role, certificate) in [("client", client), ("server", server)] {
        match authorities.check(&certificate, now) {
            Err(CertificateError::Expired { .. }) if may_have_expired => {}
            Err(source) => {
                let serial = certificate.serial();
                return Err(Box::new(TlsError::Untrusted { role, serial, source }));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Refuses batches that could not be passed on as a block.
pub fn check_batch_bytes(size: &BatchSize) -> Result<(), ConsensusError> {
    match size.absolute_max_bytes {
        bytes if bytes > MAX_BATCH_BYTES => Err(ConsensusError::BatchBytes(bytes)),
        _ => Ok(()),
    }
}

fn check_duplicates(consenters: &[Consenter]) -> Result<(), MetadataError> {
    let mut seen = BTreeSet::new();
    for consenter in consenters {
        let certs = [&consenter.server_tls_cert, &consenter.client_tls_cert];
        if certs.iter().any(|cert| seen.contains(*cert)) {
            let [server, client] = certs.map(|cert| String::from_utf8_lossy(cert).into_owned());
            return Err(MetadataError::Duplicate { server, client });
        }
        seen.extend(certs);
    }
    Ok(())
}

// === impl Membership ===

impl Membership {
    /// Compares two lists of consenters; `ids` are the Raft ids of the current ones, in their order.
    pub fn between(
        current: &[Consenter],
        ids: &[u64],
        next: &[Consenter],
    ) -> Result<Self, ConsensusError> {
        let has = |list: &[Consenter], one: &Consenter| {
            list.iter().any(|other| other.client_tls_cert == one.client_tls_cert)
        };
        let added = next.iter().enumerate().filter(|(_, one)| !has(current, one));
        let added: Vec<_> = added.map(|(at, _)| at).collect();
        let removed = current.iter().zip(ids).filter(|(one, _)| !has(next, one));
        let removed: Vec<_> = removed.map(|(_, id)| *id).collect();
        match (&added[..], &removed[..]) {
            ([], []) => Ok(Self::Same),
            ([at], []) => Ok(Self::Add(*at)),
            ([], [id]) => Ok(Self::Remove(*id)),
            ([at], [id]) => Ok(Self::Rotate(*id, *at)),
            (added, removed) => {
                let (added, removed) = (added.len(), removed.len());
                Err(ConsensusError::TooManyChanges { added, removed })
            }
        }
    }

    /// Whether too few of the `consenters` there will be would be alive, though more could be started first.
    ///
    /// Removing or renewing a dead one is allowed; growing to two is, since no such cluster bears a failure.
    pub fn loses_quorum(&self, consenters: usize, active: &[u64]) -> bool {
        let quorum = consenters / 2 + 1;
        let bears_failures = consenters > 2;
        let without = |id: &u64| active.iter().filter(|other| *other != id).count();
        match self {
            Self::Same => false,
            Self::Add(_) => bears_failures && active.len() < quorum,
            Self::Rotate(id, _) => bears_failures && without(id) < quorum,
            Self::Remove(id) => without(id) < quorum,
        }
    }
}

// === impl Consenters ===

impl Consenters {
    fn between(
        current: &[Consenter],
        ids: &[u64],
        next: &[Consenter],
    ) -> Result<Self, ConsensusError> {
        let change = Membership::between(current, ids, next)?;
        let known = |one: &Consenter| {
            let mut numbered = current.iter().zip(ids);
            numbered.find(|(c, _)| c.client_tls_cert == one.client_tls_cert).map(|(_, id)| *id)
        };
        let mut next_ids: Vec<_> = next.iter().map(known).collect();
        if let Membership::Rotate(id, at) = change {
            next_ids[at] = Some(id);
        }
        Ok(Self { change, ids: next_ids })
    }

    /// Refuses a change after which too few of those that `active` names would be left to order anything.
    pub fn check_quorum(&self, current: usize, active: &[u64]) -> Result<(), ConsensusError> {
        if self.change.loses_quorum(self.ids.len(), active) {
            return Err(ConsensusError::QuorumLoss { active: active.len(), consenters: current });
        }
        Ok(())
    }
}

// === impl Bundle ===

impl Bundle {
    /// Whether the consensus settings of `next` may follow these, and what they change.
    ///
    /// `ids` are the Raft ids of the current consenters in their order. Whether enough of them are alive is asked of the
    /// answer, by whoever knows: the leader.
    pub fn check_consensus(
        &self,
        next: &Self,
        ids: &[u64],
        now: i64,
    ) -> Result<Consenters, ConsensusError> {
        let next_bundle = next;
        let current = self.orderer().ok_or(ConsensusError::NoOrderer)?;
        let next = next.orderer().ok_or(ConsensusError::NoOrderer)?;
        if next.consensus_type != ETCDRAFT {
            return Err(ConsensusError::Type(next.consensus_type.clone()));
        }
        check_batch_bytes(&next.batch_size)?;
        let metadata = ConfigMetadata::decode(next.consensus_metadata.clone())
            .map_err(ConsensusError::Decode)?;
        check_options(&metadata)?;
        if metadata.consenters.len() > MAX_CONSENTERS {
            return Err(ConsensusError::TooMany(metadata.consenters.len()));
        }
        let authorities = TlsAuthorities::of(next_bundle.orderer_msps());
        for consenter in &metadata.consenters {
            check_certificates(consenter, &authorities, now, true).map_err(|source| {
                let (host, port) = (consenter.host.clone(), consenter.port);
                MetadataError::Certificate { host, port, source }
            })?;
        }
        check_duplicates(&metadata.consenters)?;
        let current = current.raft().unwrap_or_default().consenters;
        let consenters = Consenters::between(&current, ids, &metadata.consenters)?;
        let new = metadata.consenters.iter().filter(|one| {
            !current.iter().any(|other| other.client_tls_cert == one.client_tls_cert)
        });
        for consenter in new {
            check_certificates(consenter, &authorities, now, false).map_err(|source| {
                let (host, port) = (consenter.host.clone(), consenter.port);
                ConsensusError::NewConsenter { host, port, source }
            })?;
        }
        Ok(consenters)
    }

    fn orderer_msps(&self) -> impl Iterator<Item = &Msp> {
        let organizations = self.orderer().into_iter().flat_map(|o| o.organizations.values());
        organizations.filter_map(|org| self.msps().msp(&org.msp_id)).map(|msp| &**msp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genesis::OrdererSpec;

    fn consenter(name: &'static str) -> Consenter {
        Consenter {
            host: name.into(),
            port: 7050,
            client_tls_cert: name.into(),
            server_tls_cert: name.into(),
        }
    }

    fn consenters(names: &[&'static str]) -> Vec<Consenter> {
        names.iter().map(|name| consenter(name)).collect()
    }

    #[test]
    fn settings_that_raft_cannot_run_with_are_refused() {
        let check = |change: &dyn Fn(&mut ConfigMetadata), expected: &str| {
            let options = Some(OrdererSpec::default().raft);
            let mut metadata = ConfigMetadata { consenters: consenters(&["a"]), options };
            change(&mut metadata);
            let shown = super::check(&metadata).map_or_else(|e| e.to_string(), |()| "ok".into());
            assert_eq!(shown, expected);
        };
        let options = |m: &mut ConfigMetadata| m.options.take().expect("options");
        check(&|_| (), "ok");
        check(&|m| m.options = None, "nil Raft config metadata options");
        check(&|m| m.consenters.clear(), "empty consenter set");
        check(
            &|m| {
                m.options =
                    Some(carecord_proto::etcdraft::Options { election_tick: 1, ..options(m) })
            },
            "ElectionTick (1) must be greater than HeartbeatTick (1)",
        );
        check(
            &|m| m.consenters.push(consenter("a")),
            "duplicate consenter: server cert: a, client cert: a",
        );
    }

    #[test]
    fn batches_that_could_not_be_passed_on_are_refused() {
        let size = |absolute_max_bytes| BatchSize { absolute_max_bytes, ..Default::default() };
        assert!(check_batch_bytes(&size(MAX_BATCH_BYTES)).is_ok());
        assert!(check_batch_bytes(&size(MAX_BATCH_BYTES + 1)).is_err());
    }

    #[test]
    fn one_consenter_changes_at_a_time() {
        let between = |next: &[&'static str]| {
            let current = consenters(&["a", "b", "c"]);
            Membership::between(&current, &[1, 2, 5], &consenters(next)).map_err(|e| e.to_string())
        };
        assert_eq!(between(&["c", "a", "b"]), Ok(Membership::Same));
        assert_eq!(between(&["a", "x", "b", "c"]), Ok(Membership::Add(1)));
        assert_eq!(between(&["a", "b"]), Ok(Membership::Remove(5)));
        assert_eq!(between(&["a", "x", "c"]), Ok(Membership::Rotate(2, 1)));
        assert!(between(&["a"]).is_err());
        assert!(between(&["a", "b", "c", "d", "e"]).is_err());
    }

    #[test]
    fn with_two_of_three_alive_the_dead_one_may_go_but_nobody_may_come() {
        let active = [1, 2];
        assert!(Membership::Add(3).loses_quorum(4, &active));
        assert!(!Membership::Remove(3).loses_quorum(2, &active));
        assert!(Membership::Remove(2).loses_quorum(2, &active));
        assert!(!Membership::Rotate(3, 2).loses_quorum(3, &active));
        assert!(Membership::Rotate(2, 1).loses_quorum(3, &active));
        assert!(!Membership::Add(1).loses_quorum(2, &[1]));
    }
}
