//! The static collections of a definition: well named, of members of the channel, and none of the old ones lost.

use carecord_channel::{Bundle, policy::SignaturePolicy};
use carecord_proto::{
    common::{
        self, MspRole, OrganizationUnit, msp_principal::Classification, signature_policy::Type,
    },
    protos::{
        CollectionConfigPackage, StaticCollectionConfig, collection_config,
        collection_policy_config,
    },
};
use prost::Message;

use super::input::alphanumeric;

/// Checks the proposed collections by themselves.
pub(super) fn check(bundle: &Bundle, package: &CollectionConfigPackage) -> Result<(), String> {
    let mut names = std::collections::BTreeSet::new();
    for config in &package.config {
        let Some(collection_config::Payload::StaticCollectionConfig(collection)) = &config.payload
        else {
            return Err("collection config contains unexpected payload type: <nil>".to_owned());
        };
        let name = &collection.name;
        let well_named = name.chars().next().is_some_and(|c| alphanumeric(c) || c == '-')
            && name.chars().all(|c| alphanumeric(c) || "_-".contains(c));
        if !well_named {
            return Err(format!(
                "invalid collection name '{name}'. Names can only consist of alphanumerics, '_', \
                 and '-' and cannot begin with '_'"
            ));
        }
        if !names.insert(name) {
            return Err(format!(
                "collection-name: {name} -- found duplicate in collection configuration"
            ));
        }
        check_one(bundle, collection)?;
    }
    Ok(())
}

fn check_one(bundle: &Bundle, collection: &StaticCollectionConfig) -> Result<(), String> {
    let name = &collection.name;
    let (required, maximum) = (collection.required_peer_count, collection.maximum_peer_count);
    if maximum < required {
        return Err(format!(
            "collection-name: {name} -- maximum peer count ({maximum}) cannot be less than the \
             required peer count ({required})"
        ));
    }
    if required < 0 {
        return Err(format!(
            "collection-name: {name} -- requiredPeerCount ({required}) cannot be less than zero"
        ));
    }
    let policy = collection
        .member_orgs_policy
        .as_ref()
        .ok_or_else(|| format!("collection member policy is not set for collection '{name}'"))?;
    let Some(collection_policy_config::Payload::SignaturePolicy(envelope)) = &policy.payload else {
        return Err(format!("collection member org policy is empty for collection '{name}'"));
    };
    SignaturePolicy::compile(envelope.clone())
        .map_err(|error| format!("invalid member org policy for collection '{name}': {error}"))?;
    let rule = envelope.rule.as_ref();
    rule.map_or(Ok(()), check_alternatives).map_err(|reason| {
        format!("collection-name: {name} -- error in member org policy: {reason}")
    })?;
    envelope.identities.iter().try_for_each(|principal| check_member(bundle, name, principal))
}

fn check_member(
    bundle: &Bundle,
    name: &str,
    principal: &common::MspPrincipal,
) -> Result<(), String> {
    let value = principal.principal.clone();
    let member = match principal.principal_classification() {
        Classification::Role => MspRole::decode(value).map(|role| role.msp_identifier),
        Classification::OrganizationUnit => {
            OrganizationUnit::decode(value).map(|unit| unit.msp_identifier)
        }
        Classification::Identity => {
            return bundle.msps().identity(&value).map(|_| ()).map_err(|_| {
                format!(
                    "collection-name: {name} -- contains an identity that is not part of the channel"
                )
            });
        }
        other => {
            return Err(format!(
                "collection-name: {name} -- principal type {} is not supported",
                other.as_str_name()
            ));
        }
    };
    let member = member.map_err(|error| {
        format!("collection-name: {name} -- cannot unmarshal identity bytes: {error}")
    })?;
    if bundle.msps().msp(&member).is_none() {
        return Err(format!(
            "collection-name: {name} -- collection member '{member}' is not part of the channel"
        ));
    }
    Ok(())
}

/// Members of a collection are alternatives; its depth was limited when the policy was compiled.
fn check_alternatives(rule: &common::SignaturePolicy) -> Result<(), String> {
    let Some(Type::NOutOf(of)) = &rule.r#type else { return Ok(()) };
    if of.n != 1 {
        return Err(format!("signature policy is not an OR concatenation, NOutOf {}", of.n));
    }
    of.rules.iter().try_for_each(check_alternatives)
}

/// Checks that the proposed collections keep those in force, and how long their data lives.
pub(super) fn check_against(
    committed: &CollectionConfigPackage,
    proposed: &CollectionConfigPackage,
) -> Result<(), String> {
    if committed.config.is_empty() {
        return Ok(());
    }
    if proposed.config.is_empty() {
        return Err(
            "the proposed collection config does not contain previously defined collections"
                .to_owned(),
        );
    }
    for old in statics(committed) {
        let name = &old.name;
        let new = statics(proposed).find(|new| new.name == *name).ok_or_else(|| {
            format!("existing collection [{name}] missing in the proposed collection configuration")
        })?;
        if new.block_to_live != old.block_to_live {
            return Err(format!(
                "the BlockToLive in an existing collection [{name}] modified. Existing value [{}]",
                old.block_to_live
            ));
        }
    }
    Ok(())
}

fn statics(package: &CollectionConfigPackage) -> impl Iterator<Item = &StaticCollectionConfig> {
    package.config.iter().filter_map(|config| match &config.payload {
        Some(collection_config::Payload::StaticCollectionConfig(collection)) => Some(collection),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use carecord_channel::policy::dsl;
    use carecord_proto::protos::CollectionConfig;

    use super::*;

    fn package(collections: &[(&str, u64)]) -> CollectionConfigPackage {
        let config = |(name, life): &(&str, u64)| CollectionConfig {
            payload: Some(collection_config::Payload::StaticCollectionConfig(
                StaticCollectionConfig {
                    name: (*name).to_owned(),
                    block_to_live: *life,
                    ..StaticCollectionConfig::default()
                },
            )),
        };
        CollectionConfigPackage { config: collections.iter().map(config).collect() }
    }

    #[test]
    fn an_upgrade_keeps_collections_and_how_long_they_live() {
        let old = package(&[("a", 3)]);
        for (new, text) in [
            (
                package(&[]),
                "the proposed collection config does not contain previously defined collections",
            ),
            (
                package(&[("b", 3)]),
                "existing collection [a] missing in the proposed collection configuration",
            ),
            (
                package(&[("a", 4)]),
                "the BlockToLive in an existing collection [a] modified. Existing value [3]",
            ),
        ] {
            assert_eq!(check_against(&old, &new).expect_err(text), text);
        }
        assert_eq!(check_against(&old, &package(&[("b", 9), ("a", 3)])), Ok(()));
        assert_eq!(check_against(&package(&[]), &package(&[])), Ok(()));
    }

    #[test]
    fn members_are_alternatives() {
        let rule = |text| dsl::parse(text).expect("a policy").rule.expect("there");
        assert_eq!(check_alternatives(&rule("OR('A.member',OR('B.member','C.member'))")), Ok(()));
        let both = check_alternatives(&rule("OR('A.member',AND('B.member','C.member'))"));
        let text = "signature policy is not an OR concatenation, NOutOf 2";
        assert_eq!(both.expect_err(text), text);
    }
}
