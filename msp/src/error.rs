//! Why an MSP, an identity, a principal or a signature was refused.
//!
//! The texts of refusals are Fabric's, because people and scripts match on them; the variant says at which step it
//! happened.

use crate::x509;

/// A refusal; `Display` gives the text that Fabric gives for the same case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A step in which another refusal happened.
    #[error("{context}: {cause}")]
    Within {
        /// The step.
        context: String,
        /// What happened in it.
        cause: Box<Error>,
    },
    /// The creator or endorser bytes are no message.
    #[error("could not deserialize a SerializedIdentity: {0}")]
    SerializedIdentity(String),
    /// No organisation of the channel has this MSP id.
    #[error("MSP {0} is not defined on channel")]
    UnknownMsp(String),
    /// An identity of another organisation was shown to one MSP.
    #[error("expected MSP ID {expected}, received {received}")]
    OtherMsp {
        /// The MSP's own id.
        expected: String,
        /// The id that the identity names.
        received: String,
    },
    /// A certificate could not be read or does not chain to a root.
    #[error(transparent)]
    Certificate(#[from] x509::Error),
    /// The certificate's key is of no kind that Fabric knows.
    #[error("Certificate's public key type not recognized. Supported keys: [ECDSA, ED25519, RSA]")]
    UnknownKey,
    /// The MSP's configuration is not usable.
    #[error("{0}")]
    Setup(String),
    /// The identity is not valid under its MSP.
    #[error("{0}")]
    Identity(String),
    /// The identity does not satisfy a principal, or the principal makes no sense.
    #[error("{0}")]
    Principal(String),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] crate::signature::Error),
    /// The identity is readable but not in the one form that peers show each other.
    #[error("{0}")]
    NotWellFormed(String),
    /// A key or certificate file could not be used.
    #[error("{0}")]
    Keystore(String),
}

impl Error {
    /// Puts the name of a step before the refusal, as callers up the way do.
    pub fn within(self, context: impl Into<String>) -> Self {
        Error::Within { context: context.into(), cause: Box::new(self) }
    }

    /// The same, if the refusal is about the kind of key.
    pub(crate) fn within_if_key(self, context: &str) -> Self {
        if self == Error::UnknownKey { self.within(context) } else { self }
    }
}
