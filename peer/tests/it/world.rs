//! Organisations, a channel, an orderer and peers, as a test wants them.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_ca::{
    Edition, Issued, IssuedRecord, Issuing, KeyKind, NodeRole, Organisation, Person, Revocation,
    Validity,
};
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_channel::policy::dsl;
use carecord_comm::{ClientAuth, ServerHandle, TlsIdentity};
use carecord_msp::{Msp, MspVersion, Signer, SigningIdentity, keystore};
use carecord_peer::{Handle, Peer, PeerConfig, PeerTls, RemoteNode};
use carecord_proto::common::Block;
use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CommitChaincodeDefinitionArgs,
    chaincode_source,
};
use carecord_proto::msp::{MspConfig, SerializedIdentity};
use carecord_proto::protos::{ApplicationPolicy, TxValidationCode, application_policy};
use prost::Message;
use tempfile::TempDir;

use crate::client::Client;
use crate::mischief::Mischief;
use crate::solo::Solo;

pub(crate) const CHANNEL: &str = "care";

/// An organisation with its authorities.
pub(crate) struct Org {
    pub(crate) msp_id: String,
    authority: Organisation,
}

/// A running peer and what it was started from.
pub(crate) struct Node {
    pub(crate) handle: Option<Handle>,
    pub(crate) config: PeerConfig,
}

thread_local! {
    /// Folders outlive the runtime of their test: a ledger that is closed without its folder waits a second.
    static FOLDERS: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// One channel with its orderer.
pub(crate) struct World {
    pub(crate) orgs: Vec<Org>,
    pub(crate) solo: Solo,
    pub(crate) orderer: Option<ServerHandle>,
    pub(crate) peers: Vec<Node>,
    pub(crate) genesis: Block,
    orderer_org: Org,
}

impl Org {
    pub(crate) fn new(msp_id: &str) -> Self {
        let domain = format!("{}.test", msp_id.to_lowercase());
        let authority = Organisation::create(&domain, None, validity()).expect("authorities");
        Self { msp_id: msp_id.to_owned(), authority }
    }

    fn msp(&self) -> MspConfig {
        let ca = self.authority.ca().certificate_pem().as_bytes().to_vec();
        let tls_ca = self.authority.tls_ca().certificate_pem().as_bytes().to_vec();
        let ous = keystore::default_node_ous(&ca);
        keystore::msp_config_from(&self.msp_id, &[ca.into()], &[tls_ca.into()], Some(ous))
    }

    pub(crate) fn person(&self, admin: bool, validity: Validity) -> Arc<dyn Signer> {
        let person = Person { name: "u".into(), role: None, admin, key: KeyKind::P256 };
        self.signer(&self.authority.person(&person, "u", validity).expect("a certificate"))
    }

    fn node(&self, role: NodeRole) -> Arc<dyn Signer> {
        self.signer(&self.authority.node("node", role, validity()).expect("a certificate"))
    }

    fn signer(&self, issued: &Issued) -> Arc<dyn Signer> {
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Arc::new(SigningIdentity::from_pem(&self.msp_id, certificate, key).expect("they fit"))
    }

    /// A revocation list, PEM, with the certificate of `revoked` on it.
    pub(crate) fn revocation_list(&self, revoked: &Arc<dyn Signer>) -> String {
        let ca = self.authority.ca();
        let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).expect("a CA");
        let identity = SerializedIdentity::decode(revoked.serialized()).expect("an identity");
        let pem = String::from_utf8(identity.id_bytes.to_vec()).expect("PEM");
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
        issuing.revocation_list(&[record], edition).expect("a list")
    }

    pub(crate) fn tls_identity(&self) -> TlsIdentity {
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issued = self.authority.tls("node", &hosts, validity()).expect("a certificate");
        TlsIdentity::from_pem(issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes())
            .expect("readable")
    }

    pub(crate) fn tls_root(&self) -> String {
        self.authority.tls_ca().certificate_pem().to_owned()
    }
}

impl World {
    /// A channel of these organisations with one peer each, all joined.
    pub(crate) async fn new(msp_ids: &[&str]) -> Self {
        let mut world = Self::without_peers(msp_ids).await;
        for index in 0..msp_ids.len() {
            world.add_peer(index, |_| {}).await;
        }
        world
    }

    /// The same, and every peer knows every other one.
    pub(crate) async fn acquainted(
        msp_ids: &[&str],
        change: impl Fn(&Self, usize, &mut PeerConfig),
    ) -> Self {
        let mut world = Self::without_peers(msp_ids).await;
        let mut configs: Vec<_> = (0..msp_ids.len()).map(|org| world.peer_config(org)).collect();
        let nodes: Vec<_> = configs.iter().map(remote_of).collect();
        for (index, config) in configs.iter_mut().enumerate() {
            let others = nodes.iter().enumerate().filter(|(other, _)| *other != index);
            config.peers = others.map(|(_, node)| node.clone()).collect();
            change(&world, index, config);
        }
        for config in configs {
            let handle = Peer::start(config.clone()).await.expect("it starts");
            handle.peer().join(&world.genesis).expect("it joins");
            world.peers.push(Node::of(handle, config));
        }
        world
    }

    pub(crate) async fn without_peers(msp_ids: &[&str]) -> Self {
        let orderer_org = Org::new("OrdererMSP");
        let solo = Solo::new(orderer_org.node(NodeRole::Orderer));
        let orderer = solo.serve("127.0.0.1:0").await;
        let orderer_address = orderer.address().to_string();
        let orgs: Vec<Org> = msp_ids.iter().map(|msp_id| Org::new(msp_id)).collect();
        let genesis = genesis(&orderer_org, &orgs, &orderer_address);
        solo.begin(&genesis);
        let orderer = Some(orderer);
        Self { orgs, solo, orderer, peers: Vec::new(), genesis, orderer_org }
    }

    /// Starts a peer of an organisation; it knows the peers before it, and they learn nothing of it.
    pub(crate) async fn add_peer(&mut self, org: usize, change: impl FnOnce(&mut PeerConfig)) {
        let mut config = self.peer_config(org);
        change(&mut config);
        let handle = Peer::start(config.clone()).await.expect("it starts");
        handle.peer().join(&self.genesis).expect("it joins");
        self.peers.push(Node::of(handle, config));
    }

    pub(crate) fn peer_config(&self, org: usize) -> PeerConfig {
        let org = &self.orgs[org];
        let msp = Arc::new(Msp::new(&org.msp(), MspVersion::V1_4_3).expect("an MSP"));
        let mut config = PeerConfig::new(free_address(), folder(), org.node(NodeRole::Peer), msp);
        config.chaincodes = vec![Arc::new(Mischief("mischief")), Arc::new(Mischief("other"))];
        config.peers = self.peers.iter().map(Node::remote).collect();
        config.timeouts.execution = Duration::from_secs(1);
        config.timeouts.submit = Duration::from_millis(500);
        config
    }

    pub(crate) fn peer(&self, index: usize) -> &Arc<Peer> {
        self.peers[index].handle.as_ref().expect("it runs").peer()
    }

    /// A person of an organisation, who talks to a peer.
    pub(crate) fn client(&self, org: usize, peer: usize) -> Client {
        self.client_as(self.orgs[org].person(false, validity()), peer)
    }

    pub(crate) fn admin(&self, org: usize, peer: usize) -> Client {
        self.client_as(self.orgs[org].person(true, validity()), peer)
    }

    pub(crate) fn client_as(&self, signer: Arc<dyn Signer>, peer: usize) -> Client {
        Client::new(signer, &self.peers[peer].config.address)
    }

    pub(crate) fn orderer_member(&self) -> Arc<dyn Signer> {
        self.orderer_org.person(false, validity())
    }

    /// Waits until a peer has committed everything that is ordered.
    pub(crate) async fn caught_up(&self, peer: usize) {
        let channel = self.peer(peer).channel(CHANNEL).expect("joined");
        let (mut height, goal) = (channel.height(), self.solo.height());
        let reached = height.wait_for(|height| *height >= goal);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .unwrap_or_else(|_| panic!("peer {peer} is not at height {goal}"))
            .expect("the channel is there");
    }

    pub(crate) async fn all_caught_up(&self) {
        for peer in 0..self.peers.len() {
            self.caught_up(peer).await;
        }
    }

    /// Approvals by all organisations and the commit, as ordinary transactions.
    pub(crate) async fn deploy(&self, chaincode: &str, policy: &str) {
        self.deploy_as(chaincode, policy, 1, false).await;
    }

    pub(crate) async fn deploy_as(
        &self,
        chaincode: &str,
        policy: &str,
        sequence: i64,
        init_required: bool,
    ) {
        self.deploy_definition(definition(chaincode, policy, sequence, init_required)).await;
    }

    pub(crate) async fn deploy_definition(&self, args: CommitChaincodeDefinitionArgs) {
        for (index, org) in self.orgs.iter().enumerate() {
            let admin = self.admin(index, index);
            let input = approval(&args).encode_to_vec();
            let call = ["ApproveChaincodeDefinitionForMyOrg".as_bytes(), &input];
            let code = admin.transact("_lifecycle", &call, &[&org.msp_id]).await.expect("approved");
            assert_eq!(code, TxValidationCode::Valid, "approval by {}", org.msp_id);
            self.all_caught_up().await;
        }
        let orgs: Vec<&str> = self.orgs.iter().map(|org| org.msp_id.as_str()).collect();
        let input = args.encode_to_vec();
        let call = ["CommitChaincodeDefinition".as_bytes(), &input];
        // The last peer is the one that knows all the others.
        let last = self.orgs.len() - 1;
        let admin = self.admin(last, last);
        let code = admin.transact("_lifecycle", &call, &orgs).await.expect("committed");
        assert_eq!(code, TxValidationCode::Valid, "commit");
        self.all_caught_up().await;
    }
}

impl Node {
    pub(crate) fn of(handle: Handle, config: PeerConfig) -> Self {
        Self { handle: Some(handle), config }
    }

    pub(crate) fn remote(&self) -> RemoteNode {
        remote_of(&self.config)
    }

    pub(crate) async fn stop(&mut self) {
        let handle = self.handle.take().expect("it runs");
        handle.stop(Duration::from_millis(200)).await;
        // Tasks that were cut off give their share of the ledger back a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    pub(crate) async fn start(&mut self) {
        self.handle = Some(Peer::start(self.config.clone()).await.expect("it starts"));
    }
}

fn remote_of(config: &PeerConfig) -> RemoteNode {
    RemoteNode {
        msp_id: config.signer.msp_id().to_owned(),
        address: config.address.clone(),
        tls_roots: Vec::new(),
        server_name: None,
    }
}

pub(crate) fn definition(
    chaincode: &str,
    policy: &str,
    sequence: i64,
    init_required: bool,
) -> CommitChaincodeDefinitionArgs {
    let policy = application_policy::Type::SignaturePolicy(dsl::parse(policy).expect("a policy"));
    CommitChaincodeDefinitionArgs {
        sequence,
        name: chaincode.to_owned(),
        version: "1.0".to_owned(),
        validation_parameter: ApplicationPolicy { r#type: Some(policy) }.encode_to_vec().into(),
        init_required,
        ..CommitChaincodeDefinitionArgs::default()
    }
}

pub(crate) fn approval(
    args: &CommitChaincodeDefinitionArgs,
) -> ApproveChaincodeDefinitionForMyOrgArgs {
    let none = chaincode_source::Unavailable {};
    let args = args.clone();
    ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: args.sequence,
        name: args.name,
        version: args.version,
        endorsement_plugin: args.endorsement_plugin,
        validation_plugin: args.validation_plugin,
        validation_parameter: args.validation_parameter,
        collections: args.collections,
        init_required: args.init_required,
        source: Some(ChaincodeSource { r#type: Some(chaincode_source::Type::Unavailable(none)) }),
    }
}

pub(crate) fn with_tls(world: &World, org: usize, config: &mut PeerConfig, auth: ClientAuth) {
    let org = &world.orgs[org];
    config.tls = Some(PeerTls {
        identity: org.tls_identity(),
        client_auth: auth,
        client_roots: vec![org.tls_root().into_bytes()],
    });
}

pub(crate) fn validity() -> Validity {
    Validity::days_from(now(), 10)
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn genesis(orderers: &Org, orgs: &[Org], orderer: &str) -> Block {
    let mut spec = ChannelSpec::new(CHANNEL);
    let endpoints = vec![orderer.to_owned()];
    let ordering =
        OrganizationSpec::orderer("Orderers", &orderers.msp_id, orderers.msp(), endpoints);
    spec.orderer.organizations = vec![ordering.expect("an organisation")];
    let (host, port) = orderer.split_once(':').expect("host:port");
    spec.orderer.consenters = vec![carecord_proto::etcdraft::Consenter {
        host: host.to_owned(),
        port: port.parse().expect("a port"),
        client_tls_cert: Bytes::from(tls_certificate(orderers)),
        server_tls_cert: Bytes::from(tls_certificate(orderers)),
    }];
    let members = orgs.iter().map(|org| {
        OrganizationSpec::application(&org.msp_id, &org.msp_id, org.msp(), Vec::new())
            .expect("an organisation")
    });
    spec.application.organizations = members.collect();
    genesis_block(&spec, Bytes::from_static(&[7; 24]), now()).expect("a genesis block")
}

fn tls_certificate(org: &Org) -> String {
    let hosts = ["localhost".to_owned()];
    org.authority.tls("orderer", &hosts, validity()).expect("a certificate").certificate_pem
}

/// The number of a certificate, which stands behind two lengths of two bytes and the version.
fn serial(pem: &str) -> String {
    let der = carecord_msp::decode_pem(pem.as_bytes()).expect("PEM").bytes;
    assert_eq!(&der[8..14], [0xa0, 3, 2, 1, 2, 2]);
    let number = &der[15..15 + usize::from(der[14])];
    number.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> PathBuf {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_owned();
    FOLDERS.with_borrow_mut(|folders| folders.push(dir));
    path
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}
