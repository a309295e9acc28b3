//! What a peer is told at its start, and its limits.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carecord_chaincode::Chaincode;
use carecord_comm::{ClientAuth, Limits, TlsIdentity};
use carecord_monitoring::{PeerMetrics, Registry};
use carecord_msp::{Msp, Signer};

/// Everything that makes one peer different from another.
#[derive(Clone)]
pub struct PeerConfig {
    /// `host:port` under which other nodes and error details name this peer.
    pub address: String,
    /// `host:port` to listen on; port 0 takes a free one.
    pub listen: String,
    /// Where the ledgers lie.
    pub data_dir: PathBuf,
    /// The peer's identity: signs endorsements and deliver requests.
    pub signer: Arc<dyn Signer>,
    /// The peer's own organisation, for what belongs to no channel.
    pub local_msp: Arc<Msp>,
    /// TLS; without it everything is plain text.
    pub tls: Option<PeerTls>,
    /// Peers beside this one, of any organisation; anchor peers of a channel's configuration are known without this.
    pub peers: Vec<RemoteNode>,
    /// Orderers that a channel's configuration does not name, or whose certificates carry another name.
    pub orderers: Vec<RemoteNode>,
    /// Chaincode that runs in this process.
    pub chaincodes: Vec<Arc<dyn Chaincode>>,
    /// What the listener accepts.
    pub limits: Limits,
    /// How long to wait for others.
    pub timeouts: Timeouts,
    /// Where chaincode runs.
    pub simulate_on: SimulateOn,
    /// Worker threads for checking signatures of blocks; 0: as many as cores.
    pub validation_threads: usize,
    /// Whether the history of keys is kept.
    pub history: bool,
    /// Where everything is counted.
    pub metrics: PeerMetrics,
}

/// A peer's TLS: one identity for its listener and for dialling.
#[derive(Clone, Debug)]
pub struct PeerTls {
    /// Certificate chain and key.
    pub identity: TlsIdentity,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
    /// PEM texts of roots for clients, beside the TLS roots of the channels' organisations.
    pub client_roots: Vec<Vec<u8>>,
}

/// Another node and how to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteNode {
    /// Its organisation.
    pub msp_id: String,
    /// `host:port`.
    pub address: String,
    /// PEM texts of its TLS roots; if empty, those that the channel names for its organisation.
    pub tls_roots: Vec<Vec<u8>>,
    /// The name in its certificate, if not the host of `address`.
    pub server_name: Option<String>,
}

/// How long a peer waits for others; the defaults are Fabric's where it has them.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For one endorsement, by this peer or another.
    pub endorsement: Duration,
    /// For an orderer's answer to one envelope.
    pub broadcast: Duration,
    /// For an orderer that takes transactions, while none does: a leader may just be being elected.
    pub submit: Duration,
    /// For one call of a chaincode.
    pub execution: Duration,
    /// How far a proposal's time may be off, either way.
    pub time_window: Duration,
    /// How long a node that could not be reached is left alone.
    pub retry_after: Duration,
}

/// Where chaincode of this process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimulateOn {
    /// Functions that have been quick lately on the runtime's thread, all others on a thread for the time of the call.
    #[default]
    RuntimeIfQuick,
    /// Always on a thread for the time of the call, so that a slow chaincode holds up nobody.
    Threads,
    /// Always on the runtime's thread.
    Runtime,
}

/// How many transactions may be waited for at once.
pub(crate) const MAX_STATUS_WAITERS: usize = 100_000;
/// How many simulations may have a thread of their own at once; further ones wait their turn. Chaincode in this
/// process waits for nothing outside of it, so more threads would bring memory and no speed.
pub(crate) const MAX_SIMULATION_THREADS: usize = 8;
/// Blocks of a channel that stay in memory for those who follow it.
pub(crate) const RECENT_BLOCKS: usize = 16;
/// Their bytes at most.
pub(crate) const RECENT_BLOCK_BYTES: usize = 8 << 20;
/// Blocks that are being checked ahead of the one that is being committed.
pub(crate) const BLOCKS_AHEAD: usize = 4;
/// How deep chaincodes may call each other.
pub(crate) const MAX_CALL_DEPTH: usize = 16;
/// How many rows a chaincode's range may give; Fabric's total query limit.
pub(crate) const MAX_RANGE_ROWS: usize = 100_000;
/// How many bytes of keys and values a chaincode's range or history may give.
pub(crate) const MAX_RESULT_BYTES: usize = 8 << 20;
/// The results that a peer prepares for a chaincode at a time, as in Fabric; one more is always asked for.
pub(crate) const RANGE_BATCH: usize = 100;
/// How many arguments a call may have.
pub(crate) const MAX_ARGS: usize = 10_000;
/// Broadcast streams to one orderer that are kept open while unused.
pub(crate) const IDLE_BROADCAST_STREAMS: usize = 1024;

// === impl PeerConfig ===

impl PeerConfig {
    /// A peer with defaults for all but its names and its place.
    pub fn new(
        address: impl Into<String>,
        data_dir: impl Into<PathBuf>,
        signer: Arc<dyn Signer>,
        local_msp: Arc<Msp>,
    ) -> Self {
        let address = address.into();
        Self {
            listen: address.clone(),
            address,
            data_dir: data_dir.into(),
            signer,
            local_msp,
            tls: None,
            peers: Vec::new(),
            orderers: Vec::new(),
            chaincodes: Vec::new(),
            limits: Limits::peer()
                .with_service("carecord.privdata.PrivateData", crate::privdata::MAX_CALLS),
            timeouts: Timeouts::default(),
            simulate_on: SimulateOn::default(),
            validation_threads: 0,
            history: true,
            metrics: PeerMetrics::new(Registry::new()),
        }
    }
}

impl std::fmt::Debug for PeerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerConfig")
            .field("address", &self.address)
            .field("data_dir", &self.data_dir)
            .field("msp_id", &self.signer.msp_id())
            .finish_non_exhaustive()
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            endorsement: Duration::from_secs(10),
            broadcast: Duration::from_secs(10),
            // Shorter than the 5 s after which the official SDKs give up, so that they get the reason.
            submit: Duration::from_secs(4),
            execution: Duration::from_secs(30),
            time_window: Duration::from_secs(15 * 60),
            retry_after: Duration::from_secs(3),
        }
    }
}
