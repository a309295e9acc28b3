//! One orderer of a test: its certificates, ports and folder.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use carecord_ca::{Issued, NodeRole, Validity};
use carecord_comm::{ClientAuth, HandshakeClock, ServerTls, TlsIdentity};
use carecord_consensus::Acknowledge;
use carecord_orderer::{Config, Orderer, OwnCertificates};
use carecord_proto::etcdraft::Consenter;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{Org, validity};

/// Below what Linux takes for outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// One orderer: what it is started from, and the running one.
pub(crate) struct Node {
    pub(super) tls: Issued,
    pub(super) signing: Issued,
    pub(super) client_port: u16,
    pub(super) cluster_port: u16,
    pub(super) dir: TempDir,
    pub(super) admin_port: u16,
    pub(super) clock: HandshakeClock,
    pub(super) running: Option<Orderer>,
    pub(super) administered: Option<tokio::task::JoinHandle<()>>,
}

/// Certificates that a node is to have next.
pub(crate) struct Renewed {
    pub(super) tls: Issued,
    pub(super) signing: Issued,
}

// === impl Renewed ===

impl Renewed {
    /// The TLS certificate, PEM.
    pub(crate) fn tls_pem(&self) -> &str {
        &self.tls.certificate_pem
    }
}

impl Node {
    pub(super) fn new(orderers: &Org, tls: Validity, shift: Duration) -> Self {
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
    pub(super) async fn administer(
        &self,
        orderers: &Org,
        orderer: &Orderer,
    ) -> tokio::task::JoinHandle<()> {
        let tls = ServerTls::http(identity(&self.tls), ClientAuth::Require, &orderers.roots());
        let listener = TcpListener::bind(("127.0.0.1", self.admin_port)).await.unwrap();
        let routes = orderer.participation();
        let tls = tls.unwrap().source();
        tokio::spawn(carecord_monitoring::operations::serve(listener, Some(tls), routes))
    }

    pub(super) fn config(&self, orderers: &Org) -> Config {
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

pub(super) fn own(issued: &Issued, orderers: &Org, clock: HandshakeClock) -> Arc<OwnCertificates> {
    let roots = orderers.roots().map(String::into_bytes).to_vec();
    let own = OwnCertificates::new(&[identity(issued)], roots, clock);
    Arc::new(own.unwrap())
}

pub(super) fn consenter(node: &Node) -> Consenter {
    Consenter {
        host: "localhost".into(),
        port: node.cluster_port.into(),
        client_tls_cert: Bytes::copy_from_slice(node.tls.certificate_pem.as_bytes()),
        server_tls_cert: Bytes::copy_from_slice(node.tls.certificate_pem.as_bytes()),
    }
}

pub(super) fn identity(issued: &Issued) -> TlsIdentity {
    TlsIdentity::from_pem(issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap()
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
