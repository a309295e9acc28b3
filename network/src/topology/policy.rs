//! Endorsement policies as a topology writes them.

/// The policy of a chaincode that names none: a majority of the member organisations.
pub(super) const DEFAULT: &str = "/Channel/Application/Endorsement";
const REFERENCE_PREFIX: &str = "/Channel/Application/";

/// Checks a policy against the MSPs of the channel's members.
pub(super) fn check(policy: &str, msp_ids: &[&str]) -> Result<(), String> {
    if let Some(name) = policy.strip_prefix(REFERENCE_PREFIX) {
        return match name {
            "Endorsement" | "LifecycleEndorsement" | "Admins" | "Writers" | "Readers" => Ok(()),
            _ => Err(format!("the channel has no policy {policy:?}")),
        };
    }
    carecord_channel::policy::dsl::parse(policy).map_err(|error| error.to_string())?;
    match quoted(policy).find(|msp_id| !msp_ids.contains(msp_id)) {
        None => Ok(()),
        Some(stranger) => Err(format!(
            "the policy names {stranger:?}, which is no member's MSP id; members are {}",
            msp_ids.join(", ")
        )),
    }
}

/// The MSP ids of an expression whose principals are written `'MSP.role'`.
fn quoted(policy: &str) -> impl Iterator<Item = &str> {
    policy
        .split(['\'', '"'])
        .skip(1)
        .step_by(2)
        .map(|principal| principal.rsplit_once('.').map_or(principal, |(msp_id, _)| msp_id))
}
