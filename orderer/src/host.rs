//! What all channels of this process share: configuration, connections, metrics, the signing identity.

use std::sync::Arc;

use carecord_monitoring::OrdererMetrics;
use carecord_msp::CurrentSigner;
use tokio::sync::mpsc;

use crate::cluster::Links;
use crate::{Config, Error};

/// The node around the channels.
pub(crate) struct Host {
    pub(crate) config: Config,
    /// Signs as who this node is now.
    pub(crate) signer: Arc<CurrentSigner>,
    pub(crate) metrics: OrdererMetrics,
    pub(crate) links: Arc<Links>,
    /// Where failures go that only a restart mends.
    pub(crate) fatal: mpsc::UnboundedSender<Error>,
}

// === impl Host ===

impl Host {
    pub(crate) fn new(
        config: Config,
        metrics: OrdererMetrics,
        fatal: mpsc::UnboundedSender<Error>,
    ) -> Self {
        let links = Arc::new(Links::new(Arc::clone(&config.own)));
        let signer = Arc::new(CurrentSigner::new(Arc::clone(&config.signer)));
        Self { config, signer, metrics, links, fatal }
    }
}
