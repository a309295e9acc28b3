//! Policies: whose signatures are enough for what.
//!
//! Place in the flow: a [`crate::Bundle`] holds the policies of a configuration as [`Policies`]; the orderer asks them
//! about envelopes and configuration updates, the peer about proposals, endorsements and readers. Signatures are
//! turned into [`Identity`]s once ([`valid_identities`]), and everything after that works on identities.

mod application;
pub mod dsl;
mod implicit;
mod lacking;
mod plan;
mod signature;
mod signed;
mod tree;

pub use application::{
    ApplicationPolicyError, evaluate, from_application_policy, signed_by_n_members,
};
pub use implicit::ImplicitMeta;
pub use lacking::lacking_orgs;
pub use plan::{Layout, MAX_LAYOUTS, choose, layouts, satisfying_orgs};
pub use signature::{MAX_POLICY_DEPTH, MAX_POLICY_RULES, SignaturePolicy};
pub use signed::{SignedData, SignedDataError, valid_identities};
pub use tree::{Policies, PolicyConfigError};

use carecord_msp::{Identity, MspManager};
use carecord_proto::common::SignaturePolicyEnvelope;
use std::sync::Arc;

/// One policy, of whichever kind, ready to be asked.
#[derive(Debug, Clone)]
pub enum Policy {
    /// Named principals and gates over them.
    Signature(SignaturePolicy),
    /// So many of the sub-groups' policies of one name.
    ImplicitMeta(ImplicitMeta),
    /// Stands for a policy that does not exist, by the name asked for; nothing satisfies it.
    Reject(String),
}

/// Why a policy was not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The identities do not fulfil the rules.
    #[error("signature set did not satisfy policy")]
    NotSatisfied,
    /// Too few (or, with an unknown rule, too many) sub-groups' policies hold.
    #[error(
        "implicit policy evaluation failed - {satisfied} sub-policies were satisfied, but this policy requires \
         {required} of the '{name}' sub-policies to be satisfied"
    )]
    SubPolicies {
        /// How many hold.
        satisfied: usize,
        /// How many should.
        required: usize,
        /// Their common name.
        name: String,
    },
    /// There is no policy of this name.
    #[error("no such policy: '{0}'")]
    NoSuchPolicy(String),
}

/// Why a policy message cannot be made into a policy.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Not a signature policy message.
    #[error("Error unmarshalling to SignaturePolicy: {0}")]
    Signature(#[source] prost::DecodeError),
    /// Not an implicit meta policy message.
    #[error("Error unmarshalling to ImplicitMetaPolicy: {0}")]
    ImplicitMeta(#[source] prost::DecodeError),
    /// A later format.
    #[error("This evaluator only understands messages of version 0, but version was {0}")]
    Version(i32),
    /// No rule at all.
    #[error("Empty policy element")]
    EmptyElement,
    /// A rule that is neither a leaf nor a gate.
    #[error("Unknown type: <nil>:<nil>")]
    UnknownType,
    /// A leaf that points past the list of principals.
    #[error(
        "identity index out of range, requested {index}, but identities length is {principals}"
    )]
    PrincipalIndex {
        /// What the leaf says.
        index: i32,
        /// How many there are.
        principals: usize,
    },
    /// Nested beyond [`MAX_POLICY_DEPTH`].
    #[error("rules are nested deeper than {MAX_POLICY_DEPTH}")]
    TooDeep,
    /// Larger than [`MAX_POLICY_RULES`].
    #[error("more than {MAX_POLICY_RULES} rules")]
    TooManyRules,
}

// === impl Policy ===

impl Policy {
    /// The policy that a signature policy envelope of a chaincode, a collection or a key describes.
    pub fn signature(envelope: SignaturePolicyEnvelope) -> Result<Self, CompileError> {
        SignaturePolicy::compile(envelope).map(Self::Signature)
    }

    /// Whether `identities` satisfy it; they must be distinct and their signatures already checked.
    pub fn evaluate(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError> {
        match self {
            Self::Signature(policy) => policy.evaluate(identities),
            Self::ImplicitMeta(policy) => policy.evaluate(identities),
            Self::Reject(name) => Err(PolicyError::NoSuchPolicy(name.clone())),
        }
    }

    /// Whether the good ones among `signatures` satisfy it.
    pub fn evaluate_signed(
        &self,
        msps: &MspManager,
        signatures: &[SignedData],
    ) -> Result<(), PolicyError> {
        if let Self::Reject(name) = self {
            return Err(PolicyError::NoSuchPolicy(name.clone()));
        }
        self.evaluate(&valid_identities(msps, signatures))
    }

    /// Whether it stands for a policy that does not exist.
    pub fn is_reject(&self) -> bool {
        matches!(self, Self::Reject(_))
    }
}
