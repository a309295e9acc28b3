//! A connection to one peer's gateway on behalf of one identity.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::gateway::gateway_client::GatewayClient;
use carecord_msp::Signer;
use tonic::transport::Channel;

use crate::Network;

/// How long each step may take before the client gives up.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For an evaluation.
    pub evaluate: Duration,
    /// For collecting endorsements.
    pub endorse: Duration,
    /// For handing a transaction to the ordering service.
    pub submit: Duration,
    /// For the transaction to be committed.
    pub commit_status: Duration,
}

/// A connection to a gateway; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) channel: Channel,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) deadlines: Deadlines,
}

// === impl Gateway ===

impl Gateway {
    /// Acts as `signer` over `channel`, with the official SDKs' deadlines.
    pub fn new(channel: Channel, signer: Arc<dyn Signer>) -> Self {
        Self { channel, signer, deadlines: Deadlines::default() }
    }

    /// The same connection with other deadlines.
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// The same connection on behalf of another identity.
    pub fn with_signer(self, signer: Arc<dyn Signer>) -> Self {
        Self { signer, ..self }
    }

    /// The channel named `name`, seen through this gateway.
    pub fn network(&self, name: &str) -> Network {
        Network::new(self.clone(), name)
    }

    /// Who acts.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    pub(crate) fn client(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<Bytes, crate::Error> {
        Ok(self.signer.sign(bytes)?.into())
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            evaluate: Duration::from_secs(5),
            endorse: Duration::from_secs(15),
            submit: Duration::from_secs(5),
            commit_status: Duration::from_secs(60),
        }
    }
}

/// A request with a deadline that the server sees too.
pub(crate) fn request<T>(message: T, deadline: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(deadline);
    request
}
