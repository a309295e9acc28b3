//! The peer as a whole: its channels, its chaincodes, its connections, its listener.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use carecord_chaincode::Chaincode;
use carecord_comm::{
    MAX_MESSAGE_BYTES, Server, ServerHandle, ServerTls,
    gateway::gateway_server::GatewayServer,
    protos::{
        deliver_server::DeliverServer, endorser_server::EndorserServer,
        snapshot_server::SnapshotServer,
    },
};
use carecord_ledger::{Ledger, Options};
use carecord_msp::Signer;
use carecord_proto::{block, common::Block};
use parking_lot::{Mutex, RwLock};
use prost::Message;
use tokio::{
    net::TcpListener,
    runtime,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tonic::{service::Routes, transport::Channel as Connection};

use crate::{
    Error, PeerConfig,
    chaincode::Packages,
    channel::Channel,
    config::MAX_SIMULATION_THREADS,
    credentials::Credentials,
    deliver::DeliverService,
    endorser::{EndorserService, Paces},
    gateway::GatewayService,
    orderers::Orderers,
    privdata::{self, PrivateDataService, Pushers},
    puller,
    remote::{RemotePeers, tls_roots},
    snapshot::{self, Joining, SnapshotService, Snapshots},
};

/// The folder of the ledgers, one folder a channel.
const LEDGERS: &str = "ledgers";
/// The folder of chaincode packages.
const PACKAGES: &str = "chaincodes";
/// The folder of joins that are not finished: one genesis block a channel, removed when its ledger is complete.
const JOINING: &str = "joining";

/// A peer: its services share it.
pub struct Peer {
    config: PeerConfig,
    chaincodes: BTreeMap<String, Arc<dyn Chaincode>>,
    packages: Packages,
    channels: RwLock<BTreeMap<String, Arc<Channel>>>,
    joining: Mutex<()>,
    joining_by_snapshot: Joining,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    pushers: Pushers,
    remote_peers: RemotePeers,
    orderers: Orderers,
    server_tls: Option<ServerTls>,
    credentials: Credentials,
    simulations: Arc<Semaphore>,
    paces: Paces,
    runtime: runtime::Handle,
    failure: watch::Sender<Option<String>>,
}

/// A running peer.
#[derive(Debug)]
pub struct Handle {
    peer: Arc<Peer>,
    server: ServerHandle,
}

// === impl Peer ===

impl Peer {
    /// Opens the ledgers in the data folder and follows their channels; nobody is served yet.
    ///
    /// Must be called on the runtime that the peer is to run on.
    pub fn open(config: PeerConfig) -> Result<Arc<Self>, Error> {
        let identity = config.tls.as_ref().map(|tls| tls.identity.clone());
        let server_tls = config
            .tls
            .as_ref()
            .map(|tls| ServerTls::new(tls.identity.clone(), tls.client_auth, &tls.client_roots))
            .transpose()?;
        let chaincodes = config
            .chaincodes
            .iter()
            .map(|chaincode| (chaincode.name().to_owned(), Arc::clone(chaincode)))
            .collect();
        let built_in = config.chaincodes.iter().map(|it| it.name().to_owned()).collect();
        let packages = Packages::open(config.data_dir.join(PACKAGES), built_in)?;
        let peer = Arc::new(Self {
            packages,
            remote_peers: RemotePeers::new(&config.address, identity.clone(), config.peers.clone()),
            orderers: Orderers::new(identity, config.orderers.clone()),
            chaincodes,
            channels: RwLock::default(),
            joining: Mutex::default(),
            joining_by_snapshot: Joining::default(),
            tasks: Mutex::default(),
            pushers: Pushers::default(),
            server_tls,
            credentials: Credentials::of(&config),
            simulations: Arc::new(Semaphore::new(MAX_SIMULATION_THREADS)),
            paces: Paces::default(),
            runtime: runtime::Handle::current(),
            failure: watch::Sender::new(None),
            config,
        });
        peer.open_ledgers()?;
        Ok(peer)
    }

    /// Opens the peer and serves its clients.
    pub async fn start(config: PeerConfig) -> Result<Handle, Error> {
        let peer = Self::open(config)?;
        let routes = peer.routes();
        peer.serve(routes).await
    }

    /// The peer's services; the caller may add its own before [`Peer::serve`].
    pub fn routes(self: &Arc<Self>) -> Routes {
        let peer = || Arc::clone(self);
        let gateway = GatewayServer::new(GatewayService { peer: peer() });
        let endorser = EndorserServer::new(EndorserService { peer: peer() });
        let deliver = DeliverServer::new(DeliverService::new(peer()));
        let snapshot = SnapshotServer::new(SnapshotService { peer: peer() });
        Routes::new(gateway.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(endorser.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(deliver.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(snapshot.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(PrivateDataService::server(peer()))
    }

    /// Listens and serves.
    pub async fn serve(self: &Arc<Self>, routes: Routes) -> Result<Handle, Error> {
        let address = &self.config.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| carecord_comm::Error::Listen { address: address.clone(), source })?;
        let server = Server {
            tls: self.server_tls.clone(),
            limits: self.config.limits.clone(),
            metrics: Some(self.config.metrics.grpc.clone()),
        };
        let server = server.serve(listener, routes)?;
        tracing::info!(address = %server.address(), "peer serves");
        Ok(Handle { peer: Arc::clone(self), server })
    }

    /// Joins the channel that a block begins, and follows it.
    pub fn join(self: &Arc<Self>, genesis: &Block) -> Result<Arc<Channel>, Error> {
        let channel_id =
            block::channel_id(genesis).map_err(|error| Error::JoinBlock(error.to_string()))?;
        let bundle = carecord_channel::Bundle::from_block(genesis)
            .map_err(|error| Error::JoinBlock(error.to_string()))?;
        if bundle.application().is_none() {
            return Err(Error::JoinBlock(
                "Invalid configuration block, missing Application configuration group".to_owned(),
            ));
        }
        let _one_at_a_time = self.joining.lock();
        if self.channel(&channel_id).is_some() {
            return Err(Error::AlreadyJoined(channel_id));
        }
        let joining = self.note_joining(&channel_id, genesis)?;
        self.create(&channel_id, genesis, &joining)
    }

    /// Joins the channel of the snapshot in `folder`, and follows it from the block after the snapshot's last.
    pub fn join_from(self: &Arc<Self>, folder: &Path) -> Result<Arc<Channel>, Error> {
        let failed = |channel: &str, source| Error::Ledger { channel: channel.to_owned(), source };
        let snapshot = carecord_ledger::Snapshot::read(folder)
            .map_err(|error| failed("", carecord_ledger::Error::from(error)))?;
        let channel = snapshot.channel;
        let _one_at_a_time = self.joining.lock();
        if self.channel(&channel).is_some() {
            return Err(Error::AlreadyJoined(channel));
        }
        let ledger = Ledger::join(&self.ledgers().join(&channel), folder, self.ledger_options())
            .map_err(|source| failed(&channel, source))?;
        self.follow(ledger)
    }

    pub(crate) fn joining_by_snapshot(&self) -> &Joining {
        &self.joining_by_snapshot
    }

    /// The channel of this name, if the peer is on it.
    pub fn channel(&self, channel_id: &str) -> Option<Arc<Channel>> {
        self.channels.read().get(channel_id).cloned()
    }

    /// All channels, by name.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels.read().values().cloned().collect()
    }

    /// What the peer was told at its start.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// Reasons why a channel goes no further; for `/healthz`.
    pub fn health(&self) -> Result<(), String> {
        let halted = self.channels().into_iter().find_map(|channel| {
            let reason = channel.halted()?;
            Some(format!("channel '{}' halted: {reason}", channel.id()))
        });
        halted.map_or(Ok(()), Err)
    }

    /// Waits until a disk has failed, and says how: the process should then end, and recover when it starts again.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives as long as the peer.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn storage_failed(&self, reason: String) {
        self.failure.send_replace(Some(reason));
    }

    pub(crate) fn chaincode(&self, name: &str) -> Option<Arc<dyn Chaincode>> {
        self.chaincodes.get(name).cloned()
    }

    /// The chaincode packages that are installed here.
    pub(crate) fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Turns for simulations on threads of their own.
    pub(crate) fn simulations(&self) -> &Arc<Semaphore> {
        &self.simulations
    }

    /// Which functions are quick.
    pub(crate) fn paces(&self) -> &Paces {
        &self.paces
    }

    pub(crate) fn remote_peers(&self) -> &RemotePeers {
        &self.remote_peers
    }

    /// The peers of a channel that this one knows beside itself: organisation, address and connection.
    pub fn connections(&self, channel: &str) -> Vec<(String, String, Connection)> {
        let Some(channel) = self.channel(channel) else { return Vec::new() };
        let peers = self.remote_peers.of_channel(&channel.bundle());
        peers.iter().map(|peer| peer.connection()).collect()
    }

    /// Whom the peer signs as now.
    pub fn signer(&self) -> Arc<dyn Signer> {
        self.credentials.signer()
    }

    pub(crate) fn orderers(&self) -> &Orderers {
        &self.orderers
    }

    pub(crate) fn requires_client_certificate(&self) -> bool {
        self.server_tls.as_ref().is_some_and(ServerTls::requires_client_certificate)
    }

    /// What the peer shows of itself now.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Clients are checked against the TLS roots of all channels' organisations, as they are now configured.
    pub(crate) fn take_over_roots(&self) {
        let (Some(server), Some(tls)) = (&self.server_tls, self.credentials.tls()) else { return };
        let mut roots = self.credentials.client_roots();
        for channel in self.channels() {
            let bundle = channel.bundle();
            roots.extend(bundle.msps().msp_ids().flat_map(|msp_id| tls_roots(&bundle, msp_id)));
        }
        roots.sort();
        roots.dedup();
        if let Err(error) = server.replace(tls.clone(), &roots) {
            tracing::error!(%error, "TLS roots were not taken over");
        }
    }

    fn open_ledgers(self: &Arc<Self>) -> Result<(), Error> {
        self.finish_joins()?;
        for folder in entries(&self.ledgers())? {
            let channel = name(&folder);
            // A name with a dot in front is a ledger that was never finished.
            if channel.starts_with('.') || self.channel(&channel).is_some() {
                continue;
            }
            let ledger = Ledger::open(&folder, self.ledger_options())
                .map_err(|source| Error::Ledger { channel, source })?;
            self.follow(ledger)?;
        }
        Ok(())
    }

    /// Keeps the genesis block until the ledger is complete, so that a crash in between is made good at the next start.
    fn note_joining(&self, channel_id: &str, genesis: &Block) -> Result<PathBuf, Error> {
        let folder = self.config.data_dir.join(JOINING);
        let path = folder.join(channel_id);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::File::create(&path))
            .and_then(|mut file| {
                file.write_all(&genesis.encode_to_vec())?;
                file.sync_all()
            })
            .map_err(|source| Error::Folder { path: path.clone(), source })?;
        Ok(path)
    }

    fn create(
        self: &Arc<Self>,
        channel_id: &str,
        genesis: &Block,
        joining: &Path,
    ) -> Result<Arc<Channel>, Error> {
        let ledger =
            Ledger::create(&self.ledgers().join(channel_id), genesis, self.ledger_options())
                .map_err(|source| Error::Ledger { channel: channel_id.to_owned(), source })?;
        std::fs::remove_file(joining)
            .map_err(|source| Error::Folder { path: joining.to_owned(), source })?;
        self.follow(ledger)
    }

    /// Ends the joins that a crash has cut short. A block that was not written whole was never acted upon.
    fn finish_joins(self: &Arc<Self>) -> Result<(), Error> {
        let folder = self.config.data_dir.join(JOINING);
        for path in entries(&folder)? {
            let bytes = std::fs::read(&path)
                .map_err(|source| Error::Folder { path: path.clone(), source })?;
            match Block::decode(Bytes::from(bytes)) {
                Ok(genesis) if carecord_channel::Bundle::from_block(&genesis).is_ok() => {
                    self.create(&name(&path), &genesis, &path)?;
                }
                _ => std::fs::remove_file(&path)
                    .map_err(|source| Error::Folder { path: path.clone(), source })?,
            }
        }
        Ok(())
    }

    fn follow(self: &Arc<Self>, ledger: Ledger) -> Result<Arc<Channel>, Error> {
        let data = &self.config.data_dir;
        let snapshots = Snapshots::open(data, ledger.channel_id())
            .map_err(|source| Error::Folder { path: data.clone(), source })?;
        let (channel, noting) = Channel::new(ledger, snapshots);
        let channel = Arc::new(channel);
        self.spawn(noting);
        snapshot::resume(&channel);
        let id = channel.id().to_owned();
        let height = i64::try_from(channel.ledger().height()).unwrap_or(i64::MAX);
        self.config.metrics.ledger.height.with_label_values(&[&id]).set(height);
        self.channels.write().insert(id, Arc::clone(&channel));
        self.take_over_roots();
        self.spawn(puller::pull(Arc::clone(self), Arc::clone(&channel)));
        self.spawn(privdata::keep(Arc::clone(self), Arc::clone(&channel)));
        Ok(channel)
    }

    /// Runs work until the peer stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(self.runtime.spawn(work));
    }

    /// The ways to other peers for private data.
    pub(crate) fn pushers(&self) -> &Pushers {
        &self.pushers
    }

    fn ledgers(&self) -> PathBuf {
        self.config.data_dir.join(LEDGERS)
    }

    fn ledger_options(&self) -> Options {
        let msp_id = Some(self.config.signer.msp_id().to_owned());
        let mut options = Options { history: self.config.history, msp_id, ..Options::default() };
        if self.config.validation_threads > 0 {
            options.threads = self.config.validation_threads;
        }
        options
    }

    fn stop_tasks(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("config", &self.config).finish_non_exhaustive()
    }
}

// === impl Handle ===

impl Handle {
    /// The peer.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Where the peer listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// Stops taking blocks and calls; calls under way have `grace` to end.
    pub async fn stop(self, grace: Duration) {
        self.peer.stop_tasks();
        self.server.stop(grace).await;
    }
}

/// The entries of a folder, which is made if it is not there, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder)?;
        let mut entries: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        entries.sort();
        Ok(entries)
    };
    read().map_err(|source| Error::Folder { path: folder.to_owned(), source })
}

fn name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
