//! Brings up orderers of one organisation that serve one channel with one member organisation.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_ca::{
    Edition, Issued, IssuedRecord, Issuing, NodeRole, Organisation, Person, Revocation, Validity,
};
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_comm::{
    ClientAuth, ClientTls, Endpoint, HandshakeClock, HttpsClient, ServerTls, TlsIdentity, dial,
};
use carecord_consensus::Acknowledge;
use carecord_monitoring::{OrdererMetrics, Registry};
use carecord_msp::{Signer, SigningIdentity, keystore};
use carecord_orderer::{Config, Orderer, OwnCertificates};
use carecord_proto::common::{Block, ChannelHeader, Envelope, HeaderType, SignatureHeader};
use carecord_proto::envelope;
use carecord_proto::etcdraft::{Consenter, Options};
use carecord_proto::msp::{MspConfig, SerializedIdentity};
use carecord_proto::orderer::{BatchSize, BroadcastResponse};
use prost::Message;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Channel;

pub(crate) const CHANNEL: &str = "care";
pub(crate) const ABSOLUTE_MAX_BYTES: u32 = 100_000;
/// Below what Linux takes for outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// An organisation with its authorities.
pub(crate) struct Org {
    pub(crate) msp_id: &'static str,
    authority: Organisation,
}

/// One orderer: what it is started from, and the running one.
pub(crate) struct Node {
    tls: Issued,
    signing: Issued,
    client_port: u16,
    cluster_port: u16,
    dir: TempDir,
    admin_port: u16,
    clock: HandshakeClock,
    running: Option<Orderer>,
    administered: Option<tokio::task::JoinHandle<()>>,
}

/// Certificates that a node is to have next.
pub(crate) struct Renewed {
    tls: Issued,
    signing: Issued,
}

// === impl Renewed ===

impl Renewed {
    /// The TLS certificate, PEM.
    pub(crate) fn tls_pem(&self) -> &str {
        &self.tls.certificate_pem
    }
}

/// Orderers that serve one channel.
pub(crate) struct Cluster {
    pub(crate) orderers: Org,
    pub(crate) hospital: Org,
    pub(crate) nodes: Vec<Node>,
    genesis: Block,
}

impl Org {
    pub(crate) fn new(msp_id: &'static str, domain: &str) -> Self {
        let authority = Organisation::create(domain, None, validity()).unwrap();
        Self { msp_id, authority }
    }

    pub(crate) fn msp(&self) -> MspConfig {
        let ca = self.authority.ca().certificate_pem().as_bytes().to_vec();
        let tls_ca = self.authority.tls_ca().certificate_pem().as_bytes().to_vec();
        let ous = keystore::default_node_ous(&ca);
        keystore::msp_config_from(self.msp_id, &[ca.into()], &[tls_ca.into()], Some(ous))
    }

    pub(crate) fn user(&self, validity: Validity) -> Arc<dyn Signer> {
        self.person("u", false, validity)
    }

    pub(crate) fn admin(&self) -> Arc<dyn Signer> {
        self.person("admin", true, validity())
    }

    fn person(&self, name: &str, admin: bool, validity: Validity) -> Arc<dyn Signer> {
        let person = Person { name: name.into(), role: None, admin, key: Default::default() };
        let issued = self.authority.person(&person, name, validity).unwrap();
        self.signer(&issued)
    }

    /// A TLS certificate of this organisation for `localhost`, PEM.
    pub(crate) fn tls_certificate(&self, validity: Validity) -> Bytes {
        let issued = self.authority.tls("orderer", &["localhost".to_owned()], validity).unwrap();
        issued.certificate_pem.into_bytes().into()
    }

    /// A revocation list, PEM, with the certificate of `revoked` on it.
    pub(crate) fn revocation_list(&self, revoked: &Arc<dyn Signer>) -> String {
        let ca = self.authority.ca();
        let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).unwrap();
        let identity = SerializedIdentity::decode(revoked.serialized()).unwrap();
        let pem = String::from_utf8(identity.id_bytes.to_vec()).unwrap();
        let record = IssuedRecord {
            serial: serial(&pem),
            aki: String::new(),
            id: "u".to_owned(),
            profile: String::new(),
            pem,
            not_before: 0,
            not_after: i64::MAX,
            revoked: Some(Revocation { at: now(), reason: 0 }),
        };
        let edition = Edition { number: 1, made_at: now() - 1, next_at: now() + 1000 };
        issuing.revocation_list(&[record], edition).unwrap()
    }

    fn signer(&self, issued: &Issued) -> Arc<dyn Signer> {
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Arc::new(SigningIdentity::from_pem(self.msp_id, certificate, key).unwrap())
    }

    fn roots(&self) -> [String; 1] {
        [self.authority.tls_ca().certificate_pem().to_owned()]
    }
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
        let issued = self.orderers.authority.tls("admin", &["admin".to_owned()], validity());
        self.ask_as(index, Some(identity(&issued.unwrap())), request).await.unwrap()
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

impl Node {
    fn new(orderers: &Org, tls: Validity, shift: Duration) -> Self {
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = orderers.authority.tls("orderer", &hosts, tls).unwrap();
        let clock = HandshakeClock { shift };
        let signing = orderers.authority.node("orderer", NodeRole::Orderer, validity()).unwrap();
        let (client_port, cluster_port) = (free_port(), free_port());
        let dir = tempfile::tempdir().unwrap();
        let admin_port = free_port();
        Self {
            tls,
            signing,
            client_port,
            cluster_port,
            dir,
            admin_port,
            clock,
            running: None,
            administered: None,
        }
    }

    /// Its TLS certificate, PEM.
    pub(crate) fn tls_pem(&self) -> &str {
        &self.tls.certificate_pem
    }

    /// Starts with these certificates from now on.
    pub(crate) fn take(&mut self, renewed: Renewed) {
        (self.tls, self.signing) = (renewed.tls, renewed.signing);
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.path()
    }

    /// Serves channel participation as the node's program does.
    async fn administer(&self, orderers: &Org, orderer: &Orderer) -> tokio::task::JoinHandle<()> {
        let tls = ServerTls::http(identity(&self.tls), ClientAuth::Require, &orderers.roots());
        let listener = TcpListener::bind(("127.0.0.1", self.admin_port)).await.unwrap();
        let routes = orderer.participation();
        let tls = tls.unwrap().source();
        tokio::spawn(carecord_monitoring::operations::serve(listener, Some(tls), routes))
    }

    fn config(&self, orderers: &Org) -> Config {
        let roots = orderers.roots();
        let server =
            |auth| ServerTls::with_clock(identity(&self.tls), auth, &roots, self.clock).unwrap();
        Config {
            name: format!("orderer{}", self.client_port),
            data: self.data().to_owned(),
            client_listen: format!("127.0.0.1:{}", self.client_port),
            client_tls: server(ClientAuth::IfGiven),
            cluster_listen: format!("127.0.0.1:{}", self.cluster_port),
            cluster_tls: server(ClientAuth::Require),
            own: own(&self.tls, orderers, self.clock),
            signer: orderers.signer(&self.signing),
            acknowledge: Acknowledge::Committed,
        }
    }
}

/// A request to a node's administration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What it answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), ..Self::default() }
    }

    /// A form of files, as `osnadmin` sends one.
    pub(crate) fn form(method: &'static str, path: &str, parts: &[(&str, &[u8])]) -> Self {
        const BOUNDARY: &str = "a-line-that-stands-in-no-block";
        let mut body = Vec::new();
        for (name, content) in parts {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        Self { body, headers: vec![("Content-Type", kind)], ..Self::new(method, path) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn send(&self, client: &HttpsClient, port: u16) -> std::io::Result<Answer> {
        use std::io::{Read, Write};
        let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        let mut stream = client.connect(stream, "localhost")?;
        let Self { method, path, headers, body } = self;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer)
            && answer.is_empty()
        {
            return Err(error);
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        Ok(Answer { status, head, body: answer[end + 4..].to_vec() })
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) fn validity() -> Validity {
    Validity::days_from(now(), 10)
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// An envelope as an endorsed transaction is one, for what an orderer looks at.
pub(crate) struct Draft {
    pub(crate) channel: String,
    pub(crate) kind: i32,
    pub(crate) timestamp: i64,
    pub(crate) tx_id: Option<String>,
    pub(crate) data: Vec<u8>,
}

impl Default for Draft {
    fn default() -> Self {
        let data = b"an endorsed transaction".to_vec();
        let kind = HeaderType::EndorserTransaction as i32;
        Self { channel: CHANNEL.into(), kind, timestamp: now(), tx_id: None, data }
    }
}

impl Draft {
    pub(crate) fn signed_by(self, signer: &Arc<dyn Signer>) -> Envelope {
        let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
        let creator = signer.serialized();
        let tx_id = self.tx_id.unwrap_or_else(|| envelope::tx_id(&nonce, &creator));
        let header = ChannelHeader {
            r#type: self.kind,
            channel_id: self.channel,
            tx_id,
            timestamp: Some(prost_types::Timestamp { seconds: self.timestamp, nanos: 0 }),
            ..ChannelHeader::default()
        };
        let payload =
            envelope::payload(&header, &SignatureHeader { creator, nonce }, self.data.into());
        let signature = signer.sign(&payload).unwrap().into();
        Envelope { payload, signature }
    }
}

fn genesis(orderers: &Org, hospital: &Org, nodes: &[Node]) -> Block {
    let mut spec = ChannelSpec::new(CHANNEL);
    let endpoints = nodes.iter().map(|node| format!("localhost:{}", node.client_port)).collect();
    spec.orderer.organizations = vec![
        OrganizationSpec::orderer("Orderers", orderers.msp_id, orderers.msp(), endpoints).unwrap(),
    ];
    spec.orderer.consenters = nodes.iter().map(consenter).collect();
    spec.orderer.raft = Options {
        tick_interval: "50ms".into(),
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight_blocks: 5,
        snapshot_interval_size: 16 << 20,
    };
    spec.orderer.batch_size = BatchSize {
        max_message_count: 100,
        absolute_max_bytes: ABSOLUTE_MAX_BYTES,
        preferred_max_bytes: ABSOLUTE_MAX_BYTES,
    };
    spec.orderer.batch_timeout = Duration::from_millis(100);
    let member =
        OrganizationSpec::application("HospitalA", hospital.msp_id, hospital.msp(), Vec::new());
    spec.application.organizations = vec![member.unwrap()];
    genesis_block(&spec, Bytes::from_static(&[7; 24]), now()).unwrap()
}

fn own(issued: &Issued, orderers: &Org, clock: HandshakeClock) -> Arc<OwnCertificates> {
    let roots = orderers.roots().map(String::into_bytes).to_vec();
    let own = OwnCertificates::new(&[identity(issued)], roots, clock);
    Arc::new(own.unwrap())
}

fn consenter(node: &Node) -> Consenter {
    Consenter {
        host: "localhost".into(),
        port: node.cluster_port.into(),
        client_tls_cert: Bytes::copy_from_slice(node.tls.certificate_pem.as_bytes()),
        server_tls_cert: Bytes::copy_from_slice(node.tls.certificate_pem.as_bytes()),
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn identity(issued: &Issued) -> TlsIdentity {
    TlsIdentity::from_pem(issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap()
}

/// The number of a certificate, which stands behind two lengths of two bytes and the version.
fn serial(certificate: &str) -> String {
    let der = pem::parse(certificate).unwrap().into_contents();
    assert_eq!(&der[8..14], [0xa0, 3, 2, 1, 2, 2]);
    let number = &der[15..15 + usize::from(der[14])];
    number.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A port that nobody has, and that the system gives to no outgoing connection while its node is stopped.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16;
    for _ in PORTS {
        let step = first.wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + step % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free in {PORTS:?}");
}
