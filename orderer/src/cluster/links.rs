//! Connections to other orderers, and which certificate this node shows on which.

use std::collections::BTreeMap;
use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_comm::cluster::cluster_client::ClusterClient;
use carecord_comm::{Endpoint, MAX_MESSAGE_BYTES};
use parking_lot::Mutex;
use tonic::transport::Channel;

use super::OwnCertificates;
use crate::Error;

/// Connections to other orderers, shared by all channels of this process.
pub(crate) struct Links {
    own: Arc<OwnCertificates>,
    /// The certificate by which each channel's configuration knows this node.
    named: Mutex<BTreeMap<String, Vec<u8>>>,
    /// By address and by the certificate that this node shows there.
    connections: Mutex<BTreeMap<(String, Vec<u8>), Channel>>,
}

// === impl Links ===

impl Links {
    pub(crate) fn new(own: Arc<OwnCertificates>) -> Self {
        Self { own, named: Mutex::default(), connections: Mutex::default() }
    }

    /// A channel's configuration knows this node by this certificate.
    pub(crate) fn known_as(&self, channel: &str, certificate: &[u8]) {
        if !self.own.has(certificate) {
            tracing::warn!(channel, "the configuration names a certificate whose key is not here");
        }
        self.named.lock().insert(channel.to_owned(), certificate.to_vec());
    }

    /// Trusts the organisations of a channel. One whose roots cannot be read stays out, and is told of in the log.
    pub(crate) fn trust(&self, channel: &str, bundle: &Bundle) {
        let msps = bundle.msps();
        let roots = msps.msp_ids().filter_map(|id| msps.msp(id)).flat_map(|msp| {
            msp.tls_root_certs()
                .iter()
                .chain(msp.tls_intermediate_certs())
                .map(|root| root.to_vec())
        });
        if let Err(error) = self.own.trust(channel, roots.collect()) {
            tracing::error!(channel, %error, "TLS roots of the channel were not taken over");
        }
    }

    /// Connects anew from now on: this node has other certificates or trusts others.
    pub(crate) fn forget(&self) {
        self.connections.lock().clear();
    }

    /// How often a refusal can be answered by showing another certificate.
    pub(crate) fn certificates(&self) -> usize {
        self.own.count()
    }

    /// A connection to `address` on which this node shows the `attempt`th certificate that fits the channel, and that
    /// certificate's SHA-256.
    pub(crate) fn connection(
        &self,
        channel: &str,
        address: &str,
        attempt: usize,
    ) -> Result<(Channel, [u8; 32]), Error> {
        let named = self.named.lock().get(channel).cloned().unwrap_or_default();
        let (shown, tls) = self.own.for_attempt(&named, attempt).ok_or(Error::NoCertificate)?;
        let hash = tls.certificate_hash().unwrap_or_default();
        let mut connections = self.connections.lock();
        let key = (address.to_owned(), shown);
        let connection = match connections.get(&key) {
            Some(connection) => connection.clone(),
            None => {
                let address = address.to_owned();
                let endpoint = Endpoint { address, tls: Some(tls), server_name: None };
                let connection = carecord_comm::dial(&endpoint)?;
                connections.insert(key, connection.clone());
                connection
            }
        };
        Ok((connection, hash))
    }

    /// A client for the cluster service at `address`, with the `attempt`th certificate that fits the channel.
    pub(crate) fn client(
        &self,
        channel: &str,
        address: &str,
        attempt: usize,
    ) -> Result<ClusterClient<Channel>, Error> {
        let (connection, _) = self.connection(channel, address, attempt)?;
        Ok(ClusterClient::new(connection)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// How many connections there are, to whatever address.
    pub(super) fn count(&self) -> usize {
        self.connections.lock().len()
    }
}
