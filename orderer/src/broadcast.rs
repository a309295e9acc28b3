//! Taking envelopes from clients: one answer for each, in their order; the stream ends after the first refusal.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use carecord_consensus::Rejection;
use carecord_monitoring::OrdererMetrics;
use carecord_proto::common::{Envelope, HeaderType, Status as Code};
use carecord_proto::envelope::Opened;
use carecord_proto::orderer::BroadcastResponse;
use futures::stream::FuturesOrdered;
use futures::{Future, StreamExt};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::channel::Answer;
use crate::registry::Registry;

/// Envelopes of one stream that may wait for their answer.
const UNANSWERED: usize = 4096;

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One Broadcast stream.
pub(crate) struct Session {
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: OrdererMetrics,
    pub(crate) answers: mpsc::Sender<Result<BroadcastResponse, Status>>,
}

// === impl Session ===

impl Session {
    pub(crate) async fn run(self, mut envelopes: Streaming<Envelope>) {
        let mut pending: FuturesOrdered<Pending> = FuturesOrdered::new();
        let mut open = true;
        while open || !pending.is_empty() {
            tokio::select! {
                Some((status, info)) = pending.next(), if !pending.is_empty() => {
                    let accepted = status == Code::Success;
                    let answer = BroadcastResponse { status: status.into(), info };
                    if self.answers.send(Ok(answer)).await.is_err() || !accepted {
                        return;
                    }
                }
                message = envelopes.message(), if open && pending.len() < UNANSWERED => {
                    match message {
                        Ok(Some(envelope)) => {
                            let (answer, accepted) = self.take(envelope).await;
                            pending.push_back(answer);
                            open = accepted; // nothing behind a refused envelope is looked at
                        }
                        Ok(None) | Err(_) => open = false,
                    }
                }
            }
        }
    }

    /// Checks and queues an envelope; what awaits its answer, and whether it was queued.
    async fn take(&self, envelope: Envelope) -> (Pending, bool) {
        let begun = Instant::now();
        let (labels, outcome) = match describe(&envelope) {
            Err(rejection) => (Labels::unknown(), Err(rejection)),
            Ok(labels) => match self.registry.get(&labels.channel) {
                None => (Labels { channel: "unknown".into(), ..labels }, Err(unknown_channel())),
                Some(channel) => (labels, channel.submit(envelope).await),
            },
        };
        self.validated(&labels, &outcome, begun);
        let (metrics, accepted) = (self.metrics.clone(), outcome.is_ok());
        let answer = Box::pin(async move {
            let (status, info) = match outcome {
                Ok(answer) => answer.await,
                Err(Rejection { status, info }) => (status, info),
            };
            let labels = labels.with(status);
            metrics.broadcast_processed.with_label_values(&labels.each()).inc();
            let seconds = begun.elapsed().as_secs_f64();
            metrics.broadcast_enqueue_duration.with_label_values(&labels.each()).observe(seconds);
            (status, info)
        });
        (answer, accepted)
    }

    fn validated<T>(&self, labels: &Labels, outcome: &Result<T, Rejection>, begun: Instant) {
        let status = outcome.as_ref().map_or_else(|rejection| rejection.status, |_| Code::Success);
        let labels = labels.clone().with(status);
        self.metrics
            .broadcast_validate_duration
            .with_label_values(&labels.each())
            .observe(begun.elapsed().as_secs_f64());
    }
}

#[derive(Clone)]
struct Labels {
    channel: String,
    kind: &'static str,
    status: &'static str,
}

// === impl Labels ===

impl Labels {
    fn unknown() -> Self {
        Self { channel: "unknown".into(), kind: "unknown", status: "" }
    }

    fn with(self, status: Code) -> Self {
        Self { status: status.as_str_name(), ..self }
    }

    fn each(&self) -> [&str; 3] {
        [&self.channel, self.kind, self.status]
    }
}

fn describe(envelope: &Envelope) -> Result<Labels, Rejection> {
    let refuse = |info: String| Rejection { status: Code::BadRequest, info };
    if envelope.payload.is_empty() {
        return Err(refuse("Message was empty".into()));
    }
    let opened = Opened::open(envelope)
        .map_err(|error| refuse(format!("could not determine channel ID: {error}")))?;
    let kind = HeaderType::try_from(opened.channel_header.r#type);
    let kind = kind.map_or("unknown", |kind| kind.as_str_name());
    Ok(Labels { channel: opened.channel_header.channel_id, kind, status: "" })
}

/// Fabric's text; its Broadcast answers an unknown channel so, not with NOT_FOUND.
fn unknown_channel() -> Rejection {
    Rejection { status: Code::BadRequest, info: "channel does not exist".to_owned() }
}
