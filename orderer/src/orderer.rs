//! A running orderer: its channels, its two listeners, and the end of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carecord_channel::Bundle;
use carecord_comm::cluster::cluster_server::ClusterServer;
use carecord_comm::orderer::atomic_broadcast_server::AtomicBroadcastServer;
use carecord_comm::{Limits, MAX_MESSAGE_BYTES, Server, ServerHandle};
use carecord_monitoring::OrdererMetrics;
use carecord_proto::common::Block;
use tokio::sync::mpsc;
use tonic::service::Routes;

use crate::channel::{ChannelHandle, State};
use crate::cluster::ClusterService;
use crate::registrar::Registrar;
use crate::registry::Registry;
use crate::service::ClientService;
use crate::{Config, Credentials, Error};

/// Deliver streams at once, as in Fabric.
const STREAMS: usize = 2500;
/// How long calls may go on while the node stops.
const GRACE: Duration = Duration::from_secs(2);

/// A running orderer.
pub struct Orderer {
    registrar: Arc<Registrar>,
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
        let registrar = Arc::new(Registrar::new(config, metrics, fatal)?);
        registrar.open_all(genesis_blocks)?;
        let mut orderer = Self { registrar, failed, listeners: Vec::new() };
        orderer.listen().await?;
        Ok(orderer)
    }

    /// Answers how the channels fare.
    pub fn statuses(&self) -> Statuses {
        Statuses(Arc::clone(&self.registrar.registry))
    }

    /// The routes of channel participation, to be served over mutual TLS to the node's administrators alone.
    pub fn participation(&self) -> axum::Router {
        crate::participation::routes(Arc::clone(&self.registrar))
    }

    /// Exchanges its certificates and keys while it runs.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            signer: Arc::clone(&self.registrar.host.signer),
            client_tls: self.registrar.host.config.client_tls.clone(),
            cluster_tls: self.registrar.host.config.cluster_tls.clone(),
            own: Arc::clone(&self.registrar.host.config.own),
            links: Arc::clone(&self.registrar.host.links),
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
        self.registrar.stop().await;
        for listener in self.listeners.drain(..) {
            listener.stop(GRACE).await;
        }
    }

    fn cluster_service(&self) -> ClusterService {
        let streams = self.registrar.host.metrics.cluster.ingress_stream_count.clone();
        ClusterService::new(Arc::clone(&self.registrar.registry), streams)
    }

    async fn listen(&mut self) -> Result<(), Error> {
        let clients = ClientService {
            registry: Arc::clone(&self.registrar.registry),
            metrics: self.registrar.host.metrics.clone(),
            budget: Arc::default(),
            binds_certificates: self.registrar.host.config.client_tls.requires_client_certificate(),
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
            metrics: Some(self.registrar.host.metrics.grpc.clone()),
        };
        let (client_tls, cluster_tls) =
            (&self.registrar.host.config.client_tls, &self.registrar.host.config.cluster_tls);
        let clients = server(client_tls, limits)
            .bind(&self.registrar.host.config.client_listen, Routes::new(clients))
            .await?;
        let cluster = server(cluster_tls, Limits::default())
            .bind(&self.registrar.host.config.cluster_listen, Routes::new(cluster))
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
            State::Following { .. } | State::Removed => (None, false, None),
            State::Failed { reason } => (None, false, Some(reason)),
        };
        let height = *channel.height().borrow();
        Self { name: channel.name().to_owned(), height, leader, is_leader, failure }
    }
}
