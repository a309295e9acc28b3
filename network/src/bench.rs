//! Measuring a running network from a process of its own.
//!
//! Place in the flow: `carecord bench` and the acceptance run. A transaction counts when the client holds VALID; the
//! rate is over the whole run, from the first call to the last answer.

mod cost;
mod evaluate;
mod limit;
mod load;
mod submit;

pub use evaluate::evaluate;
pub use limit::verify_us;
pub use submit::submit;

use std::collections::BTreeMap;

use serde::Serialize;

const SUBMIT: &str = "submit";
const EVALUATE: &str = "evaluate";

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Channel.
    pub channel: String,
    /// Gateway that everything goes through; all peers in turn if none.
    pub node: Option<String>,
    /// Calls under way at any time.
    pub in_flight: usize,
    /// How long new calls are begun.
    pub seconds: u64,
    /// Clients of all key kinds in turn instead of P-256 only.
    pub mixed_keys: bool,
}

/// Result of a measurement, schema `carecord.bench/v1`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Always `carecord.bench/v1`.
    pub schema: &'static str,
    /// `submit` or `evaluate`.
    pub kind: &'static str,
    /// Calls under way at any time.
    pub in_flight: usize,
    /// Length of the run.
    pub seconds: f64,
    /// Transactions that the client holds VALID; for evaluations the answered calls.
    pub committed: u64,
    /// The same per second.
    pub committed_per_second: f64,
    /// The same under the name that says what it is; evaluations only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated_per_second: Option<f64>,
    /// Half of the calls were answered faster.
    pub p50_ms: f64,
    /// 95 of 100 calls were answered faster.
    pub p95_ms: f64,
    /// 99 of 100 calls were answered faster.
    pub p99_ms: f64,
    /// The slowest answer.
    pub max_ms: f64,
    /// CPU time of all nodes and of this client per committed transaction.
    pub cpu_ms_per_tx: f64,
    /// CPU time in seconds by process.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// Growth of the nodes' folders per committed transaction.
    pub disk_bytes_per_tx: f64,
    /// Syncs that the nodes report for the time of the run, by metric.
    pub fsyncs: BTreeMap<String, u64>,
    /// Rate as a share of what this machine allows (`bench/limit.rs`).
    pub share_of_limit: f64,
    /// Microseconds of one signature verification over 512 keys, measured in this run.
    pub verify_us: f64,
    /// Cores of the machine.
    pub cores: usize,
    /// Calls that failed.
    pub errors: u64,
    /// How often each kind of failure came.
    pub error_kinds: BTreeMap<String, u64>,
}

// === impl Report ===

impl Report {
    fn new(kind: &'static str, plan: &Plan, tally: load::Tally, spent: cost::Spent) -> Self {
        let verify_us = limit::verify_us();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let seconds = tally.elapsed.as_secs_f64().max(f64::EPSILON);
        let committed = tally.latencies_us.len() as u64;
        let rate = committed as f64 / seconds;
        let per_tx = |total: f64| if committed == 0 { 0.0 } else { total / committed as f64 };
        let cpu: f64 = spent.cpu_seconds.values().sum();
        let latencies = load::Latencies::new(tally.latencies_us);
        Self {
            schema: "carecord.bench/v1",
            kind,
            in_flight: plan.in_flight,
            seconds,
            committed,
            committed_per_second: rate,
            evaluated_per_second: (kind == EVALUATE).then_some(rate),
            p50_ms: latencies.quantile_ms(0.50),
            p95_ms: latencies.quantile_ms(0.95),
            p99_ms: latencies.quantile_ms(0.99),
            max_ms: latencies.quantile_ms(1.0),
            cpu_ms_per_tx: per_tx(cpu * 1000.0),
            cpu_seconds: spent.cpu_seconds,
            disk_bytes_per_tx: per_tx(spent.disk_bytes as f64),
            fsyncs: spent.fsyncs,
            share_of_limit: rate / limit::transactions_per_second(verify_us, cores),
            verify_us,
            cores,
            errors: tally.errors.values().sum(),
            error_kinds: tally.errors,
        }
    }
}
