//! The stream behind a link, set up again after each loss.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carecord_consensus::{Event, NodeId, RequestId};
use carecord_monitoring::OrdererMetrics;
use carecord_proto::carecord::orderer::{StepRequest, StepResponse, Verdict, step_request};
use carecord_proto::common::Status;
use prometheus::IntGauge;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::channel::{Input, Shared};
use crate::cluster::Links;

/// Messages handed to the transport and not yet sent.
const UNDER_WAY: usize = 64;
/// The first and the longest wait before a lost stream is set up again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long the answer to a hello may take.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// Raft's message type of a leader's heartbeat, as in etcd's `raftpb`.
const HEARTBEAT: i32 = 8;

/// How long a link that is not needed any more waits for answers that are still due: whom a configuration removes or gives
/// another address may have ordered that very configuration.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The task behind a link: sets the stream up, sends what is queued, hears the answers.
pub(super) struct Runner {
    pub(super) node: NodeId,
    pub(super) host: String,
    pub(super) channel: String,
    pub(super) links: Arc<Links>,
    /// How often this node was refused as a stranger; each time it shows another of its certificates.
    pub(super) attempt: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: OrdererMetrics,
    pub(super) connected: Arc<AtomicBool>,
    /// Forwarded envelopes whose answer has not come.
    pub(super) waiting: BTreeSet<u64>,
}

/// A stream that is set up, as the metrics and the owner see it.
struct Connected<'a> {
    runner: &'a AtomicBool,
    streams: IntGauge,
}

// === impl Runner ===

impl Runner {
    /// Keeps the stream set up whether or not there is something to say: who has greeted everybody is told from one that
    /// comes back without its data by everybody, not only by its leader.
    pub(super) async fn run(mut self, mut queued: mpsc::Receiver<StepRequest>) {
        let mut backoff = BACKOFF.0;
        while !queued.is_closed() {
            if self.converse(&mut queued).await {
                backoff = BACKOFF.0;
            }
            self.lost(&mut queued).await;
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
        self.lost(&mut queued).await;
    }

    /// One stream, from the hello to its loss; true if it was set up at all.
    async fn converse(&mut self, queued: &mut mpsc::Receiver<StepRequest>) -> bool {
        let (sender, sent) = mpsc::channel(UNDER_WAY);
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
        let connected = Arc::clone(&self.connected);
        let streams = self.metrics.cluster.egress_stream_count.clone();
        let _connected = Connected::new(&connected, streams.with_label_values(&[&self.channel]));
        loop {
            tokio::select! {
                message = queued.recv() => {
                    let Some(message) = message else {
                        self.hear_out(&mut answers).await;
                        return true;
                    };
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

    /// The link is closed; what was forwarded is answered all the same.
    async fn hear_out(&mut self, answers: &mut Streaming<StepResponse>) {
        let heard = async {
            while !self.waiting.is_empty() {
                match answers.message().await {
                    Ok(Some(answer)) => self.answered(answer).await,
                    _ => return,
                }
            }
        };
        let _ = tokio::time::timeout(LAST_ANSWERS, heard).await;
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
