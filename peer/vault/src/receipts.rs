//! Receipts: what a vault did, under its peer's signature; with a configuration of the channel they verify offline.

use carecord_channel::Bundle;
use carecord_channel::policy::dsl;
use carecord_proto::carecord::vault::{Receipt, SignedReceipt, SignedRequest, receipt::What};
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::hash::sha256;
use prost::Message;

use crate::Error;
use crate::service::{Inner, now};

/// The form of receipts.
const VERSION: u32 = 1;

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NoReceipt {
    /// It cannot be read, or has another form.
    #[error("the receipt cannot be read")]
    Malformed,
    /// It is about another channel than the configuration.
    #[error("the receipt is about channel {0}")]
    OtherChannel(String),
    /// It is not signed by a peer of the channel, or was altered.
    #[error("the receipt is not signed by a peer of the channel: {0}")]
    Signature(#[source] carecord_msp::Error),
    /// Its signer's organisation is not the one that the vault's name says.
    #[error("the receipt is signed by another organisation than its vault's")]
    OtherVault,
}

/// Checks a receipt against a configuration of its channel: signed by a peer of the organisation in the vault's name.
pub fn verify(signed: &SignedReceipt, bundle: &Bundle) -> Result<Receipt, NoReceipt> {
    let receipt = Receipt::decode(signed.receipt.clone()).map_err(|_| NoReceipt::Malformed)?;
    if receipt.version != VERSION || receipt.what.is_none() {
        return Err(NoReceipt::Malformed);
    }
    if receipt.channel_id != bundle.channel_id() {
        return Err(NoReceipt::OtherChannel(receipt.channel_id));
    }
    let identity = bundle.msps().identity(&receipt.identity).map_err(NoReceipt::Signature)?;
    let peer = dsl::role(identity.msp_id(), MspRoleType::Peer);
    identity
        .validate()
        .and_then(|()| identity.satisfies(&peer))
        .and_then(|()| identity.verify_strict(&signed.receipt, &signed.signature))
        .map_err(NoReceipt::Signature)?;
    match receipt.vault.split_once('@') {
        Some((msp_id, _)) if msp_id == identity.msp_id() => Ok(receipt),
        _ => Err(NoReceipt::OtherVault),
    }
}

// === impl Inner ===

impl Inner {
    /// Signs what was done for a request.
    pub(crate) fn receipt(
        &self,
        channel: &str,
        request: &SignedRequest,
        what: What,
    ) -> Result<SignedReceipt, Error> {
        let signer = self.ledger.signer();
        let receipt = Receipt {
            version: VERSION,
            channel_id: channel.to_owned(),
            identity: signer.serialized(),
            vault: self.name.clone(),
            timestamp: now(),
            request_hash: sha256(&[&request.request]).to_vec().into(),
            what: Some(what),
        }
        .encode_to_vec();
        let signature = signer.sign(&receipt)?.into();
        Ok(SignedReceipt { receipt: receipt.into(), signature })
    }
}
