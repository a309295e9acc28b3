//! The orderers of a channel: where they are, and envelopes on their way to them.
//!
//! An envelope is sent on a stream that nobody else uses meanwhile, because an orderer closes a stream after the first
//! envelope that it refuses. Streams are kept for the next envelope.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use carecord_channel::Bundle;
use carecord_comm::{
    MAX_MESSAGE_BYTES, TlsIdentity, orderer::atomic_broadcast_client::AtomicBroadcastClient,
};
use carecord_proto::{common::Envelope, orderer::BroadcastResponse};
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel as Connection};

use crate::{
    config::{IDLE_BROADCAST_STREAMS, RemoteNode},
    per_channel::PerChannel,
    remote::{connect, tls_roots},
};

/// One orderer and the connection to it.
#[derive(Debug)]
pub(crate) struct Orderer {
    /// What is known of it.
    pub(crate) node: RemoteNode,
    client: AtomicBroadcastClient<Connection>,
    idle: Mutex<Vec<BroadcastStream>>,
    /// Microseconds until an answer, smoothed; 0 while unknown.
    answer_us: AtomicU64,
    down_until: Mutex<Option<Instant>>,
}

/// All orderers, dialled once.
#[derive(Debug)]
pub(crate) struct Orderers {
    identity: Option<TlsIdentity>,
    configured: Vec<RemoteNode>,
    dialled: Mutex<HashMap<RemoteNode, Arc<Orderer>>>,
    by_channel: PerChannel<Arc<Orderer>>,
}

#[derive(Debug)]
struct BroadcastStream {
    envelopes: mpsc::Sender<Envelope>,
    answers: Streaming<BroadcastResponse>,
}

/// One time in so many the orderers are tried in random order, so that a faster one is found.
const EXPLORE_ONE_IN: u32 = 64;

// === impl Orderers ===

impl Orderers {
    pub(crate) fn new(identity: Option<TlsIdentity>, configured: Vec<RemoteNode>) -> Self {
        let (dialled, by_channel) = (Mutex::default(), PerChannel::default());
        Self { identity, configured, dialled, by_channel }
    }

    /// The orderers of a channel in random order.
    pub(crate) fn of_channel(&self, bundle: &Bundle) -> Vec<Arc<Orderer>> {
        let named = || self.nodes(bundle).into_iter().filter_map(|node| self.dialled(node));
        let mut orderers = self.by_channel.get(bundle, || named().collect()).to_vec();
        orderers.shuffle(&mut rand::rng());
        orderers
    }

    /// The same, those first that answered quickest: usually the leader, which need not pass envelopes on.
    pub(crate) fn quickest_first(&self, bundle: &Bundle) -> Vec<Arc<Orderer>> {
        let mut orderers = self.of_channel(bundle);
        if rand::random_range(0..EXPLORE_ONE_IN) != 0 {
            orderers.sort_by_key(|orderer| orderer.answer_us.load(Ordering::Relaxed));
        }
        orderers.sort_by_key(|orderer| !orderer.is_up());
        orderers
    }

    /// Dials every orderer anew when it is asked next: this peer shows another certificate.
    pub(crate) fn forget(&self) {
        self.dialled.lock().clear();
        self.by_channel.forget();
    }

    /// Those of the configuration, with this peer's own knowledge about them, then those that only this peer knows.
    fn nodes(&self, bundle: &Bundle) -> Vec<RemoteNode> {
        let mut nodes: Vec<RemoteNode> = Vec::new();
        let endpoints = bundle.orderer().into_iter().flat_map(|orderer| orderer.endpoints());
        for (organization, address) in endpoints {
            let known = self.configured.iter().find(|node| node.address == address).cloned();
            let mut node = known.unwrap_or_else(|| RemoteNode {
                msp_id: organization.msp_id.clone(),
                address: address.to_owned(),
                tls_roots: Vec::new(),
                server_name: None,
            });
            if node.tls_roots.is_empty() {
                node.tls_roots = tls_roots(bundle, &organization.msp_id);
            }
            nodes.push(node);
        }
        for node in &self.configured {
            if nodes.iter().all(|known| known.address != node.address) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    fn dialled(&self, node: RemoteNode) -> Option<Arc<Orderer>> {
        let mut dialled = self.dialled.lock();
        if let Some(known) = dialled.get(&node) {
            return Some(Arc::clone(known));
        }
        let connection = match connect(&node, self.identity.as_ref()) {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(address = node.address, %error, "orderer cannot be dialled");
                return None;
            }
        };
        let client = AtomicBroadcastClient::new(connection)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let orderer = Orderer {
            node: node.clone(),
            client,
            idle: Mutex::default(),
            answer_us: AtomicU64::new(0),
            down_until: Mutex::default(),
        };
        let orderer = Arc::new(orderer);
        dialled.insert(node, Arc::clone(&orderer));
        Some(orderer)
    }
}

// === impl Orderer ===

impl Orderer {
    /// A client for one deliver stream.
    pub(crate) fn client(&self) -> AtomicBroadcastClient<Connection> {
        self.client.clone()
    }

    /// Leaves the orderer alone for a while: it could not be reached.
    pub(crate) fn mark_down(&self, pause: Duration) {
        *self.down_until.lock() = Some(Instant::now() + pause);
    }

    /// Whether the orderer is worth asking first.
    pub(crate) fn is_up(&self) -> bool {
        self.down_until.lock().is_none_or(|until| until < Instant::now())
    }

    /// Sends an envelope and waits for the answer.
    ///
    /// A stream that was kept may have been closed meanwhile; then a new one is tried. The envelope may so be ordered
    /// twice, which does no harm: peers count the first.
    pub(crate) async fn broadcast(&self, envelope: &Envelope) -> Result<BroadcastResponse, Status> {
        let started = Instant::now();
        let kept = self.idle.lock().pop();
        let answered = match kept {
            Some(stream) => stream.ask(envelope.clone()).await.ok(),
            None => None,
        };
        let (answer, stream) = match answered {
            Some(answered) => answered,
            None => self.open_with(envelope.clone()).await?,
        };
        if answer.status() == carecord_proto::common::Status::Success {
            self.keep(stream);
            self.note(started.elapsed());
        }
        Ok(answer)
    }

    /// Opens a stream with its first envelope on it: an orderer may answer nothing at all before that.
    async fn open_with(
        &self,
        envelope: Envelope,
    ) -> Result<(BroadcastResponse, BroadcastStream), Status> {
        // One envelope at a time is on the way, so one place is enough.
        let (envelopes, outgoing) = mpsc::channel(1);
        envelopes.send(envelope).await.map_err(|_| closed())?;
        let answers = self.client().broadcast(ReceiverStream::new(outgoing)).await?.into_inner();
        BroadcastStream { envelopes, answers }.answer().await
    }

    fn keep(&self, stream: BroadcastStream) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_BROADCAST_STREAMS {
            idle.push(stream);
        }
    }

    fn note(&self, answer: Duration) {
        let sample = u64::try_from(answer.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = self.answer_us.load(Ordering::Relaxed);
        let smoothed = if before == 0 { sample } else { (before.saturating_mul(7) + sample) / 8 };
        self.answer_us.store(smoothed.max(1), Ordering::Relaxed);
    }
}

// === impl BroadcastStream ===

impl BroadcastStream {
    async fn ask(self, envelope: Envelope) -> Result<(BroadcastResponse, Self), Status> {
        self.envelopes.send(envelope).await.map_err(|_| closed())?;
        self.answer().await
    }

    async fn answer(mut self) -> Result<(BroadcastResponse, Self), Status> {
        let answer = self.answers.message().await?.ok_or_else(closed)?;
        Ok((answer, self))
    }
}

fn closed() -> Status {
    Status::unavailable("the orderer closed the stream")
}
