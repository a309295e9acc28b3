//! `carecord bench`.

use clap::{Args, Subcommand};

use crate::bench::{self, Plan, Report};
use crate::cli::target::Chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::session::Session;

/// More calls than this under way measure queues, not the network.
const IN_FLIGHT_MAX: usize = 100_000;
const SECONDS_MAX: u64 = 24 * 3600;
/// As many as fit the eight digits of their names.
const KEYS_MAX: u64 = 100_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum Bench {
    /// Committed transactions per second, with unique keys.
    Submit {
        #[command(flatten)]
        load: Load,
        /// Bytes of a value.
        #[arg(long, default_value_t = 100, value_name = "BYTES")]
        value_bytes: usize,
        /// Write private values into this collection instead of public ones.
        #[arg(long, value_name = "COLLECTION")]
        private: Option<String>,
    },
    /// Evaluations per second, of random keys with values of 100 bytes.
    Evaluate {
        #[command(flatten)]
        load: Load,
        /// Keys that are read from; loaded first if they are not there.
        #[arg(long, default_value_t = 100_000, value_name = "N")]
        keys: u64,
    },
}

#[derive(Debug, Args)]
pub(super) struct Load {
    #[command(flatten)]
    chain: Chain,
    /// Calls under way at any time.
    #[arg(long, default_value_t = 64, value_name = "N")]
    in_flight: usize,
    /// How long new calls are begun.
    #[arg(long, default_value_t = 10, value_name = "S")]
    seconds: u64,
    /// Clients of all key kinds in turn instead of P-256 only.
    #[arg(long)]
    mixed_keys: bool,
}

// === impl Bench ===

impl Bench {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let report = match self {
            Self::Submit { load, value_bytes, private } => {
                let session = load.chain.open()?;
                let plan = load.plan(&session)?;
                bench::submit(&session, &plan, value_bytes, private.as_deref()).await?
            }
            Self::Evaluate { load, keys } => {
                let session = load.chain.open()?;
                range("keys", keys, KEYS_MAX)?;
                bench::evaluate(&session, &load.plan(&session)?, keys, output).await?
            }
        };
        output.result(&report, || people(&report));
        if report.committed == 0 {
            let kind = report.error_kinds.keys().next().map_or("no call was made", String::as_str);
            return Err(Failure::new(Code::Benchmark, format!("no call succeeded: {kind}")));
        }
        Ok(())
    }
}

// === impl Load ===

impl Load {
    fn plan(&self, session: &Session) -> Outcome<Plan> {
        range("in-flight", self.in_flight as u64, IN_FLIGHT_MAX as u64)?;
        range("seconds", self.seconds, SECONDS_MAX)?;
        Ok(Plan {
            channel: self.chain.channel(session)?.to_owned(),
            node: self.chain.node.clone(),
            in_flight: self.in_flight,
            seconds: self.seconds,
            mixed_keys: self.mixed_keys,
        })
    }
}

fn range(what: &str, value: u64, max: u64) -> Outcome<()> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(Failure::new(Code::Argument, format!("--{what} is {value}; it takes 1 to {max}")))
}

fn people(report: &Report) -> String {
    let rows = [
        ["per second".to_owned(), format!("{:.1}", report.committed_per_second)],
        ["answered".to_owned(), report.committed.to_string()],
        ["in flight".to_owned(), report.in_flight.to_string()],
        [
            "latency".to_owned(),
            format!(
                "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                report.p50_ms, report.p95_ms, report.p99_ms, report.max_ms
            ),
        ],
        ["CPU".to_owned(), format!("{:.2} ms per transaction", report.cpu_ms_per_tx)],
        ["disk".to_owned(), format!("{:.0} bytes per transaction", report.disk_bytes_per_tx)],
        [
            "share of limit".to_owned(),
            format!(
                "{:.2} (verify {:.1} µs, {} cores)",
                report.share_of_limit, report.verify_us, report.cores
            ),
        ],
        ["errors".to_owned(), report.errors.to_string()],
    ];
    let errors: String =
        report.error_kinds.iter().map(|(kind, times)| format!("\n  {times} × {kind}")).collect();
    format!("{}{errors}", table([report.kind, ""], rows))
}
