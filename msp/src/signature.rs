//! Signatures as Fabric takes them: ECDSA over a 256-bit digest with low S, or Ed25519 over the message.

/// Why a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The numbers do not fit key and message.
    #[error("The signature is invalid")]
    Invalid,
}
