//! A running orderer: its channels, its two listeners, and the end of it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use carecord_channel::Bundle;
use carecord_comm::cluster::cluster_server::ClusterServer;
use carecord_comm::orderer::atomic_broadcast_server::AtomicBroadcastServer;
use carecord_comm::{Limits, MAX_MESSAGE_BYTES, Server, ServerHandle};
use carecord_consensus::{ChannelCore, ChannelParams};
use carecord_monitoring::OrdererMetrics;
use carecord_msp::CurrentSigner;
use carecord_proto::common::Block;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::channel::{ChannelHandle, Inbox, Input, Owner, Shared, Start, State};
use crate::cluster::{ClusterService, Links, Members};
use crate::registry::Registry;
use crate::service::ClientService;
use crate::storage::{self, Entries};
use crate::writer::Writer;
use crate::{Config, Credentials, Error};

/// Deliver streams at once, as in Fabric.
const STREAMS: usize = 2500;
/// How long calls may go on while the node stops.
const GRACE: Duration = Duration::from_secs(2);

/// A running orderer.
pub struct Orderer {
    config: Config,
    signer: Arc<CurrentSigner>,
    metrics: OrdererMetrics,
    registry: Arc<Registry>,
    links: Arc<Links>,
    owners: JoinSet<()>,
    fatal: mpsc::UnboundedSender<Error>,
    failed: mpsc::UnboundedReceiver<Error>,
    listeners: Vec<ServerHandle>,
}

/// How a channel of this orderer fares, for health checks and the status command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// Committed blocks.
    pub height: u64,
    /// Who leads, if known.
    pub leader: Option<u64>,
    /// Whether it is this node.
    pub is_leader: bool,
    /// Why the channel stopped, if it did.
    pub failure: Option<String>,
}

/// Answers how the channels fare, from any task.
#[derive(Clone)]
pub struct Statuses(Arc<Registry>);

// === impl Orderer ===

impl Orderer {
    /// Opens every channel in the data folder, joins those whose genesis blocks are given, and listens.
    pub async fn start(
        config: Config,
        genesis_blocks: &[Block],
        metrics: OrdererMetrics,
    ) -> Result<Self, Error> {
        let (fatal, failed) = mpsc::unbounded_channel();
        let links = Arc::new(Links::new(Arc::clone(&config.own)));
        let registry = Arc::new(Registry::default());
        let (owners, listeners) = (JoinSet::new(), Vec::new());
        let signer = Arc::new(CurrentSigner::new(Arc::clone(&config.signer)));
        let mut orderer =
            Self { config, signer, metrics, registry, links, owners, fatal, failed, listeners };
        for genesis in genesis_blocks {
            orderer.create_channel(genesis)?;
        }
        orderer.open_channels()?;
        orderer.listen().await?;
        Ok(orderer)
    }

    /// Answers how the channels fare.
    pub fn statuses(&self) -> Statuses {
        Statuses(Arc::clone(&self.registry))
    }

    /// Exchanges its certificates and keys while it runs.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            signer: Arc::clone(&self.signer),
            client_tls: self.config.client_tls.clone(),
            cluster_tls: self.config.cluster_tls.clone(),
            own: Arc::clone(&self.config.own),
            links: Arc::clone(&self.links),
        }
    }

    /// Where clients and other orderers reach it.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(ServerHandle::address).collect()
    }

    /// Waits for a failure that only a restart mends: a write or a sync that did not happen.
    pub async fn failed(&mut self) -> Error {
        match self.failed.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Hands over leadership, lets calls end, and stops.
    pub async fn stop(mut self) {
        for channel in self.registry.all() {
            channel.inbox().send(Input::Stop).await;
        }
        for listener in self.listeners.drain(..) {
            listener.stop(GRACE).await;
        }
        self.owners.shutdown().await;
    }

    fn create_channel(&self, genesis: &Block) -> Result<(), Error> {
        let bundle = Bundle::from_block(genesis)?;
        storage::create(&self.config.data.join(bundle.channel_id()), genesis)
    }

    fn open_channels(&mut self) -> Result<(), Error> {
        let data = &self.config.data;
        let failed = |source| Error::Disk { what: data.display().to_string(), source };
        fs::create_dir_all(data).map_err(failed)?;
        let mut folders = Vec::new();
        for entry in fs::read_dir(data).map_err(failed)? {
            folders.push(entry.map_err(failed)?.path());
        }
        folders.sort();
        folders.iter().filter(|folder| folder.is_dir()).try_for_each(|f| self.open_channel(f))
    }

    fn open_channel(&mut self, folder: &std::path::Path) -> Result<(), Error> {
        let opened = storage::open(folder)?;
        let height = opened.restored.height();
        let config_block = opened.log.last_config_block(height - 1)?;
        let bundle = Bundle::from_block(&config_block)?;
        let name = bundle.channel_id().to_owned();
        let members = Members::new(&crate::consenters(&bundle)?, opened.restored.consenter_ids())?;
        let own = members.own(|der| self.config.own.has(der));
        let own = own.ok_or_else(|| Error::NotAConsenter { channel: name.clone() })?.id;
        let params = ChannelParams::from_bundle(&bundle)?;
        let (inbox, inputs) = Inbox::new();
        let (height, _) = watch::channel(height);
        let (state, _) = watch::channel(State::Active { leader: None, is_self: false });
        let shared = Arc::new(Shared {
            name: name.clone(),
            inbox,
            bundle: ArcSwap::from_pointee(bundle),
            members: ArcSwap::from_pointee(members),
            signer: Arc::clone(&self.signer),
            log: Arc::clone(&opened.log),
            height,
            state,
        });
        let core = self.core(own, &params, opened.restored, Entries(opened.log))?;
        let (reports, reported) = mpsc::unbounded_channel();
        let (fatal, metrics) = (self.fatal.clone(), self.metrics.clone());
        let writer = Writer::start(&name, opened.appender, reports, fatal, metrics)?;
        let owner = Owner::new(Start {
            core,
            own,
            params,
            shared: Arc::clone(&shared),
            links: Arc::clone(&self.links),
            metrics: self.metrics.clone(),
            writer,
            reports: reported,
            inputs,
        })?;
        self.announce(&name, shared.members.load().iter().count());
        self.registry.insert(ChannelHandle::new(shared));
        self.owners.spawn(owner.run());
        Ok(())
    }

    fn core(
        &self,
        own: u64,
        params: &ChannelParams,
        restored: carecord_consensus::Restored,
        entries: Entries,
    ) -> Result<ChannelCore, Error> {
        let mut config = carecord_consensus::Config::new(own, rand::random());
        config.acknowledge = self.config.acknowledge;
        Ok(ChannelCore::new(config, params.clone(), restored, Box::new(entries))?)
    }

    fn announce(&self, channel: &str, consenters: usize) {
        let name = [channel];
        self.metrics.participation_status.with_label_values(&name).set(1);
        self.metrics.participation_consensus_relation.with_label_values(&name).set(1);
        self.metrics.raft.cluster_size.with_label_values(&name).set(consenters as i64);
        tracing::info!(node = %self.config.name, channel, consenters, "channel opened");
    }

    fn cluster_service(&self) -> ClusterService {
        let streams = self.metrics.cluster.ingress_stream_count.clone();
        ClusterService::new(Arc::clone(&self.registry), streams)
    }

    async fn listen(&mut self) -> Result<(), Error> {
        let clients = ClientService {
            registry: Arc::clone(&self.registry),
            metrics: self.metrics.clone(),
            budget: Arc::default(),
            binds_certificates: self.config.client_tls.requires_client_certificate(),
        };
        let clients = AtomicBroadcastServer::new(clients)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let cluster = ClusterServer::new(self.cluster_service())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let limits = Limits::default().with_service("orderer.AtomicBroadcast", STREAMS);
        let server = |tls: &carecord_comm::ServerTls, limits| Server {
            tls: Some(tls.clone()),
            limits,
            metrics: Some(self.metrics.grpc.clone()),
        };
        let (client_tls, cluster_tls) = (&self.config.client_tls, &self.config.cluster_tls);
        let clients = server(client_tls, limits)
            .bind(&self.config.client_listen, Routes::new(clients))
            .await?;
        let cluster = server(cluster_tls, Limits::default())
            .bind(&self.config.cluster_listen, Routes::new(cluster))
            .await?;
        self.listeners = vec![clients, cluster];
        Ok(())
    }
}

// === impl Statuses ===

impl Statuses {
    /// The configurations in force, by channel name.
    pub fn bundles(&self) -> Vec<Arc<Bundle>> {
        self.0.all().iter().map(ChannelHandle::bundle).collect()
    }

    /// Every channel, by name.
    pub fn channels(&self) -> Vec<ChannelStatus> {
        self.0.all().iter().map(ChannelStatus::of).collect()
    }
}

impl ChannelStatus {
    fn of(channel: &ChannelHandle) -> Self {
        let (leader, is_leader, failure) = match channel.state() {
            State::Active { leader, is_self } => (leader, is_self, None),
            State::Failed { reason } => (None, false, Some(reason)),
        };
        let height = *channel.height().borrow();
        Self { name: channel.name().to_owned(), height, leader, is_leader, failure }
    }
}
