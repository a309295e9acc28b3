//! Whether envelopes stand in a block in the one form that cannot be read in two ways.
//!
//! A block's data hash covers the concatenation of its envelopes, so bytes could be moved from one envelope to the next
//! without changing it. What stops that: an envelope must equal its own canonical encoding. This scanner works on the
//! wire format itself and reads exactly as Fabric's decoder does, so that no block is accepted by one and refused by the other:
//!
//! | raw form of an envelope | in a block | at an orderer's ingress |
//! |---|---|---|
//! | payload, signature, both minimal and not empty | accepted | accepted |
//! | the same, then unknown fields | accepted | refused |
//! | unknown fields before known ones, fields reversed or repeated, long varints | refused | refused |
//! | payload or signature empty or missing | refused | refused |

use bytes::Bytes;

use crate::common::{Block, BlockData, Envelope, HeaderType};
use crate::envelope;

mod scan;

use scan::{Scanned, scan};

/// Why a block's data is refused; nothing of such a block may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A block needs at least one envelope.
    #[error("empty block")]
    EmptyBlock,
    /// The transaction's envelope is refused.
    #[error("transaction {index} {fault}")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with an envelope's raw form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not a message at all.
    #[error("is invalid: {0}")]
    Invalid(&'static str),
    /// It has no payload, or an empty one.
    #[error("has no payload")]
    NoPayload,
    /// It has no signature, or an empty one.
    #[error("has no signature")]
    NoSignature,
    /// It is longer than its canonical form.
    #[error("has {0} trailing bytes")]
    Trailing(usize),
    /// It differs from its canonical form.
    #[error("does not match its raw form")]
    NotCanonical,
    /// It has fields that Fabric's envelope does not have; only our own ingress minds.
    #[error("has unknown fields")]
    UnknownFields,
}

/// Checks that every envelope of a block has the form that is accepted in blocks.
///
/// A block with a single CONFIG envelope is exempt, as in Fabric: nothing can have been moved there. Its content is
/// checked as configuration.
pub fn check_block(block: &Block) -> Result<(), Error> {
    block.data.as_ref().map_or(Err(Error::EmptyBlock), check_data)
}

/// [`check_block`] over the data alone.
pub fn check_data(data: &BlockData) -> Result<(), Error> {
    if data.data.is_empty() {
        return Err(Error::EmptyBlock);
    }
    if is_config(data) {
        return Ok(());
    }
    for (index, raw) in data.data.iter().enumerate() {
        let checked = scan(raw).and_then(|scanned| check_scanned(raw, &scanned));
        checked.map_err(|fault| Error::Transaction { index, fault })?;
    }
    Ok(())
}

/// Reads an envelope that comes from outside our network, and refuses every form but the canonical one.
pub fn check_envelope(raw: &[u8]) -> Result<Envelope, Fault> {
    let scanned = scan(raw)?;
    check_scanned(raw, &scanned)?;
    if !scanned.unknown.is_empty() {
        return Err(Fault::UnknownFields);
    }
    let bytes = |range| Bytes::copy_from_slice(&raw[range]);
    Ok(Envelope { payload: bytes(scanned.payload), signature: bytes(scanned.signature) })
}

/// The same for an envelope that a decoder has read already, so that it will be stored canonically anyway.
pub fn check_parsed(envelope: &Envelope) -> Result<(), Fault> {
    if envelope.payload.is_empty() {
        return Err(Fault::NoPayload);
    }
    if envelope.signature.is_empty() {
        return Err(Fault::NoSignature);
    }
    Ok(())
}

/// Reads an envelope of a block as Fabric's decoder does, without copying.
///
/// Differs from a plain decode where a known field has an unexpected wire type: that is an unknown field to Fabric.
pub fn open_envelope(raw: &Bytes) -> Result<Envelope, Fault> {
    let scanned = scan(raw)?;
    Ok(Envelope { payload: raw.slice(scanned.payload), signature: raw.slice(scanned.signature) })
}

/// Whether this is the data of a configuration block: one envelope, and its header says CONFIG.
pub fn is_config(data: &BlockData) -> bool {
    let [only] = data.data.as_slice() else { return false };
    let Ok(envelope) = open_envelope(only) else { return false };
    let opened = envelope::Opened::open(&envelope);
    opened.is_ok_and(|opened| opened.kind() == Some(HeaderType::Config))
}

fn check_scanned(raw: &[u8], scanned: &Scanned) -> Result<(), Fault> {
    if scanned.payload.is_empty() {
        return Err(Fault::NoPayload);
    }
    if scanned.signature.is_empty() {
        return Err(Fault::NoSignature);
    }
    let payload = &raw[scanned.payload.clone()];
    let signature = &raw[scanned.signature.clone()];
    let expected = scan::field_len(payload) + scan::field_len(signature) + scanned.unknown.len();
    if expected < raw.len() {
        return Err(Fault::Trailing(raw.len() - expected));
    }
    let rest =
        scan::strip_field(raw, 1, payload).and_then(|rest| scan::strip_field(rest, 2, signature));
    match rest == Some(&scanned.unknown[..]) {
        true => Ok(()),
        false => Err(Fault::NotCanonical),
    }
}

#[cfg(test)]
mod tests;
