//! How long certificates last that a node shows or sees: as a metric, and in the log when one comes to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use carecord_channel::Bundle;
use carecord_monitoring::CertificateMetrics;
use carecord_proto::common::ConfigGroup;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use prost::Message;

use super::config::NodeConfig;
use crate::bringup::now_unix_s;
use crate::certificates::{self, Certificate, next_update_of_crl};

/// How often certificates are looked at.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often one and the same certificate is warned of.
const WARN_EVERY: u32 = 120;
/// A certificate that lasts less is warned of, as Fabric does.
const WARN_BEFORE_S: i64 = 7 * 86_400;

/// The channels of a node, asked anew each time.
pub(super) type Channels = dyn Fn() -> Vec<Arc<Bundle>> + Send + Sync;

/// Role, subject and organisation of a certificate.
type Series = (&'static str, String, String);

/// Keeps the metrics right until the future is dropped.
pub(super) async fn follow(config: &NodeConfig, channels: &Channels, metrics: &CertificateMetrics) {
    let mut ticks = tokio::time::interval(INTERVAL);
    for round in 0_u32.. {
        ticks.tick().await;
        let seen = seen(config, &channels());
        metrics.not_after.reset();
        for ((role, subject, msp), not_after) in &seen {
            metrics.not_after.with_label_values(&[*role, subject, msp]).set(*not_after);
        }
        for (msp, next_update) in lists(&channels()) {
            metrics.crl_next_update.with_label_values(&[&msp]).set(next_update);
        }
        if round % WARN_EVERY == 0 {
            warn(&seen);
        }
    }
}

fn warn(seen: &BTreeMap<Series, i64>) {
    let now = now_unix_s();
    for ((role, subject, msp), not_after) in seen {
        let left = not_after - now;
        if left < 0 {
            tracing::error!(role, subject, msp, "certificate has expired");
        } else if left < WARN_BEFORE_S {
            let days = left / 86_400;
            tracing::warn!(
                role,
                subject,
                msp,
                days,
                "certificate expires soon; see `carecord cert renew`"
            );
        }
    }
}

/// Everything known; of two certificates with the same words the one that ends first.
fn seen(config: &NodeConfig, bundles: &[Arc<Bundle>]) -> BTreeMap<Series, i64> {
    let mut seen = BTreeMap::new();
    let own = config.msp_id.as_str();
    if let Ok(text) = std::fs::read(&config.tls.certificate) {
        note(&mut seen, "tls", own, Certificate::of_pem(&text).into_iter().take(1));
    }
    let of_folder = |name: &str| {
        let found = certificates::below(&config.msp_dir.join(name)).unwrap_or_default();
        found.into_iter().map(|(_, certificate)| certificate)
    };
    note(&mut seen, "sign", own, of_folder("signcerts"));
    for folder in ["cacerts", "intermediatecerts", "tlscacerts"] {
        note(&mut seen, "ca", own, of_folder(folder));
    }
    for bundle in bundles {
        for msp in msps(bundle) {
            let pems = msp.root_certs.iter().chain(&msp.intermediate_certs);
            for pem in pems.chain(&msp.tls_root_certs).chain(&msp.tls_intermediate_certs) {
                note(&mut seen, "ca", &msp.name, Certificate::of_pem(pem));
            }
        }
        let raft = bundle.orderer().and_then(|orderer| orderer.raft());
        for consenter in raft.map(|raft| raft.consenters).unwrap_or_default() {
            for pem in [&consenter.client_tls_cert, &consenter.server_tls_cert] {
                note(&mut seen, "consenter", "", Certificate::of_pem(pem));
            }
        }
    }
    seen
}

fn note(
    seen: &mut BTreeMap<Series, i64>,
    role: &'static str,
    msp: &str,
    certificates: impl IntoIterator<Item = Certificate>,
) {
    for certificate in certificates {
        let series = (role, certificate.common_name, msp.to_owned());
        let end = seen.entry(series).or_insert(i64::MAX);
        *end = (*end).min(certificate.not_after_unix_s);
    }
}

/// The newest list of each organisation and when it is to be followed.
fn lists(bundles: &[Arc<Bundle>]) -> BTreeMap<String, i64> {
    let mut newest = BTreeMap::new();
    for msp in bundles.iter().flat_map(|bundle| msps(bundle)) {
        for next in msp.revocation_list.iter().filter_map(|list| next_update_of_crl(list)) {
            let known = newest.entry(msp.name.clone()).or_insert(next);
            *known = (*known).max(next);
        }
    }
    newest
}

/// The MSPs of a channel's configuration, as they stand in it.
fn msps(bundle: &Bundle) -> Vec<FabricMspConfig> {
    let mut found = Vec::new();
    if let Some(group) = &bundle.config().channel_group {
        collect(group, &mut found);
    }
    found
}

fn collect(group: &ConfigGroup, found: &mut Vec<FabricMspConfig>) {
    let msp = group.values.get("MSP").and_then(|value| {
        let outer = MspConfig::decode(value.value.clone()).ok()?;
        FabricMspConfig::decode(outer.config).ok()
    });
    found.extend(msp);
    group.groups.values().for_each(|group| collect(group, found));
}
