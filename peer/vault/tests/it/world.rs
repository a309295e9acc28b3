//! A hospital whose people talk to its vault.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use carecord_ca::{KeyKind, NodeRole, Organisation, Person as Named, Validity};
use carecord_chaincode::test_util::{MemoryLedger, TestIdentity, Verdict};
use carecord_channel::Bundle;
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_comm::vault::vault_client::VaultClient;
use carecord_comm::vault::vault_server::VaultServer;
use carecord_health::ids::Id;
use carecord_health::keys;
use carecord_msp::{Signer, SigningIdentity, keystore};
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, GetHeader, PutHeader, PutRequest, PutWrapsHeader, Receipt,
    ReleaseWrapHeader, SignedReceipt, SignedRequest, Wrap, put_request,
};
use carecord_proto::content;
use carecord_proto::etcdraft::Consenter;
use carecord_proto::protos::ChaincodeEvent;
use carecord_vault::{Committed, Contents, Ledger, Limits, Neighbour, Store, VaultService};
use prost::Message;
use serde_json::json;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};

pub(crate) const CHANNEL: &str = "care";
/// Under this name the vault of a test answers.
pub(crate) const VAULT: &str = "WardMSP@127.0.0.1:7051";
const MSP: &str = "WardMSP";

/// Somebody registered, with an encryption key.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) kid: String,
    identity: TestIdentity,
    signer: Arc<dyn Signer>,
}

/// What the vault's own peer has committed.
pub(crate) struct Peer {
    bundle: Arc<Bundle>,
    health: Mutex<MemoryLedger>,
    transactions: Mutex<BTreeMap<String, Committed>>,
    time: Mutex<Option<i64>>,
}

/// What one organisation's vault is told: the common state, under its own peer's identity.
pub(crate) struct View {
    peer: Arc<Peer>,
    signer: Arc<dyn Signer>,
    neighbours: Mutex<Vec<Neighbour>>,
}

/// The hospital.
pub(crate) struct Ward {
    pub(crate) peer: Arc<Peer>,
    /// The hospital first, then the channel's other organisations.
    members: Vec<(String, Organisation)>,
    admin: TestIdentity,
}

/// A vault that runs.
pub(crate) struct Running {
    pub(crate) service: VaultService,
    pub(crate) client: VaultClient<Channel>,
    pub(crate) view: Arc<View>,
    msp_id: String,
    server: tokio::task::JoinHandle<()>,
    address: SocketAddr,
}

/// A committed record whose wraps are yet to be stored.
pub(crate) struct Added {
    pub(crate) id: String,
    pub(crate) data_key: String,
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn random_id() -> String {
    hex::encode(random::<16>())
}

// === impl Ledger ===

impl Ledger for View {
    fn bundle(&self, channel: &str) -> Option<Arc<Bundle>> {
        (channel == CHANNEL).then(|| Arc::clone(&self.peer.bundle))
    }

    fn valid_transaction(&self, _: &str, tx_id: &str) -> Option<Committed> {
        self.peer.transactions.lock().unwrap().get(tx_id).cloned()
    }

    fn health_value(&self, _: &str, key: &str) -> Option<Vec<u8>> {
        let key = ("health".to_owned(), key.to_owned());
        let health = self.peer.health.lock().unwrap();
        health.state().get(&key).map(|value| value.value.to_vec())
    }

    fn time(&self, _: &str) -> Option<i64> {
        *self.peer.time.lock().unwrap()
    }

    fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer)
    }

    fn neighbours(&self, _: &str) -> Vec<Neighbour> {
        self.neighbours.lock().unwrap().clone()
    }
}

// === impl Ward ===

impl Ward {
    pub(crate) fn new() -> Self {
        Self::among(&[])
    }

    /// A hospital on a channel with these other organisations.
    pub(crate) fn among(others: &[&str]) -> Self {
        let members = std::iter::once(&MSP).chain(others).map(|msp_id| {
            let domain = format!("{}.test", msp_id.to_lowercase());
            ((*msp_id).to_owned(), Organisation::create(&domain, None, validity()).unwrap())
        });
        let members: Vec<_> = members.collect();
        let orderer = Organisation::create("orderer.test", None, validity()).unwrap();
        let peer = Peer {
            bundle: Arc::new(bundle(&members, &orderer)),
            health: Mutex::new(MemoryLedger::new(carecord_health::chaincode())),
            transactions: Mutex::default(),
            time: Mutex::default(),
        };
        let admin = TestIdentity::new(MSP, "hospital-admin");
        let ward = Self { peer: Arc::new(peer), members, admin };
        ward.submit(&ward.admin, &["identity:RegisterOrg", "hospital"]);
        ward
    }

    /// A registered person of this role.
    pub(crate) fn person(&self, role: &str) -> Person {
        let person = self.with_certificate(role);
        let function = match role {
            "patient" => "identity:RegisterPatient",
            _ => "identity:RegisterPractitioner",
        };
        self.submit(&self.admin, &[function, &person.id, &person.identity.caller().key_hash]);
        let key = random::<32>();
        let kid = keys::kid(keys::SUITE_X25519_AES256GCM, &key);
        let id = Id::new(person.id.clone()).unwrap();
        let suite = keys::SUITE_X25519_AES256GCM;
        let statement = keys::statement(CHANNEL, &id, &kid, suite, &key, 1, None);
        let signature = STANDARD.encode(person.identity.sign(&statement));
        let registration = json!({"kid": kid, "suite": suite, "key": STANDARD.encode(key), "seq": 1,
            "previous": null, "signature": signature});
        self.submit(&person.identity, &["identity:RegisterKey", &registration.to_string()]);
        Person { kid: kid.to_string(), ..person }
    }

    fn with_certificate(&self, role: &str) -> Person {
        let role = Some(role.to_owned());
        let named = Named { name: "u".into(), role, admin: false, key: KeyKind::P256 };
        let issued = self.members[0].1.person(&named, "u", validity()).unwrap();
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        let signer: Arc<dyn Signer> =
            Arc::new(SigningIdentity::from_pem(MSP, certificate, key).unwrap());
        let identity = TestIdentity::issued(signer.serialized(), &issued.key_pem);
        Person { id: random_id(), kid: String::new(), identity, signer }
    }

    /// A committed record of the patient, with this content.
    pub(crate) fn record(&self, author: &Person, patient: &Person, cid: &str) -> Added {
        self.record_as(author, patient, cid, random_id())
    }

    pub(crate) fn record_as(
        &self,
        author: &Person,
        patient: &Person,
        cid: &str,
        id: String,
    ) -> Added {
        let added = Added { id, data_key: random_id() };
        let record = json!({"id": added.id, "patient": patient.id, "cid": cid, "size": 1, "suite": 1,
            "dataKey": added.data_key, "commitment": hex::encode(random::<32>())});
        self.submit(&author.identity, &["records:Add", &record.to_string()]);
        added
    }

    /// A committed access of a person to their own record; answers the transaction.
    pub(crate) fn open(&self, person: &Person, record: &Added) -> String {
        self.submit(&person.identity, &["records:Open", &record.id, "PATRQT"])
    }

    /// The configuration of the channel.
    pub(crate) fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.peer.bundle)
    }

    /// The newest block is of this time.
    pub(crate) fn reaches(&self, time: i64) {
        *self.peer.time.lock().unwrap() = Some(time);
    }

    fn submit(&self, who: &TestIdentity, args: &[&str]) -> String {
        let mut health = self.peer.health.lock().unwrap();
        health.now = now();
        let done = health.submit("health", who, args);
        assert_eq!(done.verdict, Verdict::Valid, "{}", done.response.message);
        let event = done.event.map(|(event_name, payload)| ChaincodeEvent {
            chaincode_id: "health".to_owned(),
            tx_id: done.tx_id.clone(),
            event_name,
            payload,
        });
        let committed = Committed { creator: who.creator().clone(), event };
        self.peer.transactions.lock().unwrap().insert(done.tx_id.clone(), committed);
        done.tx_id
    }

    /// A vault of this name over the stores in `dir`.
    pub(crate) async fn vault(&self, name: &str, dir: &Path, limits: Limits) -> Running {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.serve(name, listener, dir, limits).await
    }

    /// The vault of a member, named after the address where it answers.
    pub(crate) async fn vault_of(&self, msp_id: &str, dir: &Path) -> Running {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = carecord_proto::vault_name(msp_id, &listener.local_addr().unwrap().to_string());
        self.serve(&name, listener, dir, Limits::default()).await
    }

    /// A peer's identity of a member.
    fn peer_of(&self, msp_id: &str) -> Arc<dyn Signer> {
        let (_, member) = self.members.iter().find(|(id, _)| id == msp_id).unwrap();
        let issued = member.node("peer", NodeRole::Peer, validity()).unwrap();
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Arc::new(SigningIdentity::from_pem(msp_id, certificate, key).unwrap())
    }

    async fn serve(
        &self,
        name: &str,
        listener: tokio::net::TcpListener,
        dir: &Path,
        limits: Limits,
    ) -> Running {
        let contents = Contents::open(&dir.join("contents")).unwrap();
        let store = open(&dir.join("wraps")).await;
        let msp_id = name.split('@').next().unwrap().to_owned();
        let signer = self.peer_of(&msp_id);
        let peer = Arc::clone(&self.peer);
        let view = Arc::new(View { peer, signer, neighbours: Mutex::default() });
        let service = VaultService::new(name, view.clone(), contents, store, limits);
        let address = listener.local_addr().unwrap();
        let connections = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let router = Server::builder()
            .add_service(VaultServer::new(service.clone()).max_decoding_message_size(64 << 20));
        let server = tokio::spawn(async move {
            router.serve_with_incoming(connections).await.unwrap();
        });
        let client = connected(address).await;
        Running { service, client, view, msp_id, server, address }
    }
}

// === impl Person ===

impl Person {
    fn sign(&self, header: &impl Message) -> SignedRequest {
        let request = header.encode_to_vec();
        let signature = self.signer.sign(&request).unwrap().into();
        SignedRequest { request: request.into(), signature }
    }

    /// The receipt as if this person had given it.
    pub(crate) fn signs_receipt(&self, signed: &SignedReceipt) -> SignedReceipt {
        let mut receipt = Receipt::decode(signed.receipt.clone()).unwrap();
        receipt.identity = self.signer.serialized();
        let SignedRequest { request: receipt, signature } = self.sign(&receipt);
        SignedReceipt { receipt, signature }
    }

    /// A signed request to store wraps, `seconds` from now.
    pub(crate) fn wraps(&self, record: &Added, wraps: Vec<Wrap>, seconds: i64) -> SignedRequest {
        self.sign(&PutWrapsHeader {
            channel_id: CHANNEL.to_owned(),
            identity: self.signer.serialized(),
            record_id: record.id.clone(),
            wraps,
            timestamp: now() + seconds,
            vault: VAULT.to_owned(),
            nonce: nonce(),
            nanos: 0,
            call: "PutWraps".to_owned(),
        })
    }

    /// A signed request to delete the wraps to one key or to all.
    pub(crate) fn deletion(&self, record: &Added, kid: &str) -> SignedRequest {
        self.sign(&DeleteWrapsHeader {
            channel_id: CHANNEL.to_owned(),
            identity: self.signer.serialized(),
            record_id: record.id.clone(),
            recipient_kid: kid.to_owned(),
            timestamp: now(),
            data_key_id: String::new(),
            vault: VAULT.to_owned(),
            nonce: nonce(),
            nanos: 0,
            call: "DeleteWraps".to_owned(),
        })
    }

    pub(crate) fn release(&self, record: &Added, tx_id: &str) -> SignedRequest {
        self.sign(&ReleaseWrapHeader {
            channel_id: CHANNEL.to_owned(),
            identity: self.signer.serialized(),
            record_id: record.id.clone(),
            recipient_kid: self.kid.clone(),
            transaction_id: tx_id.to_owned(),
            timestamp: now(),
            vault: VAULT.to_owned(),
            nonce: nonce(),
            nanos: 0,
            call: "ReleaseWrap".to_owned(),
        })
    }

    /// A wrap of the record's key to this person's registered key; random bytes, as the vault cannot tell.
    pub(crate) fn wrap_of(&self, record: &Added) -> Wrap {
        Wrap {
            data_key_id: record.data_key.clone(),
            recipient_kid: self.kid.clone(),
            recipient_id: self.id.clone(),
            suite: keys::SUITE_X25519_AES256GCM,
            enc: random::<32>().to_vec().into(),
            ciphertext: random::<48>().to_vec().into(),
        }
    }
}

// === impl Running ===

impl Running {
    /// Uploads a content for version 1 of a record.
    pub(crate) async fn put(
        &self,
        by: &Person,
        record: &str,
        bytes: &[u8],
    ) -> Result<String, Status> {
        let header = self.header_for(by, record, &content::id(bytes), bytes.len() as u64);
        self.put_parts(header, bytes).await
    }

    /// The signed header of an upload for some record.
    pub(crate) fn header(&self, by: &Person, cid: &str, size: u64) -> SignedRequest {
        self.header_for(by, &random_id(), cid, size)
    }

    fn header_for(&self, by: &Person, record: &str, cid: &str, size: u64) -> SignedRequest {
        by.sign(&PutHeader {
            channel_id: CHANNEL.to_owned(),
            identity: by.signer.serialized(),
            cid: cid.to_owned(),
            size,
            timestamp: now(),
            record_id: record.to_owned(),
            version: 1,
            vault: VAULT.to_owned(),
            nonce: nonce(),
            nanos: 0,
            call: "Put".to_owned(),
        })
    }

    pub(crate) async fn put_parts(
        &self,
        header: SignedRequest,
        bytes: &[u8],
    ) -> Result<String, Status> {
        let chunks = bytes.chunks(1 << 16).map(Bytes::copy_from_slice);
        let parts = std::iter::once(put_request::Part::Header(header))
            .chain(chunks.map(put_request::Part::Chunk))
            .map(|part| PutRequest { part: Some(part) });
        let parts: Vec<_> = parts.collect();
        let done = self.client.clone().put(tokio_stream::iter(parts)).await?;
        Ok(done.into_inner().cid)
    }

    /// Downloads a content; what was received before an error is dropped.
    pub(crate) async fn get(&self, by: &Person, cid: &str) -> Result<Vec<u8>, Status> {
        let signed = by.sign(&GetHeader {
            channel_id: CHANNEL.to_owned(),
            identity: by.signer.serialized(),
            cid: cid.to_owned(),
            offset: 0,
            length: 0,
            timestamp: now(),
            vault: VAULT.to_owned(),
            nonce: nonce(),
            nanos: 0,
            call: "Get".to_owned(),
        });
        let mut stream = self.client.clone().get(signed).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(part) = stream.message().await? {
            bytes.extend_from_slice(&part.chunk);
        }
        Ok(bytes)
    }

    pub(crate) async fn put_wraps(&self, signed: SignedRequest) -> Result<(), Status> {
        self.client.clone().put_wraps(signed).await.map(drop)
    }

    pub(crate) async fn delete(&self, signed: SignedRequest) -> Result<u32, Status> {
        Ok(self.client.clone().delete_wraps(signed).await?.into_inner().deleted)
    }

    pub(crate) async fn release(&self, signed: SignedRequest) -> Result<Wrap, Status> {
        Ok(self.client.clone().release_wrap(signed).await?.into_inner().wrap.unwrap())
    }

    /// Ends it, so that its stores can be opened again.
    pub(crate) async fn stop(self) {
        let Self { service, client, server, view, .. } = self;
        drop((service, client, view));
        server.abort();
        let _ = server.await;
    }

    /// Another vault's signed header of a copy, for version 1 of a record.
    pub(crate) fn copy_header(&self, from: &View, record: &str, bytes: &[u8]) -> SignedRequest {
        let request = PutHeader {
            channel_id: CHANNEL.to_owned(),
            identity: from.signer.serialized(),
            cid: content::id(bytes),
            size: bytes.len() as u64,
            timestamp: now(),
            record_id: record.to_owned(),
            version: 1,
            vault: carecord_proto::vault_name(&self.msp_id, &self.address.to_string()),
            nonce: nonce(),
            nanos: 0,
            call: "Put".to_owned(),
        }
        .encode_to_vec();
        let signature = from.signer.sign(&request).unwrap().into();
        SignedRequest { request: request.into(), signature }
    }

    /// It as the SDK calls it for a person.
    pub(crate) async fn sdk(&self, by: &Person) -> carecord_sdk::vault::Vault {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let at = carecord_sdk::vault::PeerAt { channel, address: self.address.to_string() };
        carecord_sdk::vault::Vault::new(&at, &self.msp_id, CHANNEL, Arc::clone(&by.signer))
    }

    /// Another connection to it.
    pub(crate) async fn from_elsewhere(&self) -> VaultClient<Channel> {
        connected(self.address).await
    }
}

/// Each of these vaults knows the others.
pub(crate) async fn acquaint(vaults: &[&Running]) {
    for one in vaults {
        let mut neighbours = Vec::new();
        for other in vaults.iter().filter(|other| other.msp_id != one.msp_id) {
            let address = other.address.to_string();
            let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
            let (msp_id, connection) = (other.msp_id.clone(), endpoint.connect_lazy());
            neighbours.push(Neighbour { msp_id, address, connection });
        }
        *one.view.neighbours.lock().unwrap() = neighbours;
    }
}

async fn connected(address: SocketAddr) -> VaultClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    VaultClient::new(endpoint.connect().await.unwrap())
}

/// Connections of a vault that was stopped have tasks of their own, which let go of its stores a moment later.
async fn open(path: &Path) -> Store {
    let mut opened = Store::open(path, now());
    for _ in 0..100 {
        if opened.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        opened = Store::open(path, now());
    }
    opened.unwrap()
}

/// The answer is this code of ours under this status.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, status: Code, code: &str) {
    let refusal = answer.expect_err(code);
    assert_eq!(refusal.code(), status, "{refusal:?}");
    assert!(refusal.message().starts_with(code), "{refusal:?}");
}

pub(crate) fn cid(text: &str) -> String {
    content::id(text.as_bytes())
}

fn nonce() -> Bytes {
    random::<16>().to_vec().into()
}

fn bundle(members: &[(String, Organisation)], orderer: &Organisation) -> Bundle {
    let mut spec = ChannelSpec::new(CHANNEL);
    let endpoints = vec!["127.0.0.1:7050".to_owned()];
    let ordering =
        OrganizationSpec::orderer("Orderers", "OrdererMSP", msp("OrdererMSP", orderer), endpoints);
    spec.orderer.organizations = vec![ordering.unwrap()];
    let certificate =
        Bytes::from(orderer.node("o", NodeRole::Orderer, validity()).unwrap().certificate_pem);
    spec.orderer.consenters = vec![Consenter {
        host: "127.0.0.1".to_owned(),
        port: 7050,
        client_tls_cert: certificate.clone(),
        server_tls_cert: certificate,
    }];
    let member = |(id, member): &(String, Organisation)| {
        OrganizationSpec::application(id, id, msp(id, member), Vec::new()).unwrap()
    };
    spec.application.organizations = members.iter().map(member).collect();
    let genesis = genesis_block(&spec, Bytes::from_static(&[7; 24]), now()).unwrap();
    Bundle::from_block(&genesis).unwrap()
}

fn msp(id: &str, authority: &Organisation) -> carecord_proto::msp::MspConfig {
    let ca = authority.ca().certificate_pem().as_bytes().to_vec();
    let tls_ca = authority.tls_ca().certificate_pem().as_bytes().to_vec();
    let ous = keystore::default_node_ous(&ca);
    keystore::msp_config_from(id, &[ca.into()], &[tls_ca.into()], Some(ous))
}

fn validity() -> Validity {
    Validity::days_from(now(), 10)
}
