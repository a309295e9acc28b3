//! Application policies: what a chaincode definition, a collection or a key says about its endorsements.
//!
//! Either a signature policy of its own or the path of one in the channel's configuration.

use carecord_msp::Identity;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::protos::ApplicationPolicy;
use carecord_proto::protos::application_policy::Type;
use prost::Message;
use std::sync::Arc;

use super::{CompileError, Policy, PolicyError, dsl};
use crate::Bundle;

/// Why an application policy does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationPolicyError {
    /// Not such a message.
    #[error("failed to unmarshal ApplicationPolicy bytes: {0}")]
    Decode(#[from] prost::DecodeError),
    /// Its own signature policy does not compile.
    #[error("could not create evaluator for signature policy: {0}")]
    Compile(#[from] CompileError),
    /// The channel has no policy at its path.
    #[error(
        "could not create evaluator for channel reference policy: failed to retrieve policy for reference {0}"
    )]
    Reference(String),
    /// Neither of the two.
    #[error("unsupported policy type <nil>")]
    Empty,
    /// The policy itself says no.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// The policy that the bytes of an application policy mean under this configuration; keep it while the bundle lasts.
pub fn from_application_policy(
    bytes: &[u8],
    bundle: &Bundle,
) -> Result<Arc<Policy>, ApplicationPolicyError> {
    match ApplicationPolicy::decode(bytes)?.r#type {
        Some(Type::SignaturePolicy(envelope)) => Ok(Arc::new(Policy::signature(envelope)?)),
        Some(Type::ChannelConfigPolicyReference(path)) => {
            let policy = bundle.policy(&path);
            if policy.is_reject() {
                return Err(ApplicationPolicyError::Reference(path));
            }
            Ok(policy)
        }
        None => Err(ApplicationPolicyError::Empty),
    }
}

/// Whether `identities` satisfy the application policy in `bytes`.
pub fn evaluate(
    bytes: &[u8],
    bundle: &Bundle,
    identities: &[Arc<Identity>],
) -> Result<(), ApplicationPolicyError> {
    Ok(from_application_policy(bytes, bundle)?.evaluate(identities)?)
}

/// "Any member of `n` of these organisations", what Fabric falls back to where a configuration has no policy.
pub fn signed_by_n_members<'a>(n: usize, msp_ids: impl IntoIterator<Item = &'a str>) -> Policy {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    let envelope = dsl::n_out_of_organisations(n, msp_ids, MspRoleType::Member);
    match Policy::signature(envelope) {
        Ok(policy) => policy,
        Err(_) => Policy::Reject(String::new()),
    }
}
