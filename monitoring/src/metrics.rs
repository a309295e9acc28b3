//! The registry, and one struct of metrics per component.
//!
//! Names, labels and buckets of what Fabric also counts are Fabric's, so that its dashboards work: no common
//! prefix, and most counters without `_total`. What only we count starts with `carecord_`.

mod certificates;
mod endorser;
mod grpc;
mod ledger;
mod orderer;
mod private_data;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, TextEncoder, core::Collector,
};

pub use certificates::CertificateMetrics;
pub use endorser::{ChaincodeMetrics, EndorserMetrics, GatewayMetrics};
pub use grpc::{DeliverMetrics, GrpcMetrics};
pub use ledger::LedgerMetrics;
pub use orderer::OrdererMetrics;
pub use private_data::PrivateDataMetrics;

/// The level of Hyperledger Fabric whose interfaces and verdicts these nodes keep to; dashboards read it as
/// `fabric_version`.
pub const FABRIC_LEVEL: &str = "3.1.5";
/// Fabric's buckets for the four ledger histograms; all others use the Prometheus defaults.
const LEDGER_BUCKETS: [f64; 7] = [0.005, 0.01, 0.015, 0.05, 0.1, 1.0, 10.0];
/// Buckets for sizes in bytes.
const BYTE_BUCKETS: [f64; 7] = [1e3, 1e4, 1e5, 5e5, 1e6, 2e6, 1e7];

/// The metrics of one node; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    registry: prometheus::Registry,
    names: Arc<Mutex<BTreeSet<String>>>,
}

/// Everything a peer counts.
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    /// Where all of them are registered.
    pub registry: Registry,
    /// Calls and connections.
    pub grpc: GrpcMetrics,
    /// Block streams.
    pub deliver: DeliverMetrics,
    /// Proposals.
    pub endorser: EndorserMetrics,
    /// Chaincode invocations.
    pub chaincode: ChaincodeMetrics,
    /// Blocks and transactions.
    pub ledger: LedgerMetrics,
    /// Private data.
    pub private_data: PrivateDataMetrics,
    /// Transactions as the gateway's clients see them.
    pub gateway: GatewayMetrics,
}

// === impl Registry ===

impl Registry {
    /// A registry that already tells Fabric's level and what `/proc/self` tells about the process.
    pub fn new() -> Self {
        let registry = Self::default();
        registry
            .int_gauge_vec("fabric_version", "The active version of Fabric.", &["version"])
            .with_label_values(&[FABRIC_LEVEL])
            .set(1);
        registry.register(crate::process::ProcessCollector::new());
        registry
    }

    /// Tells which program this is; once per registry.
    pub fn tell_build(&self, version: &str, revision: &str, rustc: &str) {
        let help = "Version, revision of the source and compiler of this program.";
        let labels = ["version", "revision", "rustc"];
        self.int_gauge_vec("carecord_build_info", help, &labels)
            .with_label_values(&[version, revision, rustc])
            .set(1);
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(16 << 10);
        let families = self.registry.gather();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::warn!(%error, "metrics could not be encoded");
        }
        text
    }

    /// The text format's value of one series, for tests and for the summary of a benchmark.
    pub fn value(&self, series: &str) -> Option<f64> {
        let text = self.render();
        let text = String::from_utf8_lossy(&text);
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// A counter without labels.
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(IntCounter::with_opts(Opts::new(name, help)))
    }

    /// A counter with labels.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A whole-numbered gauge without labels.
    pub fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.registered(IntGauge::with_opts(Opts::new(name, help)))
    }

    /// A whole-numbered gauge with labels.
    pub fn int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A gauge with labels.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.registered(GaugeVec::new(Opts::new(name, help), labels))
    }

    /// A histogram with the default buckets.
    pub fn histogram_vec(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.registered(HistogramVec::new(HistogramOpts::new(name, help), labels))
    }

    /// A histogram with Fabric's buckets for the ledger.
    pub fn ledger_histogram_vec(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(LEDGER_BUCKETS.to_vec());
        self.registered(HistogramVec::new(options, labels))
    }

    /// A histogram of sizes in bytes.
    pub fn byte_histogram_vec(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(BYTE_BUCKETS.to_vec());
        self.registered(HistogramVec::new(options, labels))
    }

    /// The names of all metrics, also of those that have no series yet.
    pub fn names(&self) -> Vec<String> {
        self.names.lock().expect("no holder of this lock panics").iter().cloned().collect()
    }

    /// Adds a collector of one's own.
    pub fn register(&self, collector: impl Collector + 'static) {
        let names = collector.desc().into_iter().map(|desc| desc.fq_name.clone());
        self.names.lock().expect("no holder of this lock panics").extend(names);
        if let Err(error) = self.registry.register(Box::new(collector)) {
            tracing::error!(%error, "metric is not exported");
        }
    }

    fn registered<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("metric names and labels are constants of this program");
        self.register(metric.clone());
        metric
    }
}

// === impl PeerMetrics ===

impl PeerMetrics {
    /// Registers the metrics of a peer; once per registry.
    pub fn new(registry: Registry) -> Self {
        Self {
            grpc: GrpcMetrics::new(&registry),
            deliver: DeliverMetrics::new(&registry),
            endorser: EndorserMetrics::new(&registry),
            chaincode: ChaincodeMetrics::new(&registry),
            ledger: LedgerMetrics::new(&registry),
            private_data: PrivateDataMetrics::new(&registry),
            gateway: GatewayMetrics::new(&registry),
            registry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_metrics_have_the_names_that_dashboards_read() {
        let metrics = PeerMetrics::new(Registry::new());
        metrics.ledger.height.with_label_values(&["care"]).set(7);
        metrics.endorser.proposals_received.inc();
        assert_eq!(metrics.registry.value("ledger_blockchain_height{channel=\"care\"}"), Some(7.0));
        assert_eq!(metrics.registry.value("endorser_proposals_received"), Some(1.0));
        assert_eq!(metrics.registry.value("fabric_version{version=\"3.1.5\"}"), Some(1.0));
    }

    #[test]
    fn the_program_is_told_beside_the_level_of_fabric() {
        let registry = Registry::new();
        registry.tell_build("0.1.0", "abc", "1.95.0");
        let series = "carecord_build_info{revision=\"abc\",rustc=\"1.95.0\",version=\"0.1.0\"}";
        assert_eq!(registry.value(series), Some(1.0));
    }

    #[test]
    fn ledger_histograms_have_fabrics_buckets() {
        let metrics = PeerMetrics::new(Registry::new());
        metrics.ledger.block_processing_time.with_label_values(&["care"]).observe(0.012);
        let series = "ledger_block_processing_time_bucket{channel=\"care\",le=\"0.015\"}";
        assert_eq!(metrics.registry.value(series), Some(1.0));
    }

    #[test]
    fn the_process_tells_its_memory() {
        let registry = Registry::new();
        assert!(registry.value("process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
        assert!(registry.value("process_open_fds").is_some_and(|count| count > 2.0));
    }
}
