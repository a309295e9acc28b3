//! `prometheus.yml` of a network: the ports that were chosen, and the certificates that its operations services ask for.

use std::fmt::Write;

use crate::error::Outcome;
use crate::state::{NetworkDir, NetworkFile, NodeEntry, OrganisationEntry, replace_file};

const FILE: &str = "prometheus.yml";
const ALERTS_FILE: &str = "alerts.yml";
const ALERTS: &str = include_str!("../../../monitoring/prometheus/alerts.yml");
const HEADING: &str = "\
# Scrapes this network: `prometheus --config.file=prometheus.yml` in this folder.
#
# One scrape configuration for each organisation, because its nodes open /metrics to its own certificates alone. The
# label `job` is what Fabric's dashboards group by: `orderer` for all orderers, one of its own for each peer.

global:
  scrape_interval: 10s
  evaluation_interval: 10s

rule_files:
  - alerts.yml

scrape_configs:
";

/// Writes the scrape file and, beside it, the alerts that it names.
pub(super) fn write(dir: &NetworkDir, file: &NetworkFile) -> Outcome<()> {
    replace_file(&dir.root().join(ALERTS_FILE), ALERTS.as_bytes())?;
    replace_file(&dir.root().join(FILE), config(file).as_bytes())
}

fn config(file: &NetworkFile) -> String {
    let jobs = file.organisations.iter().map(|organisation| {
        let nodes = file.nodes.iter().filter(|node| node.organisation == organisation.name);
        job(organisation, &nodes.collect::<Vec<_>>())
    });
    HEADING.to_owned() + &jobs.collect::<Vec<_>>().join("\n")
}

/// Names of a network have no character that YAML gives a meaning; paths may.
fn job(organisation: &OrganisationEntry, nodes: &[&NodeEntry]) -> String {
    let Some(first) = nodes.first() else { return String::new() };
    let mut text =
        format!("  - job_name: {}\n    scheme: {}\n", organisation.name, first.operations_scheme);
    if let Some(tls) = &first.operations_tls {
        text.push_str("    tls_config:\n");
        let files = [
            ("ca_file", &tls.ca_file),
            ("cert_file", &tls.client_certificate_file),
            ("key_file", &tls.client_key_file),
        ];
        for (key, path) in files {
            line(&mut text, format_args!("      {key}: {}", quoted(&path.display().to_string())));
        }
    }
    text.push_str("    static_configs:\n");
    for node in nodes {
        let label = if node.role == "orderer" {
            "orderer".to_owned()
        } else {
            format!("peer_{}", node.name)
        };
        line(&mut text, format_args!("      - targets: [{}]", quoted(&node.operations_address)));
        line(
            &mut text,
            format_args!(
                "        labels: {{ job: {label}, node: {}, organisation: {} }}",
                node.name, node.organisation
            ),
        );
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string does not fail");
}

/// A YAML scalar in double quotes is a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
