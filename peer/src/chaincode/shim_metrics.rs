//! Counts what a chaincode asks of its peer, under the names that Fabric gives to messages of its shim.

use std::{sync::OnceLock, time::Instant};

use carecord_monitoring::ChaincodeMetrics;

/// What a chaincode can ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    GetState,
    PutState,
    DelState,
    GetStateByRange,
    GetHistoryForKey,
    GetStateMetadata,
    PutStateMetadata,
    InvokeChaincode,
    GetPrivateDataHash,
    PurgePrivateData,
}

/// The counters of one chaincode on one channel.
#[derive(Debug)]
pub(crate) struct ShimMetrics {
    metrics: ChaincodeMetrics,
    channel: String,
    chaincode: String,
    by_request: [OnceLock<Counters>; NAMES.len()],
}

/// The series of one kind of request; failures are rare and looked up when they happen.
#[derive(Debug)]
struct Counters {
    received: prometheus::IntCounter,
    completed: prometheus::IntCounter,
    duration: prometheus::Histogram,
}

const NAMES: [&str; 10] = [
    "GET_STATE",
    "PUT_STATE",
    "DEL_STATE",
    "GET_STATE_BY_RANGE",
    "GET_HISTORY_FOR_KEY",
    "GET_STATE_METADATA",
    "PUT_STATE_METADATA",
    "INVOKE_CHAINCODE",
    "GET_PRIVATE_DATA_HASH",
    "PURGE_PRIVATE_DATA",
];

// === impl ShimMetrics ===

impl ShimMetrics {
    pub(crate) fn new(
        metrics: &ChaincodeMetrics,
        channel: &str,
        chaincode: &str,
        version: &str,
    ) -> Self {
        Self {
            metrics: metrics.clone(),
            channel: channel.to_owned(),
            chaincode: format!("{chaincode}:{version}"),
            by_request: Default::default(),
        }
    }

    /// Runs one request and counts it.
    pub(crate) fn count<T, E>(
        &self,
        request: Request,
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let name = NAMES[request as usize];
        let counters = self.by_request[request as usize].get_or_init(|| self.counters(name));
        counters.received.inc();
        let started = Instant::now();
        let result = run();
        if result.is_ok() {
            counters.completed.inc();
            counters.duration.observe(started.elapsed().as_secs_f64());
        } else {
            let labels = [name, &self.channel, &self.chaincode, "false"];
            self.metrics.shim_requests_completed.with_label_values(&labels).inc();
        }
        result
    }

    fn counters(&self, name: &str) -> Counters {
        let request = [name, self.channel.as_str(), &self.chaincode];
        let answer = [name, self.channel.as_str(), &self.chaincode, "true"];
        Counters {
            received: self.metrics.shim_requests_received.with_label_values(&request),
            completed: self.metrics.shim_requests_completed.with_label_values(&answer),
            duration: self.metrics.shim_request_duration.with_label_values(&answer),
        }
    }
}
