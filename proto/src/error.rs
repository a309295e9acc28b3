//! How reading a message fails: always with the name of the layer, in the words that Fabric's clients know.

use bytes::Bytes;
use prost::Message;

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
pub fn decode<M: Message + Default>(layer: &'static str, bytes: &Bytes) -> Result<M, Malformed> {
    M::decode(bytes.clone()).map_err(|source| Malformed { layer, source })
}
