//! What a node tells of certificates: how long those last that it shows or sees, and how exchanging them went.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::Registry;

/// The certificates of a node and of those it deals with.
#[derive(Clone, Debug)]
pub struct CertificateMetrics {
    /// Last second of a certificate's life {role, subject, msp}; role is tls, sign, ca or consenter.
    pub not_after: IntGaugeVec,
    /// When the newest revocation list of an organisation should be followed by another {msp}.
    pub crl_next_update: IntGaugeVec,
    /// How often certificates were read again {kind, outcome}; outcome is applied or refused.
    pub reloads: IntCounterVec,
}

// === impl CertificateMetrics ===

impl CertificateMetrics {
    /// Registers the metrics of certificates.
    pub fn new(registry: &Registry) -> Self {
        Self {
            not_after: registry.int_gauge_vec(
                "carecord_certificate_not_after_timestamp_seconds",
                "Last second of a certificate's life.",
                &["role", "subject", "msp"],
            ),
            crl_next_update: registry.int_gauge_vec(
                "carecord_crl_next_update_timestamp_seconds",
                "When an organisation's revocation list should be followed by the next one.",
                &["msp"],
            ),
            reloads: registry.counter_vec(
                "carecord_certificate_reloads_total",
                "How often a node's certificates were read again, and whether they were taken over.",
                &["kind", "outcome"],
            ),
        }
    }
}
