//! What a definition says, in the words in which it is given.

use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::common::signature_policy::Type;
use carecord_proto::common::{MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope};
use carecord_proto::protos::{
    ApplicationPolicy, CollectionConfigPackage, application_policy, collection_config,
};
use prost::Message;

/// What stands for a rule that this language has no word for.
const OTHER: &str = "?";

/// The policy of a validation parameter: the path of a channel policy, or an expression.
pub fn policy_text(parameter: &[u8]) -> String {
    use application_policy::Type;
    if parameter.is_empty() {
        return carecord_channel::ENDORSEMENT.to_owned();
    }
    match ApplicationPolicy::decode(parameter).ok().and_then(|policy| policy.r#type) {
        Some(Type::ChannelConfigPolicyReference(path)) => path,
        Some(Type::SignaturePolicy(policy)) => expression(&policy),
        None => OTHER.to_owned(),
    }
}

/// The names of static collections.
pub fn collection_names(package: &CollectionConfigPackage) -> Vec<String> {
    let payloads = package.config.iter().filter_map(|config| config.payload.as_ref());
    let name = |payload: &collection_config::Payload| {
        let collection_config::Payload::StaticCollectionConfig(collection) = payload;
        collection.name.clone()
    };
    payloads.map(name).collect()
}

fn expression(policy: &SignaturePolicyEnvelope) -> String {
    let rule = policy.rule.as_ref();
    rule.map_or_else(|| OTHER.to_owned(), |rule| gate(rule, &policy.identities))
}

fn gate(rule: &SignaturePolicy, principals: &[MspPrincipal]) -> String {
    match &rule.r#type {
        Some(Type::SignedBy(index)) => {
            let named = usize::try_from(*index).ok().and_then(|index| principals.get(index));
            named.and_then(principal).unwrap_or_else(|| OTHER.to_owned())
        }
        Some(Type::NOutOf(gate_of)) => {
            let inner: Vec<_> = gate_of.rules.iter().map(|rule| gate(rule, principals)).collect();
            let (asked, all) = (gate_of.n, inner.join(", "));
            if usize::try_from(asked).is_ok_and(|asked| asked == inner.len()) {
                format!("AND({all})")
            } else if asked == 1 {
                format!("OR({all})")
            } else {
                format!("OutOf({asked}, {all})")
            }
        }
        None => OTHER.to_owned(),
    }
}

fn principal(principal: &MspPrincipal) -> Option<String> {
    if principal.principal_classification != i32::from(Classification::Role) {
        return None;
    }
    let role = MspRole::decode(principal.principal.clone()).ok()?;
    let word = match MspRoleType::try_from(role.role).ok()? {
        MspRoleType::Member => "member",
        MspRoleType::Admin => "admin",
        MspRoleType::Client => "client",
        MspRoleType::Peer => "peer",
        MspRoleType::Orderer => "orderer",
    };
    Some(format!("'{}.{word}'", role.msp_identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_shown_as_it_is_written() {
        for text in [
            "AND('AMSP.peer', 'BMSP.admin')",
            "OR('AMSP.member', AND('BMSP.peer', 'CMSP.client'))",
            "OutOf(2, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')",
            "/Channel/Application/Endorsement",
        ] {
            assert_eq!(policy_text(&super::super::policy(text).unwrap()), text);
        }
        assert_eq!(policy_text(b""), carecord_channel::ENDORSEMENT);
        assert_eq!(policy_text(b"\xff"), OTHER);
    }
}
