//! The way to one other consenter: a stream that is set up again after each loss, with a bounded queue before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carecord_channel::Bundle;
use carecord_comm::cluster::cluster_client::ClusterClient;
use carecord_comm::{Endpoint, MAX_MESSAGE_BYTES};
use carecord_consensus::{Event, NodeId, RequestId};
use carecord_monitoring::OrdererMetrics;
use carecord_proto::carecord::orderer::{StepRequest, StepResponse, Verdict, step_request};
use carecord_proto::common::Status;
use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::{Member, OwnCertificates};
use crate::Error;
use crate::channel::{Input, Shared};

/// Messages that may wait for one consenter; Raft sends again what is dropped above it.
const QUEUE: usize = 1024;
/// Messages handed to the transport and not yet sent.
const UNDER_WAY: usize = 64;
/// The first and the longest wait before a lost stream is set up again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long the answer to a hello may take.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// Raft's message type of a leader's heartbeat, as in etcd's `raftpb`.
const HEARTBEAT: i32 = 8;

/// Connections to other orderers, shared by all channels of this process.
pub(crate) struct Links {
    own: Arc<OwnCertificates>,
    /// The certificate by which each channel's configuration knows this node.
    named: Mutex<BTreeMap<String, Vec<u8>>>,
    /// By address and by the certificate that this node shows there.
    connections: Mutex<BTreeMap<(String, Vec<u8>), Channel>>,
}

/// The sending end of the way to one consenter of one channel.
///
/// When it is dropped, whoever waits for an answer to what went this way is told that none will come.
pub(crate) struct Link {
    address: String,
    queue: mpsc::Sender<StepRequest>,
    connected: Arc<AtomicBool>,
    queue_length: IntGauge,
}

struct Runner {
    node: NodeId,
    host: String,
    channel: String,
    links: Arc<Links>,
    /// How often this node was refused as a stranger; each time it shows another of its certificates.
    attempt: usize,
    shared: Arc<Shared>,
    metrics: OrdererMetrics,
    connected: Arc<AtomicBool>,
    /// Forwarded envelopes whose answer has not come.
    waiting: BTreeSet<u64>,
}

/// A stream that is set up, as the metrics and the owner see it.
struct Connected<'a> {
    runner: &'a AtomicBool,
    streams: IntGauge,
}

// === impl Links ===

impl Links {
    pub(crate) fn new(own: Arc<OwnCertificates>) -> Self {
        Self { own, named: Mutex::default(), connections: Mutex::default() }
    }

    /// A channel's configuration knows this node by this certificate.
    pub(crate) fn known_as(&self, channel: &str, certificate: &[u8]) {
        if !self.own.has(certificate) {
            tracing::warn!(channel, "the configuration names a certificate whose key is not here");
        }
        self.named.lock().insert(channel.to_owned(), certificate.to_vec());
    }

    /// Trusts the organisations of a channel. One whose roots cannot be read stays out, and is told of in the log.
    pub(crate) fn trust(&self, channel: &str, bundle: &Bundle) {
        let msps = bundle.msps();
        let roots = msps.msp_ids().filter_map(|id| msps.msp(id)).flat_map(|msp| {
            msp.tls_root_certs()
                .iter()
                .chain(msp.tls_intermediate_certs())
                .map(|root| root.to_vec())
        });
        if let Err(error) = self.own.trust(channel, roots.collect()) {
            tracing::error!(channel, %error, "TLS roots of the channel were not taken over");
        }
    }

    /// Connects anew from now on: this node has other certificates or trusts others.
    pub(crate) fn forget(&self) {
        self.connections.lock().clear();
    }

    /// How often a refusal can be answered by showing another certificate.
    pub(crate) fn certificates(&self) -> usize {
        self.own.count()
    }

    /// A connection to `address` on which this node shows the `attempt`th certificate that fits the channel, and that
    /// certificate's SHA-256.
    pub(crate) fn connection(
        &self,
        channel: &str,
        address: &str,
        attempt: usize,
    ) -> Result<(Channel, [u8; 32]), Error> {
        let named = self.named.lock().get(channel).cloned().unwrap_or_default();
        let (shown, tls) = self.own.for_attempt(&named, attempt).ok_or(Error::NoCertificate)?;
        let hash = tls.certificate_hash().unwrap_or_default();
        let mut connections = self.connections.lock();
        let key = (address.to_owned(), shown);
        let connection = match connections.get(&key) {
            Some(connection) => connection.clone(),
            None => {
                let address = address.to_owned();
                let endpoint = Endpoint { address, tls: Some(tls), server_name: None };
                let connection = carecord_comm::dial(&endpoint)?;
                connections.insert(key, connection.clone());
                connection
            }
        };
        Ok((connection, hash))
    }

    /// A client for the cluster service at `address`, with the `attempt`th certificate that fits the channel.
    pub(crate) fn client(
        &self,
        channel: &str,
        address: &str,
        attempt: usize,
    ) -> Result<ClusterClient<Channel>, Error> {
        let (connection, _) = self.connection(channel, address, attempt)?;
        Ok(ClusterClient::new(connection)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Opens the way to `member` for one channel, whose owner hears of answers and losses.
    pub(crate) fn open(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        member: &Member,
        metrics: OrdererMetrics,
    ) -> Result<Link, Error> {
        let channel = shared.name.as_str();
        let (queue, queued) = mpsc::channel(QUEUE);
        self.client(channel, &member.address, 0)?;
        let connections = self.connections.lock().len();
        metrics.cluster.egress_tls_connection_count.set(connections as i64);
        let connected = Arc::new(AtomicBool::new(false));
        let labels = [member.address.as_str(), "consensus", channel];
        let cluster = &metrics.cluster;
        cluster.egress_queue_capacity.with_label_values(&labels).set(QUEUE as i64);
        let queue_length = cluster.egress_queue_length.with_label_values(&labels);
        cluster.egress_queue_workers.with_label_values(&[channel]).set(1);
        let runner = Runner {
            node: member.id,
            host: member.address.clone(),
            channel: channel.to_owned(),
            links: Arc::clone(self),
            attempt: 0,
            shared: Arc::clone(shared),
            metrics,
            connected: Arc::clone(&connected),
            waiting: BTreeSet::new(),
        };
        let address = member.address.clone();
        tokio::spawn(runner.run(queued));
        Ok(Link { address, queue, connected, queue_length })
    }
}

// === impl Link ===

impl Link {
    /// Queues a message; false if the queue is full, and the message is lost.
    pub(crate) fn send(&self, message: StepRequest) -> bool {
        let sent = self.queue.try_send(message).is_ok();
        self.queue_length.set((QUEUE - self.queue.capacity()) as i64);
        sent
    }

    /// Where it leads.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether a stream to the consenter is set up.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

// === impl Runner ===

impl Runner {
    async fn run(mut self, mut queued: mpsc::Receiver<StepRequest>) {
        let mut backoff = BACKOFF.0;
        while let Some(first) = queued.recv().await {
            if self.converse(first, &mut queued).await {
                backoff = BACKOFF.0;
            }
            self.lost(&mut queued).await;
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// One stream, from its first message to its loss; true if it was set up at all.
    async fn converse(
        &mut self,
        first: StepRequest,
        queued: &mut mpsc::Receiver<StepRequest>,
    ) -> bool {
        let (sender, sent) = mpsc::channel(UNDER_WAY);
        self.note(&first);
        let Some(hello) = self.shared.greeting.hello(self.node) else { return false };
        let payload = Some(step_request::Payload::Hello(hello));
        let hello = StepRequest { channel: self.channel.clone(), payload };
        if sender.send(hello).await.is_err() {
            return false;
        }
        let client = self.links.client(&self.channel, &self.host, self.attempt);
        let Ok(mut client) = client else { return false };
        let answers = match client.step(ReceiverStream::new(sent)).await {
            Ok(answers) => answers,
            Err(status) => {
                self.refused(&status).await;
                tracing::debug!(channel = %self.channel, host = %self.host, %status, "no stream");
                return false;
            }
        };
        let mut answers = answers.into_inner();
        match tokio::time::timeout(HELLO_PATIENCE, answers.message()).await {
            Ok(Ok(Some(answer))) if self.welcomed(&answer).await => {}
            Ok(Err(status)) => {
                self.refused(&status).await;
                return false;
            }
            _ => return false,
        }
        if sender.send(first).await.is_err() {
            return false;
        }
        let connected = Arc::clone(&self.connected);
        let streams = self.metrics.cluster.egress_stream_count.clone();
        let _connected = Connected::new(&connected, streams.with_label_values(&[&self.channel]));
        loop {
            tokio::select! {
                message = queued.recv() => {
                    let Some(message) = message else { return true };
                    self.note(&message);
                    if sender.send(message).await.is_err() {
                        return true;
                    }
                }
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => self.answered(answer).await,
                    Ok(None) => return true,
                    Err(status) => {
                        tracing::info!(channel = %self.channel, host = %self.host, %status, "stream lost");
                        return !self.refused(&status).await;
                    }
                },
            }
        }
    }

    /// Whether this node is a stranger there by the certificate that it showed; the next try shows another.
    async fn refused(&mut self, status: &tonic::Status) -> bool {
        let stranger = status.code() == tonic::Code::PermissionDenied;
        if stranger {
            self.shared.inbox.send(Input::Stranger).await;
        }
        self.attempt = if stranger { self.attempt.wrapping_add(1) } else { 0 };
        stranger
    }

    /// Whether the other takes this node for who it says it is, with the data that it must have.
    async fn welcomed(&mut self, answer: &StepResponse) -> bool {
        let Some(hello) = &answer.hello else { return false };
        let info = hello.info.clone();
        match hello.verdict() {
            Verdict::Welcome => return true,
            Verdict::OtherData | Verdict::OldData => {
                self.shared.inbox.send(Input::Barred { by: self.node, info }).await;
            }
            Verdict::Stranger => self.shared.inbox.send(Input::Stranger).await,
            Verdict::NotHere => {}
        }
        tracing::debug!(channel = %self.channel, host = %self.host, info = %hello.info, "not welcome");
        false
    }

    fn note(&mut self, message: &StepRequest) {
        // A leader's heartbeat names what is committed and confirmed by its receiver.
        if let Some(step_request::Payload::Consensus(message)) = &message.payload
            && message.r#type == HEARTBEAT
        {
            self.shared.pins.note_confirmed(self.node, message.commit);
        }
        if let Some(step_request::Payload::Submit(submit)) = &message.payload {
            self.waiting.insert(submit.request_id);
        }
    }

    async fn answered(&mut self, answer: StepResponse) {
        if !self.waiting.remove(&answer.request_id) {
            tracing::warn!(
                channel = %self.channel, host = %self.host, info = %answer.info,
                "answer to nothing that was asked"
            );
            return;
        }
        self.tell(answer.request_id, answer.status(), answer.info).await;
    }

    /// What was queued or under way is gone; the owner must know of both.
    async fn lost(&mut self, queued: &mut mpsc::Receiver<StepRequest>) {
        let mut dropped = 0;
        while let Ok(message) = queued.try_recv() {
            self.note(&message);
            dropped += 1;
        }
        self.metrics
            .cluster
            .msg_dropped_count
            .with_label_values(&[self.host.as_str(), self.channel.as_str()])
            .inc_by(dropped);
        for id in std::mem::take(&mut self.waiting) {
            let info = "connection to the leader was lost".to_owned();
            self.tell(id, Status::ServiceUnavailable, info).await;
        }
        let unreachable = Event::Unreachable { node: self.node };
        self.shared.inbox.send(Input::Core(unreachable)).await;
    }

    async fn tell(&self, id: u64, status: Status, info: String) {
        let reply = Event::ForwardReply { id: RequestId(id), status, info };
        self.shared.inbox.send(Input::Core(reply)).await;
    }
}

// === impl Connected ===

impl<'a> Connected<'a> {
    fn new(runner: &'a AtomicBool, streams: IntGauge) -> Self {
        runner.store(true, Ordering::Relaxed);
        streams.inc();
        Self { runner, streams }
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.runner.store(false, Ordering::Relaxed);
        self.streams.dec();
    }
}
