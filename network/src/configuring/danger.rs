//! Changes that the rules allow and that somebody would regret: said before they are made (threats C9).
//!
//! Ordering follows policy and nothing else; these warnings are the command line's own, and `--force` passes them by.

use std::collections::{BTreeMap, BTreeSet};

use carecord_channel::Bundle;
use carecord_channel::policy::Policy;
use carecord_msp::Identity;
use carecord_proto::common::signature_policy::Type;
use carecord_proto::common::{
    ConfigGroup, Envelope, MspPrincipal, MspRole, SignaturePolicy as Rule, msp_principal, msp_role,
};
use carecord_proto::msp::{FabricMspConfig, MspConfig, SerializedIdentity};
use prost::Message;

use super::Current;
use super::explain::identities;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const SECTIONS: [&str; 2] = ["Application", "Orderer"];
/// Rules without which nobody could use the channel or change it.
const VITAL: [&str; 6] = [
    "/Channel/Admins",
    "/Channel/Readers",
    "/Channel/Writers",
    "/Channel/Application/Admins",
    "/Channel/Orderer/Admins",
    "/Channel/Orderer/BlockValidation",
];

/// Refuses an update with dangers unless it is forced; `own` is the organisation that submits it.
pub fn refuse_dangers(
    current: &Current,
    envelope: &Envelope,
    own: &str,
    force: bool,
) -> Outcome<()> {
    // What is not even accepted is said by the submission, in the ordering service's words.
    let Ok((_, next)) = current.bundle.propose_update(envelope) else { return Ok(()) };
    let dangers = dangers(&current.bundle, &next, own, &identities(&current.bundle, envelope));
    if force || dangers.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Code::ConfigDangerous, dangers.join("; "))
        .at(format!("channel {}", current.channel))
        .hint("nothing was submitted; --force submits it nevertheless"))
}

/// What would happen by going from `before` to `after`, as far as somebody would regret it.
pub fn dangers(
    before: &Bundle,
    after: &Bundle,
    own: &str,
    signers: &[std::sync::Arc<Identity>],
) -> Vec<String> {
    let (old, new) = (Msps::of(before), Msps::of(after));
    let mut dangers = Vec::new();
    for section in SECTIONS {
        let (was, is) = (organisations(before, section), organisations(after, section));
        if was.iter().any(|(_, msp_id)| msp_id == own) && !is.iter().any(|(_, id)| id == own) {
            dangers.push(format!(
                "your own organisation {own} would leave {section} and lose its rights there"
            ));
        }
        if !was.is_empty() && is.is_empty() {
            dangers.push(format!("no organisation would be left in {section}; rules over its members then hold for anybody"));
        }
    }
    for (msp_id, has_admin) in &new.0 {
        if !has_admin && old.0.get(msp_id) == Some(&true) {
            dangers.push(format!("{msp_id} would have no administrator any more: its MSP names none and has no admin OU"));
        }
    }
    for path in VITAL {
        if old.possible(&before.policy(path)) && !new.possible(&after.policy(path)) {
            dangers.push(format!("nobody could satisfy {path} any more"));
        }
    }
    let was_locked = locked(before, &old);
    for element in locked(after, &new).difference(&was_locked) {
        dangers.push(format!("nobody could change {element} any more"));
    }
    for signer in signers {
        let administers = |bundle: &Bundle| administers(bundle, signer.serialized());
        if administers(before) && !administers(after) {
            let name = signer.common_name();
            dangers.push(format!(
                "{name} of {}, who signs this, would no longer be an administrator",
                signer.msp_id()
            ));
        }
    }
    dangers
}

/// Whether the holder of a certificate is an administrator of any organisation of the channel.
fn administers(bundle: &Bundle, serialized: &[u8]) -> bool {
    let Ok(identity) = bundle.msps().identity(serialized) else { return false };
    let admin = MspRole {
        msp_identifier: identity.msp_id().to_owned(),
        role: msp_role::MspRoleType::Admin as i32,
    };
    let principal = MspPrincipal {
        principal_classification: msp_principal::Classification::Role as i32,
        principal: admin.encode_to_vec().into(),
    };
    identity.validate().is_ok() && identity.satisfies(&principal).is_ok()
}

/// Name and MSP id of the organisations of a section.
fn organisations(bundle: &Bundle, section: &str) -> Vec<(String, String)> {
    let own = |name: &String, msp_id: &String| (name.clone(), msp_id.clone());
    match section {
        "Orderer" => bundle.orderer().map_or_else(Vec::new, |orderer| {
            orderer.organizations.iter().map(|(name, org)| own(name, &org.msp_id)).collect()
        }),
        _ => bundle.application().map_or_else(Vec::new, |application| {
            application.organizations.iter().map(|(name, org)| own(name, &org.msp_id)).collect()
        }),
    }
}

/// Elements whose `mod_policy` nobody can satisfy.
fn locked(bundle: &Bundle, msps: &Msps) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(root) = &bundle.config().channel_group {
        walk(root, "/Channel", &mut |path, home, mod_policy| {
            let policy = match mod_policy {
                absolute if absolute.starts_with('/') => bundle.policy(absolute),
                relative => bundle.policy(&format!("{home}/{relative}")),
            };
            if !msps.possible(&policy) {
                found.insert(path.to_owned());
            }
        });
    }
    found
}

/// Visits every element with its path, the path of its group and its `mod_policy`.
fn walk(group: &ConfigGroup, path: &str, visit: &mut dyn FnMut(&str, &str, &str)) {
    visit(path, path, &group.mod_policy);
    for (key, value) in &group.values {
        visit(&format!("{path}/{key}"), path, &value.mod_policy);
    }
    for (key, policy) in &group.policies {
        visit(&format!("{path}/{key}"), path, &policy.mod_policy);
    }
    for (key, group) in &group.groups {
        walk(group, &format!("{path}/{key}"), visit);
    }
}

/// The MSPs of a configuration, and whether each can have an administrator.
struct Msps(BTreeMap<String, bool>);

// === impl Msps ===

impl Msps {
    fn of(bundle: &Bundle) -> Self {
        let mut msps = BTreeMap::new();
        let root = bundle.config().channel_group.as_ref();
        let groups = SECTIONS.iter().filter_map(|name| root?.groups.get(*name));
        for organisation in groups.flat_map(|section| section.groups.values()) {
            let msp = organisation.values.get("MSP").map(|value| value.value.clone());
            let config = msp.and_then(|msp| MspConfig::decode(msp).ok()).unwrap_or_default();
            let msp = FabricMspConfig::decode(config.config).unwrap_or_default();
            let ous = msp.fabric_node_ous.filter(|ous| ous.enable);
            let has_admin =
                !msp.admins.is_empty() || ous.is_some_and(|ous| ous.admin_ou_identifier.is_some());
            msps.insert(msp.name, has_admin);
        }
        Self(msps)
    }

    /// Whether anybody at all could satisfy a policy.
    fn possible(&self, policy: &Policy) -> bool {
        match policy {
            Policy::Signature(policy) => policy
                .envelope()
                .rule
                .as_ref()
                .is_some_and(|rule| self.fulfilled(rule, policy.principals())),
            Policy::ImplicitMeta(meta) => {
                meta.parts().iter().filter(|part| self.possible(part)).count() >= meta.threshold()
            }
            Policy::Reject(_) => false,
        }
    }

    fn fulfilled(&self, rule: &Rule, principals: &[MspPrincipal]) -> bool {
        match &rule.r#type {
            Some(Type::SignedBy(index)) => usize::try_from(*index)
                .ok()
                .and_then(|index| principals.get(index))
                .is_some_and(|principal| self.exists(principal)),
            Some(Type::NOutOf(gate)) => {
                let held =
                    gate.rules.iter().filter(|rule| self.fulfilled(rule, principals)).count();
                i64::from(gate.n) <= i64::try_from(held).unwrap_or(i64::MAX)
            }
            None => false,
        }
    }

    fn exists(&self, principal: &MspPrincipal) -> bool {
        use msp_principal::Classification;
        let bytes = principal.principal.clone();
        match Classification::try_from(principal.principal_classification) {
            Ok(Classification::Role) => MspRole::decode(bytes).is_ok_and(|role| {
                let admin = role.role == msp_role::MspRoleType::Admin as i32;
                self.0.get(&role.msp_identifier).is_some_and(|has_admin| *has_admin || !admin)
            }),
            Ok(Classification::Identity) => SerializedIdentity::decode(bytes)
                .is_ok_and(|identity| self.0.contains_key(&identity.mspid)),
            _ => true,
        }
    }
}
