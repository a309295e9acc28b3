//! Giving blocks to clients: the session rules of `carecord_blocks::deliver`, carried out over a stream.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_blocks::deliver::{Binding, Refusal, Request, Session, Step, View, without_data};
use carecord_channel::SignedData;
use carecord_comm::ahead::{Budget, Charged, Progress, Reader, Share, Taken};
use carecord_comm::end_with_cause;
use carecord_monitoring::OrdererMetrics;
use carecord_msp::Identity;
use carecord_proto::common::{Block, Envelope, Status as Code};
use carecord_proto::orderer::{DeliverResponse, deliver_response::Type};
use prost::Message;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::channel::{ChannelHandle, State};
use crate::registry::Registry;

/// The policy of those who may read a channel's blocks.
const READERS: &str = "/Channel/Readers";

/// One Deliver stream.
pub(crate) struct Stream {
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: OrdererMetrics,
    /// SHA-256 of the client's TLS certificate, where the listener requires one.
    pub(crate) binding: Option<Option<[u8; 32]>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) responses: mpsc::Sender<Charged<DeliverResponse>>,
}

/// Why a seek ends before its last block.
enum End {
    /// The stream is gone; there is nobody to tell.
    Gone,
    /// The reader is told.
    Refused(Refusal),
}

// === impl Stream ===

impl Stream {
    pub(crate) async fn run(self, mut envelopes: Streaming<Envelope>) {
        self.metrics.deliver.streams_opened.inc();
        while let Ok(Some(envelope)) = envelopes.message().await {
            let Some(refusal) = self.serve(&envelope).await else { break };
            let status = refusal.status;
            if self.send(Type::Status(status as i32)).await.is_err() {
                break;
            }
            if status != Code::Success {
                tracing::info!(status = status.as_str_name(), %refusal, "deliver ended");
                let end = Err(end_with_cause(&refusal.reason));
                let _ = self.responses.send((end, Taken::NOTHING)).await;
                break;
            }
        }
        self.metrics.deliver.streams_closed.inc();
    }

    /// One seek; the status it ends with, unless nobody reads any more.
    async fn serve(&self, envelope: &Envelope) -> Option<Refusal> {
        let (session, channel, share) = match self.begin(envelope) {
            Err(refusal) => return Some(refusal),
            Ok(begun) => begun,
        };
        let labels = [channel.name(), "false", "block"];
        self.metrics.deliver.requests_received.with_label_values(&labels).inc();
        let refusal = match self.deliver(session, &channel, &share).await {
            Ok(refusal) | Err(End::Refused(refusal)) => refusal,
            Err(End::Gone) => return None,
        };
        let success = (refusal.status == Code::Success).to_string();
        let labels = [channel.name(), "false", "block", &success];
        self.metrics.deliver.requests_completed.with_label_values(&labels).inc();
        Some(refusal)
    }

    fn begin(&self, envelope: &Envelope) -> Result<(Session, ChannelHandle, Share), Refusal> {
        let binding = match &self.binding {
            None => Binding::Off,
            Some(hash) => Binding::Certificate(hash.as_ref().map(<[u8; 32]>::as_slice)),
        };
        let request = Request::open(envelope, now_ms(), binding)?;
        let channel = self.registry.get(&request.channel_id);
        let channel = channel.ok_or_else(|| Refusal::unknown_channel(&request.channel_id))?;
        if *channel.height().borrow() == 0 {
            let info = "the channel is still being brought to the block that it was joined by";
            return Err(Refusal { status: Code::ServiceUnavailable, reason: info.to_owned() });
        }
        let identity = channel.bundle().msps().identity(&request.creator).ok();
        let share = self.budget.share(&reader(identity.as_deref()), &self.progress);
        let view = view(&channel);
        let expires = identity.map(|identity| identity.expires_at());
        let session =
            Session::start(request, view, expires, |request| authorise(&channel, request))?;
        Ok((session, channel, share))
    }

    async fn deliver(
        &self,
        mut session: Session,
        channel: &ChannelHandle,
        share: &Share,
    ) -> Result<Refusal, End> {
        let (mut height, mut states) = (channel.height(), channel.states());
        loop {
            let view = view(channel);
            match session.step(view, |request| authorise(channel, request)) {
                Step::End(refusal) => return Ok(refusal),
                Step::Send { number, header_only } => {
                    self.send_block(channel, share, number, header_only).await?;
                    let labels = [channel.name(), "false", "block"];
                    self.metrics.deliver.blocks_sent.with_label_values(&labels).inc();
                }
                Step::Wait => {
                    tokio::select! {
                        changed = height.wait_for(|height| *height > session.next_number()) => {
                            if changed.is_err() {
                                return Err(End::Gone);
                            }
                        }
                        _ = states.wait_for(|state| *state == State::Removed) => {
                            return Ok(Refusal::unknown_channel(channel.name()));
                        }
                        () = self.responses.closed() => return Err(End::Gone),
                    }
                }
            }
        }
    }

    /// A block is read once there is a place for it, and not kept while its bytes have to be waited for.
    async fn send_block(
        &self,
        channel: &ChannelHandle,
        share: &Share,
        number: u64,
        header_only: bool,
    ) -> Result<(), End> {
        let place = self.responses.reserve().await.map_err(|_| End::Gone)?;
        let mut bytes = read(channel, number).await?;
        let taken = if let Some(taken) = share.try_take(bytes.len()) {
            taken
        } else {
            let size = bytes.len();
            drop(bytes);
            let taken = tokio::select! {
                taken = share.take(size) => taken,
                () = self.responses.closed() => return Err(End::Gone),
            };
            bytes = read(channel, number).await?;
            taken
        };
        let block = Block::decode(bytes).map_err(|error| unreadable(channel, number, &error))?;
        let block = if header_only { without_data(&block) } else { block };
        place.send((Ok(DeliverResponse { r#type: Some(Type::Block(block)) }), taken));
        Ok(())
    }

    async fn send(&self, message: Type) -> Result<(), End> {
        let response = DeliverResponse { r#type: Some(message) };
        self.responses.send((Ok(response), Taken::NOTHING)).await.map_err(|_| End::Gone)
    }
}

/// Reads in place: a block that was just made lies in the page cache.
async fn read(channel: &ChannelHandle, number: u64) -> Result<Bytes, End> {
    let log = Arc::clone(channel.log());
    match tokio::task::spawn_blocking(move || log.block(number)).await {
        Ok(Ok(Some(block))) => Ok(block),
        Ok(Ok(None)) => Err(unreadable(channel, number, &"it is missing")),
        Ok(Err(error)) => Err(unreadable(channel, number, &error)),
        Err(error) => Err(unreadable(channel, number, &error)),
    }
}

/// The operator learns what is damaged, the reader that it may ask another node.
fn unreadable(channel: &ChannelHandle, number: u64, error: &dyn std::fmt::Display) -> End {
    tracing::error!(channel = channel.name(), block = number, %error, "block cannot be read");
    End::Refused(Refusal::unreadable(number))
}

fn view(channel: &ChannelHandle) -> View {
    View {
        height: *channel.height().borrow(),
        config_sequence: channel.bundle().sequence(),
        errored: is_errored(&channel.state()),
        now_unix_ms: now_ms(),
    }
}

/// In error: halted, or without a leader, so that newer blocks may exist elsewhere.
fn is_errored(state: &State) -> bool {
    let good = |state: &State| match state {
        State::Active { leader, .. } => leader.is_some(),
        State::Following { connected, .. } => *connected,
        State::Failed { .. } | State::Removed => false,
    };
    !good(state)
}

fn authorise(channel: &ChannelHandle, request: &Request) -> Result<(), String> {
    let data = SignedData {
        identity: request.creator.clone(),
        data: request.payload.clone(),
        signature: request.signature.clone(),
    };
    channel.bundle().evaluate(READERS, &[data]).map_err(|error| error.to_string())
}

/// Who is unknown is refused before anything is read.
fn reader(identity: Option<&Identity>) -> Reader {
    identity.map_or_else(Reader::default, |it| {
        Reader::new(it.certificate_der(), it.msp_id(), it.is_node())
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
