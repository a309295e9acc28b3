//! Refusals: a stable code, a class, a sentence and a hint, in one line that a client can take apart.

use std::fmt;

/// The kind of a refusal, named as gRPC names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Malformed, oversize or unknown input.
    InvalidArgument,
    /// The caller's role or organisation may not do this.
    PermissionDenied,
    /// No such thing, or none that the caller may know of: the same answer.
    NotFound,
    /// The id is taken.
    AlreadyExists,
    /// The thing is in another state, or the caller's knowledge of it is old.
    FailedPrecondition,
    /// A limit is reached.
    ResourceExhausted,
    /// A signature, proof or hash does not fit.
    ProofInvalid,
    /// The peer or the chaincode failed.
    Internal,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::ProofInvalid => "PROOF_INVALID",
            Self::Internal => "INTERNAL",
        })
    }
}

/// One kind of refusal that a contract publishes; its id never changes its meaning.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// `CR-CC-…`, the name of its documentation page.
    pub id: &'static str,
    /// What kind of refusal it is.
    pub class: Class,
    /// What the caller can do about it.
    pub hint: &'static str,
}

impl ErrorCode {
    /// Declares a code.
    pub const fn new(id: &'static str, class: Class, hint: &'static str) -> Self {
        Self { id, class, hint }
    }

    /// A refusal of this kind with its reason, a lower-case fragment.
    pub fn because(&'static self, reason: impl Into<String>) -> ContractError {
        ContractError { code: self, pointer: None, reason: reason.into() }
    }
}

/// A refusal; written as `CR-CC-003 INVALID_ARGUMENT at /cid: reason (hint: …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// Which kind of refusal.
    pub code: &'static ErrorCode,
    /// Where in the argument, as a JSON pointer whose first part is the argument's name.
    pub pointer: Option<String>,
    /// Why.
    pub reason: String,
}

impl ContractError {
    /// Adds the place in the input.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.id, self.code.class)?;
        if let Some(pointer) = &self.pointer {
            write!(f, " at {pointer}")?;
        }
        write!(f, ": {} (hint: {})", self.reason, self.code.hint)
    }
}

impl std::error::Error for ContractError {}

impl From<crate::StubError> for ContractError {
    fn from(error: crate::StubError) -> Self {
        codes::PEER.because(error.to_string())
    }
}

impl From<crate::key::KeyError> for ContractError {
    fn from(error: crate::key::KeyError) -> Self {
        codes::VALUE.because(error.to_string())
    }
}

/// The refusals that dispatch itself makes, for every chaincode.
pub mod codes {
    use super::{Class, ErrorCode};

    /// No such contract or function.
    pub const FUNCTION: &ErrorCode = &ErrorCode::new(
        "CR-CC-001",
        Class::InvalidArgument,
        "call org.hyperledger.fabric:GetMetadata for the list of functions",
    );
    /// The number of arguments differs.
    pub const ARITY: &ErrorCode = &ErrorCode::new(
        "CR-CC-002",
        Class::InvalidArgument,
        "call org.hyperledger.fabric:GetMetadata for the arguments of the function",
    );
    /// An argument has the wrong type or is no JSON of the right shape.
    pub const TYPE: &ErrorCode = &ErrorCode::new(
        "CR-CC-003",
        Class::InvalidArgument,
        "compare the argument with its schema in the contract metadata",
    );
    /// The peer failed to serve the chaincode.
    pub const PEER: &ErrorCode =
        &ErrorCode::new("CR-CC-005", Class::Internal, "look into the log of the endorsing peer");
    /// A transient field that the function does not know.
    pub const TRANSIENT: &ErrorCode = &ErrorCode::new(
        "CR-CC-006",
        Class::InvalidArgument,
        "send only the transient fields that the metadata names",
    );
    /// The creator's identity holds no certificate that can be read.
    pub const CREATOR: &ErrorCode = &ErrorCode::new(
        "CR-CC-007",
        Class::PermissionDenied,
        "use an identity of X.509 type issued by a CA of the channel",
    );
    /// The chaincode itself failed.
    pub const FAILED: &ErrorCode =
        &ErrorCode::new("CR-CC-009", Class::Internal, "report it with the transaction id");
    /// An argument of the right type has a value that makes no sense.
    pub const VALUE: &ErrorCode = &ErrorCode::new(
        "CR-CC-010",
        Class::InvalidArgument,
        "compare the value with the limits in the documentation of the function",
    );
    /// The caller's role may not call the function.
    pub const ROLE: &ErrorCode = &ErrorCode::new(
        "CR-CC-020",
        Class::PermissionDenied,
        "use an identity whose carecord.role attribute the metadata lists for the function",
    );

    /// All of them, for the documentation pages.
    pub const ALL: &[&ErrorCode] =
        &[FUNCTION, ARITY, TYPE, PEER, TRANSIENT, CREATOR, FAILED, VALUE, ROLE];
}
