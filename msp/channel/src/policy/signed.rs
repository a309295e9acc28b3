//! From signatures to the identities that a policy may count.

use bytes::Bytes;
use carecord_msp::{Identity, MspManager};
use carecord_proto::common::{ConfigUpdateEnvelope, Envelope, Payload, SignatureHeader};
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A signature with all that is needed to check it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData {
    /// Who signed: a serialized identity, as received.
    pub identity: Bytes,
    /// What was signed.
    pub data: Bytes,
    /// The signature.
    pub signature: Bytes,
}

/// Why a message does not say who signed it.
#[derive(Debug, thiserror::Error)]
pub enum SignedDataError {
    /// An envelope's payload is not one.
    #[error("error unmarshalling Payload: {0}")]
    Payload(#[source] prost::DecodeError),
    /// An envelope without header.
    #[error("missing Header")]
    NoHeader,
    /// A signature header is not one.
    #[error("error unmarshalling SignatureHeader: {0}")]
    SignatureHeader(#[source] prost::DecodeError),
}

// === impl SignedData ===

impl SignedData {
    /// The creator's signature over an envelope's payload.
    pub fn of_envelope(envelope: &Envelope) -> Result<Self, SignedDataError> {
        let payload =
            Payload::decode(envelope.payload.clone()).map_err(SignedDataError::Payload)?;
        let header = payload.header.ok_or(SignedDataError::NoHeader)?;
        let header = SignatureHeader::decode(header.signature_header)
            .map_err(SignedDataError::SignatureHeader)?;
        Ok(Self {
            identity: header.creator,
            data: envelope.payload.clone(),
            signature: envelope.signature.clone(),
        })
    }

    /// The signatures collected under a configuration update: each over its own header and the update.
    pub fn of_config_update(update: &ConfigUpdateEnvelope) -> Result<Vec<Self>, SignedDataError> {
        let signatures = update.signatures.iter().map(|signature| {
            let header = SignatureHeader::decode(signature.signature_header.clone())
                .map_err(SignedDataError::SignatureHeader)?;
            let data = [&signature.signature_header[..], &update.config_update[..]].concat();
            Ok(Self {
                identity: header.creator,
                data: data.into(),
                signature: signature.signature.clone(),
            })
        });
        signatures.collect()
    }
}

/// The distinct identities of the channel with a good signature among `signatures`, in order.
///
/// A repeated identity is left out before its signature is looked at, so that nobody can make us check thousands of
/// them; but only an identity with a good signature counts as seen, so a bad one before it does no harm.
/// Nothing here is an error: who cannot be read, is unknown or did not sign is simply not there.
pub fn valid_identities(msps: &MspManager, signatures: &[SignedData]) -> Vec<Arc<Identity>> {
    let known: Vec<_> = signatures
        .iter()
        .filter_map(|signed| Some((signed, msps.identity(&signed.identity).ok()?)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut valid = Vec::with_capacity(known.len());
    for (signed, identity) in &known {
        let key = (identity.identifier(), identity.msp_id());
        if seen.contains(&key) || identity.verify(&signed.data, &signed.signature).is_err() {
            continue;
        }
        seen.insert(key);
        valid.push(Arc::clone(identity));
    }
    valid
}
