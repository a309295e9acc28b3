//! Whether somebody may use a resource of a channel, or of the peer as a whole.

use std::sync::Arc;

use carecord_channel::{Bundle, SignedData, acl::LocalPolicy};
use carecord_msp::{Identity, Msp};
use carecord_proto::{
    common::{MspPrincipal, MspRole, msp_principal::Classification, msp_role::MspRoleType},
    protos::SignedProposal,
};
use prost::Message;

/// Whether `identity`, whose signature is already checked, may use `resource` of the channel.
pub(crate) fn check_identity(
    bundle: &Bundle,
    resource: &str,
    identity: &Arc<Identity>,
) -> Result<(), String> {
    let path = bundle.acl(resource);
    if path.is_empty() {
        return Err(format!("Unmapped policy for {resource}"));
    }
    bundle
        .evaluate_identities(path, std::slice::from_ref(identity))
        .map_err(|error| refusal(bundle, resource, path, &error.to_string()))
}

/// Whether the signer of `signed` may use `resource` of the channel.
pub(crate) fn check_signed(
    bundle: &Bundle,
    resource: &str,
    signed: SignedData,
) -> Result<(), String> {
    let path = bundle.acl(resource);
    if path.is_empty() {
        return Err(format!("Unmapped policy for {resource}"));
    }
    bundle
        .evaluate(path, &[signed])
        .map_err(|error| refusal(bundle, resource, path, &error.to_string()))
}

/// Whether the peer's own organisation lets the proposal's creator use a resource of the peer as a whole.
pub(crate) fn check_local(
    msp: &Msp,
    policy: LocalPolicy,
    creator: &[u8],
    signed: &SignedProposal,
) -> Result<(), String> {
    check_local_signed(msp, policy, creator, &signed.proposal_bytes, &signed.signature)
}

/// The same for whatever bytes its creator has signed.
pub(crate) fn check_local_signed(
    msp: &Msp,
    policy: LocalPolicy,
    creator: &[u8],
    data: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let (name, role) = match policy {
        LocalPolicy::Admins => ("Admins", MspRoleType::Admin),
        LocalPolicy::Members => ("Members", MspRoleType::Member),
    };
    let failed = |step: &str, error: carecord_msp::Error| {
        tracing::info!(policy = name, %error, "access to the peer refused");
        format!("Failed {step} during channelless check policy with policy [{name}]: [{error}]")
    };
    let identity =
        msp.identity(creator).map_err(|error| failed("deserializing proposal creator", error))?;
    let verifying = "verifying that proposal's creator satisfies local MSP principal";
    identity.satisfies(&principal(msp, role)).map_err(|error| failed(verifying, error))?;
    identity.verify(data, signature).map_err(|error| failed("verifying the signature", error))
}

fn principal(msp: &Msp, role: MspRoleType) -> MspPrincipal {
    let role = MspRole { msp_identifier: msp.id().to_owned(), role: role as i32 };
    MspPrincipal {
        principal_classification: Classification::Role as i32,
        principal: role.encode_to_vec().into(),
    }
}

/// The text differs in Fabric with where the rule was found: in the configuration or among the defaults.
fn refusal(bundle: &Bundle, resource: &str, path: &str, reason: &str) -> String {
    let configured =
        bundle.application().is_some_and(|application| application.acls.contains_key(resource));
    if configured {
        format!("failed evaluating policy on signed data during check policy [{path}]: [{reason}]")
    } else {
        let channel = bundle.channel_id();
        format!(
            "Failed evaluating policy on signed data during check policy on channel [{channel}] \
             with policy [{path}]: [{reason}]"
        )
    }
}
