//! What a chaincode answers.

use bytes::Bytes;

/// The answer of one call; a peer endorses it only if the status is below 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 for success, 500 for a refusal.
    pub status: i32,
    /// The reason of a refusal; empty on success.
    pub message: String,
    /// The result of a success; empty on refusal.
    pub payload: Bytes,
}

impl Response {
    /// Status of a call that did what was asked.
    pub const OK: i32 = 200;
    /// Status of a call that was refused and changes nothing.
    pub const ERROR: i32 = 500;
    /// From this status on a peer does not endorse.
    pub const ERROR_THRESHOLD: i32 = 400;

    /// A success with its result.
    pub fn success(payload: impl Into<Bytes>) -> Self {
        Self { status: Self::OK, message: String::new(), payload: payload.into() }
    }

    /// A refusal with its reason.
    pub fn error(message: impl Into<String>) -> Self {
        Self { status: Self::ERROR, message: message.into(), payload: Bytes::new() }
    }

    /// Whether a peer may endorse this answer.
    pub fn is_endorsable(&self) -> bool {
        self.status < Self::ERROR_THRESHOLD
    }
}
