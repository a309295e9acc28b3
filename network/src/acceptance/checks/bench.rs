//! Group `network`: how fast a network of 3 orderers and 2 organisations commits and reads, and at what cost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 512];
const EVALUATIONS_IN_FLIGHT: [usize; 3] = [16, 64, 256];
const SECONDS: usize = 10;
const KEYS: usize = 100_000;
/// Loading the keys takes most of it.
const PATIENCE: Duration = Duration::from_secs(1_200);
const SHARE_MIN: f64 = 0.45;
const EVALUATIONS_MIN: f64 = 8_000.0;
const LONELY_P50_MS_MAX: f64 = 20.0;
const NODE: &str = "hospital-a";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "bench-submit",
        group: "network",
        goal: "share of limit at least 0.45 (1,300 tx/s on the reference machine), VALID in the chain = claim",
        work: |context| Box::pin(submit(context)),
    },
    Check {
        name: "bench-latency",
        group: "network",
        goal: "p50 at one in flight under 20 ms",
        work: |context| Box::pin(latency(context)),
    },
    Check {
        name: "bench-evaluate",
        group: "network",
        goal: "at least 8,000 evaluations/s of random keys out of 100,000",
        work: |context| Box::pin(evaluate(context)),
    },
];

/// What `carecord bench -o json` reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    in_flight: usize,
    seconds: f64,
    committed: u64,
    committed_per_second: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    cpu_ms_per_tx: f64,
    cpu_seconds: BTreeMap<String, f64>,
    disk_bytes_per_tx: f64,
    fsyncs: BTreeMap<String, u64>,
    share_of_limit: f64,
    verify_us: f64,
    errors: u64,
    error_kinds: BTreeMap<String, u64>,
}

async fn submit(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "bench-submit", BENCH).await?;
    run(&trial, "submit", 64, 3, &[]).await?;
    let before = valid_in_chain(&trial, context).await?;
    let mut reports = Vec::new();
    for in_flight in IN_FLIGHT {
        reports.push(run(&trial, "submit", in_flight, context.scaled(SECONDS, 2), &[]).await?);
    }
    let claim: u64 = reports.iter().map(|report| report.committed).sum();
    let found = valid_in_chain(&trial, context).await?.saturating_sub(before);
    trial.agreed().await?;
    let best = best(&reports)?;
    let fsyncs: u64 = best.fsyncs.values().sum();
    let ok = best.share_of_limit >= SHARE_MIN && found == claim && fsyncs > 0;
    let figure = format!(
        "{:.0} tx/s, share {:.2}, at {} in flight; {found} VALID in the chain, {claim} claimed",
        best.committed_per_second, best.share_of_limit, best.in_flight
    );
    let finding = Finding::new(figure, ok)
        .remark(line(&reports))
        .remark(format!(
            "at the best: {:.2} ms CPU and {:.0} bytes of disk a transaction, {fsyncs} fsyncs in {:.0} s, \
             verify {:.1} µs; CPU s by process {}",
            best.cpu_ms_per_tx,
            best.disk_bytes_per_tx,
            best.seconds,
            best.verify_us,
            by_process(best)
        ));
    let finding = context.scale_remark(finding, "shorter runs").details(&reports);
    Ok(with_errors(finding, &reports))
}

async fn latency(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "bench-latency", BENCH).await?;
    let report = run(&trial, "submit", 1, context.scaled(SECONDS, 2), &[]).await?;
    let figure = format!(
        "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        report.p50_ms, report.p95_ms, report.p99_ms
    );
    let ok = report.committed > 0 && report.p50_ms < LONELY_P50_MS_MAX;
    Ok(with_errors(Finding::new(figure, ok).details(&report), &[report]))
}

async fn evaluate(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "bench-evaluate", BENCH).await?;
    let keys = context.scaled(KEYS, 1_000);
    let keys_text = keys.to_string();
    let mut reports = Vec::new();
    for in_flight in EVALUATIONS_IN_FLIGHT {
        let seconds = context.scaled(SECONDS, 2);
        let more = ["--keys", keys_text.as_str()];
        reports.push(run(&trial, "evaluate", in_flight, seconds, &more).await?);
    }
    let best = best(&reports)?;
    let rate = best.committed_per_second;
    let figure = format!("{rate:.0} evaluations/s at {} in flight", best.in_flight);
    let finding = Finding::new(figure, rate >= EVALUATIONS_MIN).remark(line(&reports));
    let finding = context.scale_remark(finding, &format!("{keys} keys")).details(&reports);
    Ok(with_errors(finding, &reports))
}

async fn run(
    trial: &Trial,
    kind: &str,
    in_flight: usize,
    seconds: usize,
    more: &[&str],
) -> Outcome<Report> {
    let (in_flight, seconds) = (in_flight.to_string(), seconds.to_string());
    let args =
        ["bench", kind, "--in-flight", &in_flight, "--seconds", &seconds, "-o", "json", "--quiet"];
    let said = trial.run(&[&args, more].concat(), PATIENCE).await?;
    serde_json::from_str(&said.out)
        .map_err(|error| Failure::new(Code::Short, format!("report of bench: {error}")))
}

/// VALID transactions in the exported chain of a peer.
async fn valid_in_chain(trial: &Trial, context: &Context) -> Outcome<u64> {
    #[derive(Deserialize)]
    struct Export {
        valid: u64,
    }
    let out = context.work.join("bench.blocks").display().to_string();
    let args =
        ["ledger", "export", "--node", NODE, "--channel", CHANNEL, "--out", &out, "-o", "json"];
    let said = trial.run(&args, PATIENCE).await?;
    let export: Export = serde_json::from_str(&said.out)
        .map_err(|error| Failure::new(Code::Short, format!("report of export: {error}")))?;
    Ok(export.valid)
}

fn best(reports: &[Report]) -> Outcome<&Report> {
    reports
        .iter()
        .max_by(|a, b| a.committed_per_second.total_cmp(&b.committed_per_second))
        .ok_or_else(|| Failure::new(Code::Short, "nothing was measured"))
}

fn line(reports: &[Report]) -> String {
    let one = |report: &Report| {
        format!(
            "{}: {:.0}/s p50 {:.1} p95 {:.1} p99 {:.1} ms",
            report.in_flight,
            report.committed_per_second,
            report.p50_ms,
            report.p95_ms,
            report.p99_ms
        )
    };
    reports.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn by_process(report: &Report) -> String {
    let one = |(name, seconds): (&String, &f64)| format!("{name} {seconds:.1}");
    report.cpu_seconds.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn with_errors(finding: Finding, reports: &[Report]) -> Finding {
    let errors: u64 = reports.iter().map(|report| report.errors).sum();
    if errors == 0 {
        return finding;
    }
    let kinds: Vec<&String> = reports.iter().flat_map(|report| report.error_kinds.keys()).collect();
    finding.remark(format!("{errors} calls failed: {kinds:?}"))
}
