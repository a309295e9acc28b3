//! An endorsed transaction, ready to be signed and ordered.

use bytes::Bytes;
use carecord_proto::common::Envelope;
use carecord_proto::gateway::SubmitRequest;

use crate::gateway::request;
use crate::{Commit, Error, Network};

/// What the gateway prepared out of the endorsements of one proposal.
#[derive(Clone)]
pub struct Transaction {
    network: Network,
    tx_id: String,
    envelope: Envelope,
    result: Bytes,
}

// === impl Transaction ===

impl Transaction {
    pub(crate) fn new(network: Network, tx_id: String, envelope: Envelope) -> Result<Self, Error> {
        let opened = carecord_proto::transaction::Opened::open_payload(&envelope.payload)
            .map_err(|_| Error::Answer("prepared transaction"))?;
        let result = opened.action.response.unwrap_or_default().payload;
        Ok(Self { network, tx_id, envelope, result })
    }

    /// The transaction's id.
    pub fn tx_id(&self) -> &str {
        &self.tx_id
    }

    /// What the chaincode returned; it counts only once the transaction is valid on the ledger.
    pub fn result(&self) -> &Bytes {
        &self.result
    }

    /// The signed transaction, for whoever hands it to an orderer without the gateway.
    pub fn signed(&self) -> Result<Envelope, Error> {
        let signature = self.network.gateway.sign(&self.envelope.payload)?;
        Ok(Envelope { payload: self.envelope.payload.clone(), signature })
    }

    /// Signs the transaction and hands it to the ordering service.
    pub async fn submit(self) -> Result<Commit, Error> {
        let gateway = &self.network.gateway;
        let signature = gateway.sign(&self.envelope.payload)?;
        let message = SubmitRequest {
            transaction_id: self.tx_id.clone(),
            channel_id: self.network.name.clone(),
            prepared_transaction: Some(Envelope { signature, ..self.envelope }),
        };
        gateway
            .client()
            .submit(request(message, gateway.deadlines.submit))
            .await
            .map_err(|status| Error::gateway("submit", status))?;
        Ok(Commit::new(self.network, &self.tx_id))
    }
}
