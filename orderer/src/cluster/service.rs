//! What other orderers may ask of this one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use carecord_comm::cluster::cluster_server::Cluster;
use carecord_comm::{PeerCertificate, peer_certificate};
use carecord_consensus::{Event, NodeId};
use carecord_proto::carecord::orderer::{
    BlocksRequest, BlocksResponse, Hello, HelloAnswer, StepRequest, StepResponse, SubmitRequest,
    Verdict, step_request,
};
use carecord_proto::common::Status as Code;
use futures::Stream;
use prometheus::IntGauge;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::channel::{ChannelHandle, Input};
use crate::registry::Registry;

/// Answers to forwarded envelopes that may wait for the stream.
const ANSWERS: usize = 4096;
/// Blocks read ahead of the stream.
const READ_AHEAD: usize = 16;
/// The most blocks that one request is served.
const BLOCKS_PER_REQUEST: u64 = carecord_consensus::limits::MAX_FETCH_BLOCKS;

/// How long the stream of who is a consenter no more stays open for answers that are still due: the configuration that
/// replaces the sender's certificate may be what it forwarded.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Raft's message types (etcd's `raftpb`) that a node sends only when its term is on its disk: append response, vote
/// request and response, heartbeat response.
const PROVES_TERM: [i32; 4] = [4, 5, 6, 9];

/// The service `carecord.orderer.Cluster`.
pub(crate) struct ClusterService {
    registry: Arc<Registry>,
    streams: IntGauge,
}

/// One incoming stream.
struct Session {
    registry: Arc<Registry>,
    certificate: PeerCertificate,
    answers: mpsc::Sender<Result<StepResponse, Status>>,
    /// As whom the sender was welcomed, for each channel.
    welcomed: BTreeMap<String, NodeId>,
    /// Answers that are due.
    due: JoinSet<()>,
}

// === impl ClusterService ===

impl ClusterService {
    /// `streams` counts the streams that are open.
    pub(crate) fn new(registry: Arc<Registry>, streams: IntGauge) -> Self {
        Self { registry, streams }
    }

    /// A consenter of some channel; from anybody else nothing is read, so that nobody else's bytes take room.
    fn known(&self, certificate: &PeerCertificate) -> Result<(), Status> {
        let of =
            |channel: &ChannelHandle| channel.members().by_certificate(certificate.der()).is_some();
        if self.registry.all().iter().any(of) {
            return Ok(());
        }
        let node = short(certificate);
        Err(Status::permission_denied(format!("node {node} is not member of any channel")))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Cluster for ClusterService {
    type StepStream = Answers<StepResponse>;
    type BlocksStream = Answers<BlocksResponse>;

    async fn step(
        &self,
        request: Request<Streaming<StepRequest>>,
    ) -> Result<Response<Self::StepStream>, Status> {
        let certificate = certificate(&request)?;
        self.known(&certificate)?;
        let (answers, stream) = mpsc::channel(ANSWERS);
        let registry = Arc::clone(&self.registry);
        let (welcomed, due) = (BTreeMap::new(), JoinSet::new());
        let session = Session { registry, certificate, answers, welcomed, due };
        let streams = self.streams.clone();
        tokio::spawn(async move {
            streams.inc();
            session.run(request.into_inner()).await;
            streams.dec();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn blocks(
        &self,
        request: Request<BlocksRequest>,
    ) -> Result<Response<Self::BlocksStream>, Status> {
        let certificate = certificate(&request)?;
        let BlocksRequest { channel: name, start, end } = request.into_inner();
        let channel = self.registry.get(&name).ok_or_else(|| not_member(&certificate, &name))?;
        member(&channel, &certificate)?;
        let committed = channel.height().borrow().saturating_sub(1);
        let end = end.min(committed).min(start.saturating_add(BLOCKS_PER_REQUEST - 1));
        let (sender, stream) = mpsc::channel(READ_AHEAD);
        tokio::task::spawn_blocking(move || send_blocks(&channel, start, end, &sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

fn send_blocks(
    channel: &ChannelHandle,
    start: u64,
    end: u64,
    sender: &mpsc::Sender<Result<BlocksResponse, Status>>,
) {
    for number in start..=end {
        let answer = match channel.log().block(number) {
            Ok(Some(block)) => Ok(BlocksResponse { block }),
            Ok(None) => return,
            Err(error) => Err(Status::internal(error.to_string())),
        };
        let failed = answer.is_err();
        if sender.blocking_send(answer).is_err() || failed {
            return;
        }
    }
}

// === impl Session ===

impl Session {
    async fn run(mut self, mut requests: Streaming<StepRequest>) {
        while let Ok(Some(request)) = requests.message().await {
            // Its configuration may have replaced or removed the sender since the stream began, so each message is looked
            // at. A stranger's stream ends: it dials again, and shows another certificate if it has one.
            let (channel, from) = match self.sender(&request.channel) {
                Ok(sender) => sender,
                Err(stranger) => {
                    let all_out = async { while self.due.join_next().await.is_some() {} };
                    let _ = tokio::time::timeout(LAST_ANSWERS, all_out).await;
                    let _ = self.answers.send(Err(stranger)).await;
                    return;
                }
            };
            let refused = match request.payload {
                None => Some(refusal("Message is neither a Submit nor Consensus request")),
                Some(payload) => self.take(&channel, from, payload).await.err(),
            };
            // A bad message costs its sender an answer, not the stream.
            if let Some(mut answer) = refused {
                answer.channel = request.channel;
                if self.answers.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
        }
        self.due.detach_all();
    }

    fn sender(&self, name: &str) -> Result<(ChannelHandle, NodeId), Status> {
        let channel = self.registry.get(name);
        let channel = channel.ok_or_else(|| not_member(&self.certificate, name))?;
        let from = member(&channel, &self.certificate)?;
        Ok((channel, from))
    }

    async fn take(
        &mut self,
        channel: &ChannelHandle,
        from: NodeId,
        payload: step_request::Payload,
    ) -> Result<(), StepResponse> {
        match payload {
            step_request::Payload::Hello(hello) => self.greet(channel, from, &hello).await,
            step_request::Payload::Consensus(message) => {
                if message.from != from {
                    return Err(refusal("node id mismatch"));
                }
                self.check_welcomed(channel, from)?;
                if PROVES_TERM.contains(&message.r#type) {
                    channel.shared().pins.note_term(from, message.term);
                }
                channel.inbox().send(Input::Core(Event::Inbound { from, message })).await;
            }
            step_request::Payload::Submit(submit) => {
                self.check_welcomed(channel, from)?;
                self.forwarded(channel, submit).await;
            }
        }
        Ok(())
    }

    /// The stream must have begun with a hello, and the configuration must give its sender the same id still.
    fn check_welcomed(&self, channel: &ChannelHandle, from: NodeId) -> Result<(), StepResponse> {
        match self.welcomed.get(channel.name()) {
            Some(welcomed) if *welcomed == from => Ok(()),
            _ => Err(refusal("session binding mismatch")),
        }
    }

    /// Holds a hello against what this node knows of the sender and its data.
    async fn greet(&mut self, channel: &ChannelHandle, from: NodeId, hello: &Hello) {
        let (verdict, info) = judge(channel, from, hello);
        if verdict == Verdict::Welcome {
            self.welcomed.insert(channel.name().to_owned(), from);
        } else {
            tracing::warn!(channel = channel.name(), from, info, "hello refused");
        }
        let hello = Some(HelloAnswer { verdict: verdict as i32, info });
        let name = channel.name().to_owned();
        let answer = StepResponse { channel: name, hello, ..StepResponse::default() };
        let _ = self.answers.send(Ok(answer)).await;
    }

    /// A follower passed an envelope on; the answer goes back on this stream whenever it comes.
    async fn forwarded(&mut self, channel: &ChannelHandle, submit: SubmitRequest) {
        let request_id = submit.request_id;
        let envelope = submit.envelope.unwrap_or_default();
        let answers = self.answers.clone();
        let name = channel.name().to_owned();
        let outcome = channel.submit_forwarded(envelope).await;
        while self.due.try_join_next().is_some() {}
        self.due.spawn(async move {
            let (status, info) = outcome.await;
            let status = status as i32;
            let answer = StepResponse { channel: name, request_id, status, info, hello: None };
            // The follower is gone: its own clients are told by its link.
            let _ = answers.send(Ok(answer)).await;
        });
    }
}

fn judge(channel: &ChannelHandle, from: NodeId, hello: &Hello) -> (Verdict, String) {
    let shared = channel.shared();
    let Some(own) = shared.greeting.own() else {
        return (Verdict::NotHere, "this node follows and takes no part in consensus".to_owned());
    };
    if hello.from != from || hello.to != own {
        return (Verdict::Stranger, "node id mismatch".to_owned());
    }
    let name = channel.name();
    match shared.pins.check(hello) {
        Err(error) => (Verdict::NotHere, error.to_string()),
        Ok(Verdict::OtherData) => (
            Verdict::OtherData,
            format!(
                "node {from} of channel {name} does not have the data that it voted with: they were wiped or replaced; \
                 it must not vote under this id again: remove it from the consenters and add it again"
            ),
        ),
        Ok(Verdict::OldData) => (
            Verdict::OldData,
            format!(
                "node {from} of channel {name} has older data than it voted with: an old backup was restored; it must \
                 not vote under this id again: remove it from the consenters and add it again"
            ),
        ),
        Ok(verdict) => (verdict, String::new()),
    }
}

fn refusal(info: impl Into<String>) -> StepResponse {
    StepResponse { status: Code::BadRequest as i32, info: info.into(), ..StepResponse::default() }
}

fn certificate<T>(request: &Request<T>) -> Result<PeerCertificate, Status> {
    peer_certificate(request).cloned().ok_or_else(|| Status::unauthenticated("no TLS certificate"))
}

fn member(channel: &ChannelHandle, certificate: &PeerCertificate) -> Result<NodeId, Status> {
    let members = channel.members();
    let member = members.by_certificate(certificate.der());
    member.map(|member| member.id).ok_or_else(|| not_member(certificate, channel.name()))
}

/// One text for an unknown channel and for a stranger, so that strangers learn no channel names.
fn not_member(certificate: &PeerCertificate, channel: &str) -> Status {
    let node = short(certificate);
    Status::permission_denied(format!("node {node} is not member of channel {channel}"))
}

/// A certificate as a log line and an error name it.
fn short(certificate: &PeerCertificate) -> String {
    certificate.hash()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
