//! The way to one other consenter: a stream that is set up again after each loss, with a bounded queue before it.

mod runner;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carecord_monitoring::OrdererMetrics;
use carecord_proto::carecord::orderer::StepRequest;
use prometheus::IntGauge;
use tokio::sync::mpsc;

use super::{Links, Member};
use crate::Error;
use crate::channel::Shared;
use runner::Runner;

/// Messages that may wait for one consenter; Raft sends again what is dropped above it.
const QUEUE: usize = 1024;

/// The sending end of the way to one consenter of one channel.
///
/// When it is dropped, answers that are due are waited for a little; then whoever waits is told that none will come.
pub(crate) struct Link {
    address: String,
    queue: mpsc::Sender<StepRequest>,
    connected: Arc<AtomicBool>,
    queue_length: IntGauge,
}

// === impl Link ===

impl Link {
    /// Opens the way to `member` for one channel, whose owner hears of answers and losses.
    pub(crate) fn open(
        links: &Arc<Links>,
        shared: &Arc<Shared>,
        member: &Member,
        metrics: OrdererMetrics,
    ) -> Result<Self, Error> {
        let channel = shared.name.as_str();
        let (queue, queued) = mpsc::channel(QUEUE);
        links.client(channel, &member.address, 0)?;
        metrics.cluster.egress_tls_connection_count.set(links.count() as i64);
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
            links: Arc::clone(links),
            attempt: 0,
            shared: Arc::clone(shared),
            metrics,
            connected: Arc::clone(&connected),
            waiting: BTreeSet::new(),
        };
        let address = member.address.clone();
        tokio::spawn(runner.run(queued));
        Ok(Self { address, queue, connected, queue_length })
    }

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
