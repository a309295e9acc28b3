//! Brings up orderers of one organisation that serve one channel with one member organisation.

mod ask;
mod draft;
mod genesis;
mod node;
mod org;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carecord_ca::{NodeRole, Person, Validity};
use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_comm::{ClientTls, Endpoint, HttpsClient, TlsIdentity, dial};
use carecord_monitoring::{OrdererMetrics, Registry};
use carecord_msp::Signer;
use carecord_orderer::Orderer;
use carecord_proto::common::{Block, Envelope};
use carecord_proto::etcdraft::Consenter;
use carecord_proto::orderer::BroadcastResponse;
use tempfile::TempDir;
use tonic::transport::Channel;

pub(crate) use ask::{Answer, Ask};
pub(crate) use draft::Draft;
use genesis::genesis;
pub(crate) use node::{Node, Renewed};
use node::{consenter, identity};
pub(crate) use org::Org;

pub(crate) const CHANNEL: &str = "care";
pub(crate) const ABSOLUTE_MAX_BYTES: u32 = 100_000;
/// Orderers that serve one channel.
pub(crate) struct Cluster {
    pub(crate) orderers: Org,
    pub(crate) hospital: Org,
    pub(crate) nodes: Vec<Node>,
    genesis: Block,
}

impl Cluster {
    /// `count` orderers, all running, with a leader.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, validity(), Duration::ZERO).await
    }

    /// The same with TLS certificates that hold so long, looked at by clocks that are put back so far.
    pub(crate) async fn start_with(count: usize, tls: Validity, shift: Duration) -> Self {
        let orderers = Org::new("OrdererMSP", "orderers.test");
        let hospital = Org::new("HospitalAMSP", "a.test");
        let nodes: Vec<Node> = (0..count).map(|_| Node::new(&orderers, tls, shift)).collect();
        let genesis = genesis(&orderers, &hospital, &nodes);
        let mut cluster = Self { orderers, hospital, nodes, genesis };
        for index in 0..count {
            cluster.start_node(index).await;
        }
        cluster.leader().await;
        cluster
    }

    pub(crate) async fn start_node(&mut self, index: usize) {
        let genesis = self.genesis.clone();
        self.start_on(index, &[genesis]).await;
    }

    async fn start_on(&mut self, index: usize, first_blocks: &[Block]) {
        let orderers = &self.orderers;
        let config = self.nodes[index].config(orderers);
        let metrics = OrdererMetrics::new(Registry::new());
        let started = Orderer::start(config, first_blocks, metrics).await.unwrap();
        let served = self.nodes[index].administer(orderers, &started).await;
        self.nodes[index].administered = Some(served);
        self.nodes[index].running = Some(started);
    }

    /// One more orderer of the organisation, running, on no channel.
    pub(crate) async fn add_node_without_channels(&mut self) -> usize {
        let node = Node::new(&self.orderers, validity(), Duration::ZERO);
        self.nodes.push(node);
        let index = self.nodes.len() - 1;
        self.start_node_without_channels(index).await;
        index
    }

    pub(crate) async fn start_node_without_channels(&mut self, index: usize) {
        self.start_on(index, &[]).await;
    }

    /// Deletes all that a stopped node knows.
    pub(crate) fn wipe(&self, index: usize) {
        for entry in std::fs::read_dir(self.nodes[index].data()).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
    }

    /// Copies a stopped node's channel.
    pub(crate) fn back_up(&self, index: usize) -> TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(&self.nodes[index].data().join(CHANNEL), backup.path());
        backup
    }

    /// Puts a copy back in place of what a stopped node has.
    pub(crate) fn restore(&self, index: usize, backup: &TempDir) {
        let folder = self.nodes[index].data().join(CHANNEL);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        copy(backup.path(), &folder);
    }

    /// A node as a channel's configuration names it among the consenters.
    pub(crate) fn consenter(&self, index: usize) -> Consenter {
        consenter(&self.nodes[index])
    }

    pub(crate) async fn stop_node(&mut self, index: usize) {
        if let Some(administered) = self.nodes[index].administered.take() {
            administered.abort();
        }
        self.nodes[index].running.take().expect("it runs").stop().await;
    }

    /// Waits until the running nodes agree on a leader that is one of them; answers its index.
    pub(crate) async fn leader(&self) -> usize {
        for _ in 0..400 {
            for (index, node) in self.nodes.iter().enumerate() {
                let leads = |orderer: &Orderer| {
                    orderer.statuses().channels().first().is_some_and(|c| c.is_leader)
                };
                if node.running.as_ref().is_some_and(leads) {
                    return index;
                }
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no leader within ten seconds");
    }

    /// Waits until every running node has this many blocks.
    pub(crate) async fn wait_height(&self, height: u64) {
        for _ in 0..400 {
            let mut running = self.nodes.iter().filter_map(|node| node.running.as_ref());
            if running.all(|orderer| {
                orderer.statuses().channels().first().is_none_or(|c| c.height >= height)
            }) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not all nodes reached height {height} within ten seconds");
    }

    pub(crate) fn height(&self, index: usize) -> u64 {
        self.nodes[index].running.as_ref().unwrap().statuses().channels()[0].height
    }

    pub(crate) fn client(&self, index: usize) -> AtomicBroadcastClient<Channel> {
        AtomicBroadcastClient::new(self.client_channel(index))
    }

    /// A connection to a node's client listener.
    pub(crate) fn client_channel(&self, index: usize) -> Channel {
        self.dial(self.nodes[index].client_port, None)
    }

    /// A connection to a node's cluster listener that shows the certificate of `as_node`, or none.
    pub(crate) fn cluster_channel(&self, index: usize, as_node: Option<usize>) -> Channel {
        let identity = as_node.map(|node| identity(&self.nodes[node].tls));
        self.dial(self.nodes[index].cluster_port, identity)
    }

    /// The same with a certificate of the orderers' TLS CA that no consenter has.
    pub(crate) fn stranger_channel(&self, index: usize) -> Channel {
        let hosts = ["localhost".to_owned()];
        let issued = self.orderers.authority.tls("stranger", &hosts, validity()).unwrap();
        self.dial(self.nodes[index].cluster_port, Some(identity(&issued)))
    }

    /// Asks a node's administration as an administrator of the orderers, or as whoever `identity` is.
    pub(crate) async fn ask(&self, index: usize, request: Ask) -> Answer {
        self.ask_as(index, Some(self.person("admin", true)), request).await.unwrap()
    }

    /// TLS identity of a node.
    pub(crate) fn own_identity(&self, index: usize) -> TlsIdentity {
        identity(&self.nodes[index].tls)
    }

    /// TLS identity of somebody of the orderers' organisation.
    pub(crate) fn person(&self, name: &str, admin: bool) -> TlsIdentity {
        let person = Person { name: name.to_owned(), role: None, admin, key: Default::default() };
        identity(&self.orderers.authority.person_tls(&person, name, validity()).unwrap())
    }

    /// The same with a certificate of another organisation's TLS CA.
    pub(crate) async fn ask_as_other(&self, index: usize, request: Ask) -> std::io::Result<Answer> {
        let issued = self.hospital.authority.tls("admin", &["admin".to_owned()], validity());
        self.ask_as(index, Some(identity(&issued.unwrap())), request).await
    }

    pub(crate) async fn ask_as(
        &self,
        index: usize,
        identity: Option<TlsIdentity>,
        request: Ask,
    ) -> std::io::Result<Answer> {
        let client = HttpsClient::new(&self.orderers.roots(), identity).unwrap();
        let port = self.nodes[index].admin_port;
        let asked = tokio::task::spawn_blocking(move || request.send(&client, port));
        asked.await.unwrap()
    }

    pub(crate) fn genesis(&self) -> &Block {
        &self.genesis
    }

    fn dial(&self, port: u16, identity: Option<TlsIdentity>) -> Channel {
        let clock = self.nodes[0].clock;
        let tls = ClientTls::with_clock(&self.orderers.roots(), identity, clock).unwrap();
        let address = format!("localhost:{port}");
        dial(&Endpoint { address, tls: Some(tls), server_name: None }).unwrap()
    }

    /// Hands a running node new certificates, as if its files had changed.
    pub(crate) fn renew(&self, index: usize) -> Renewed {
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let authority = &self.orderers.authority;
        let tls = authority.tls("orderer", &hosts, validity()).unwrap();
        let signing = authority.node("orderer", NodeRole::Orderer, validity()).unwrap();
        let node = self.nodes[index].running.as_ref().expect("it runs").credentials();
        let roots = self.orderers.roots().map(String::into_bytes);
        node.replace_tls(&identity(&tls), &[identity(&tls)], &roots).unwrap();
        node.replace_signer(self.orderers.signer(&signing));
        Renewed { tls, signing }
    }

    pub(crate) fn user(&self) -> Arc<dyn Signer> {
        self.hospital.user(validity())
    }

    /// Sends envelopes on one stream and answers what came back.
    pub(crate) async fn broadcast(
        &self,
        index: usize,
        envelopes: Vec<Envelope>,
    ) -> Vec<BroadcastResponse> {
        let mut answers =
            self.client(index).broadcast(tokio_stream::iter(envelopes)).await.unwrap().into_inner();
        let mut all = Vec::new();
        while let Ok(Some(answer)) = answers.message().await {
            all.push(answer);
        }
        all
    }
}

pub(crate) fn validity() -> Validity {
    Validity::days_from(now(), 10)
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
