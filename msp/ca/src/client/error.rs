//! What can go wrong in a call.

/// Why a call did not give what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no service at the address.
    #[error("the CA at {address} cannot be reached: {source}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The service refused.
    #[error("the CA refused with code {code}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Fabric-CA's error number.
        code: u64,
        /// The service's text.
        message: String,
    },
    /// The answer is not what a Fabric-CA answers.
    #[error("the answer is no CA's: {0}")]
    Answer(String),
    /// A certificate, key or request of ours is not usable.
    #[error("{0}")]
    Credential(String),
}
