//! How reading a message fails: always with the name of the layer, in the words that Fabric's clients know.

use bytes::Bytes;
use prost::Message;

use crate::wire_types;

/// A layer of a message that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error unmarshalling {layer}: {source}")]
pub struct Malformed {
    /// The message's name, as Fabric writes it.
    pub layer: &'static str,
    /// What the decoder met.
    pub source: prost::DecodeError,
}

/// Reads one layer without copying its byte fields.
///
/// A field of a transaction's messages that has another wire type than its own is skipped, as Fabric does.
pub fn decode<M: Message + Default>(layer: &'static str, bytes: &Bytes) -> Result<M, Malformed> {
    M::decode(bytes.clone()).or_else(|source| {
        let read = wire_types::as_go(layer, bytes).and_then(|bytes| M::decode(bytes).ok());
        read.ok_or(Malformed { layer, source })
    })
}
