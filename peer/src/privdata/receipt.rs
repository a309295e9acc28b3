//! What this peer knows and holds of a private key, in its own words and under its signature.

use std::sync::Arc;

use carecord_ledger::{HashedKey, KeyStatus, Marker};
use carecord_proto::{
    block,
    carecord::privdata::{Purge, Receipt, RemovalRequest, SignedReceipt},
    hash::sha256,
};
use prost::Message;

use crate::{channel::Channel, clock, peer::Peer};

/// The version of receipts.
const VERSION: u32 = 1;

/// Looks and signs.
pub(super) fn receipt(
    peer: &Arc<Peer>,
    channel: &Channel,
    asked: RemovalRequest,
) -> Result<SignedReceipt, String> {
    let RemovalRequest { namespace, collection, key_hash, .. } = asked;
    if key_hash.len() != sha256(&[]).len() {
        return Err(format!("a key's hash has 32 bytes, not {}", key_hash.len()));
    }
    let failed = |error: carecord_ledger::Error| error.to_string();
    let ledger = channel.ledger();
    let key = HashedKey {
        namespace: namespace.clone(),
        collection: collection.clone(),
        key_hash: key_hash.to_vec(),
    };
    let status = ledger.key_status(&key).map_err(failed)?;
    let found = ledger.collection(&namespace, &collection).map_err(failed)?;
    let found = found.ok_or_else(|| {
        format!("collection {}/{namespace}/{collection} could not be found", channel.id())
    })?;
    let signer = peer.credentials().signer();
    let KeyStatus { height, hash_in_state, value_held, kept_sets, waiting_sets, purge } = status;
    let receipt = Receipt {
        version: VERSION,
        channel_id: channel.id().to_owned(),
        namespace,
        collection,
        key_hash,
        identity: signer.serialized(),
        timestamp: clock::unix_s(),
        height,
        header_hash: header_hash(channel, height.saturating_sub(1))?.into(),
        purge: purge.map(|at| of_block(channel, at)).transpose()?,
        hash_in_state,
        value_held,
        kept_sets,
        waiting_sets,
        files_rewritten: purge.is_some_and(|at| at.gone),
        is_member: found.has_member(signer.msp_id()),
    };
    let receipt = receipt.encode_to_vec();
    let signature = signer.sign(&receipt).map_err(|error| error.to_string())?;
    Ok(SignedReceipt { receipt: receipt.into(), signature: signature.into() })
}

fn of_block(channel: &Channel, at: Marker) -> Result<Purge, String> {
    let committed = channel.block(at.block).map_err(|error| error.to_string())?;
    let tx_id = usize::try_from(at.tx).ok().zip(committed.as_ref()).and_then(|(tx, committed)| {
        let raw = block::envelopes(committed).get(tx)?;
        let envelope = carecord_proto::common::Envelope::decode(raw.clone()).ok()?;
        let opened = carecord_proto::envelope::Opened::open(&envelope).ok()?;
        Some(opened.channel_header.tx_id)
    });
    let header_hash = header_hash(channel, at.block)?.into();
    Ok(Purge { block: at.block, tx: at.tx, header_hash, tx_id: tx_id.unwrap_or_default() })
}

fn header_hash(channel: &Channel, number: u64) -> Result<Vec<u8>, String> {
    let committed = channel.block(number).map_err(|error| error.to_string())?;
    let header = committed.and_then(|committed| committed.header.clone()).unwrap_or_default();
    Ok(block::header_hash(&header).to_vec())
}
