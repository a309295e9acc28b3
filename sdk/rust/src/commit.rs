//! The last step: what became of a submitted transaction.

use carecord_proto::gateway::{CommitStatusRequest, SignedCommitStatusRequest};
use carecord_proto::protos::TxValidationCode;
use prost::Message;

use crate::gateway::request;
use crate::{Error, Network};

/// A submitted transaction whose place on the ledger is awaited.
#[derive(Clone)]
pub struct Commit {
    network: Network,
    tx_id: String,
}

/// Where a transaction came to lie, and with which code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// VALID, or why not.
    pub code: TxValidationCode,
    /// The block that holds it.
    pub block: u64,
    /// Why it is not VALID, in words, if the peer said: the key and the faster transaction, or the missing endorsement.
    pub cause: Option<String>,
}

// === impl Commit ===

impl Commit {
    /// Awaits a transaction that somebody submitted, known by its id.
    pub fn new(network: Network, tx_id: &str) -> Self {
        Self { network, tx_id: tx_id.to_owned() }
    }

    /// The transaction's id.
    pub fn tx_id(&self) -> &str {
        &self.tx_id
    }

    /// Waits until the gateway's peer has committed the transaction, valid or not.
    pub async fn status(&self) -> Result<Status, Error> {
        let gateway = &self.network.gateway;
        let message = CommitStatusRequest {
            transaction_id: self.tx_id.clone(),
            channel_id: self.network.name.clone(),
            identity: gateway.signer.serialized(),
        }
        .encode_to_vec();
        let signature = gateway.sign(&message)?;
        let signed = SignedCommitStatusRequest { request: message.into(), signature };
        let answer = gateway
            .client()
            .commit_status(request(signed, gateway.deadlines.commit_status))
            .await
            .map_err(|status| Error::gateway("commit status", status))?;
        let cause = carecord_comm::cause(&answer);
        let answer = answer.into_inner();
        Ok(Status { code: answer.result(), block: answer.block_number, cause })
    }

    /// Like [`Commit::status`]; a code other than VALID is an error.
    pub async fn wait_valid(&self) -> Result<Status, Error> {
        let status = self.status().await?;
        match status.code {
            TxValidationCode::Valid => Ok(status),
            _ => Err(status.into_error(self.tx_id.clone())),
        }
    }
}

// === impl Status ===

impl Status {
    /// The error that a code other than VALID means to the caller of transaction `tx_id`.
    pub fn into_error(self, tx_id: String) -> Error {
        let Self { code, block, cause } = self;
        Error::Commit { tx_id, code, block, cause }
    }
}
