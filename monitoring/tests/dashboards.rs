//! Every metric that the dashboard and the alerts name is one that a node exports.

use std::{collections::BTreeSet, path::Path, process::Command};

use carecord_monitoring::{CertificateMetrics, OrdererMetrics, PeerMetrics, Registry};
use serde_json::Value;

/// What dashboards made for Fabric read, without those about CouchDB.
const FABRIC_DASHBOARDS: [&str; 17] = [
    "broadcast_processed_count",
    "chaincode_execute_timeouts",
    "chaincode_launch_duration",
    "chaincode_launch_failures",
    "chaincode_shim_request_duration",
    "chaincode_shim_requests_completed",
    "chaincode_shim_requests_received",
    "endorser_proposal_duration",
    "endorser_proposals_received",
    "endorser_successful_proposals",
    "fabric_version",
    "grpc_comm_conn_closed",
    "ledger_block_processing_time",
    "ledger_blockchain_height",
    "ledger_blockstorage_commit_time",
    "ledger_statedb_commit_time",
    "ledger_transaction_count",
];

/// Words of PromQL, and the one metric that Prometheus makes itself.
const NOT_OURS: [&str; 8] = ["up", "sum", "count", "max", "min", "and", "or", "unless"];

#[test]
fn the_names_of_fabrics_dashboards_are_exported_and_shown() {
    let shown = names_of(&dashboard_expressions());
    let registered = registered();
    for name in FABRIC_DASHBOARDS {
        assert!(registered.contains(name), "{name} is not exported");
        assert!(shown.contains(name), "{name} is not on the dashboard");
    }
}

#[test]
fn the_dashboard_names_only_what_is_exported() {
    let unknown: Vec<String> = unknown(&dashboard_expressions());
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_alerts_name_only_what_is_exported() {
    let expressions = alert_expressions();
    assert!(expressions.len() >= 15, "{} alerts", expressions.len());
    let unknown: Vec<String> = unknown(&expressions);
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_name_that_nobody_exports_is_found() {
    let expressions = ["sum by (channel) (rate(ledger_blockheight_count[5m])) > 0".to_owned()];
    assert_eq!(unknown(&expressions), ["ledger_blockheight_count"]);
    let labels = [r#"sum by (le, chaincode) (rate(x_bucket{channel=~"y", job!="z"}[5m])) > 1e3"#];
    assert_eq!(unknown(&labels.map(str::to_owned)), ["x"]);
}

#[test]
fn the_alerts_go_off_as_their_tests_say() {
    let folder = file("prometheus");
    let promtool =
        |arguments: &[&str]| Command::new("promtool").args(arguments).current_dir(&folder).output();
    let Ok(version) = promtool(&["--version"]) else {
        left_out("alerts under promtool (needs the package prometheus)");
        return;
    };
    assert!(version.status.success());
    // Only the syntax: the certificates that the scrape file names are the reader's own.
    let config: &[&str] = &["check", "config", "--syntax-only", "prometheus.yml"];
    for arguments in [config, &["test", "rules", "alerts.test.yml"]] {
        let output = promtool(arguments).expect("it ran a moment ago");
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    }
}

/// The names under which a peer and an orderer register metrics, also those that have no series yet.
fn registered() -> BTreeSet<String> {
    let registry = Registry::new();
    PeerMetrics::new(registry.clone());
    let mut names: BTreeSet<String> = registry.names().into_iter().collect();
    let registry = Registry::new();
    OrdererMetrics::new(registry.clone());
    CertificateMetrics::new(&registry);
    names.extend(registry.names());
    names
}

fn unknown(expressions: &[String]) -> Vec<String> {
    let registered = registered();
    let names = names_of(expressions);
    names.into_iter().filter(|name| !registered.contains(name)).collect()
}

/// The metrics in PromQL expressions: words outside `{}`, `[]` and quotes that are neither functions nor labels.
fn names_of(expressions: &[String]) -> BTreeSet<String> {
    expressions.iter().flat_map(|expression| words(expression)).map(|word| family(&word)).collect()
}

fn words(expression: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = without_selectors(expression);
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let tail = rest.split_off(start);
        let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (word, after) = tail.split_at(end.unwrap_or(tail.len()));
        let after = after.trim_start();
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        rest = match (word, after.strip_prefix('(')) {
            // A list of labels, not an expression, stands in the parentheses.
            ("by" | "on" | "group_right" | "group_left", Some(labels)) => {
                labels.split_once(')').map_or("", |(_, after)| after).to_owned()
            }
            // The name of a function.
            (_, Some(arguments)) => arguments.to_owned(),
            (_, None) => {
                if !is_number && !NOT_OURS.contains(&word) {
                    words.push(word.to_owned());
                }
                after.to_owned()
            }
        };
    }
    words
}

/// The expression without `{…}`, `[…]` and what stands in quotes.
fn without_selectors(expression: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    let mut quoted = false;
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ if depth == 0 && !quoted => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// A histogram's series belong to its name.
fn family(series: &str) -> String {
    series.strip_suffix("_bucket").unwrap_or(series).to_owned()
}

fn dashboard_expressions() -> Vec<String> {
    let text = read("grafana/carecord.json");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let mut expressions = Vec::new();
    collect(&dashboard, &mut expressions);
    expressions
}

fn collect(value: &Value, expressions: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            expressions.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, expressions));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, expressions)),
        _ => {}
    }
}

/// What follows `expr:`, on its line or, folded, on the deeper lines below.
fn alert_expressions() -> Vec<String> {
    let text = read("prometheus/alerts.yml");
    let mut expressions = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((margin, first)) = line.split_once("expr:") else { continue };
        let mut expression = first.trim().trim_start_matches(">-").to_owned();
        let is_deeper = |line: &&str| line.len() - line.trim_start().len() > margin.len();
        while let Some(more) = lines.next_if(is_deeper) {
            expression.push(' ');
            expression.push_str(more.trim());
        }
        expressions.push(expression);
    }
    expressions
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).expect("the file lies in this crate")
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Says that a check did not run, on standard error and in the list that `make test` counts.
fn left_out(check: &str) {
    use std::io::Write;
    eprintln!("left out: {check}");
    let Some(list) = std::env::var_os("CARECORD_LEFT_OUT") else { return };
    let list = std::fs::OpenOptions::new().append(true).create(true).open(list);
    // A test that cannot note its absence still said it above.
    let _ = list.and_then(|mut list| writeln!(list, "left out: {check}"));
}
