//! Collections from a file in the form of Fabric's tools, `collections_config.json`.

use std::path::Path;

use carecord_channel::policy::dsl;
use carecord_proto::protos::{
    ApplicationPolicy, CollectionConfig, CollectionConfigPackage, CollectionPolicyConfig,
    StaticCollectionConfig, application_policy, collection_config, collection_policy_config,
};
use serde::Deserialize;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Collection {
    name: String,
    policy: String,
    #[serde(default)]
    required_peer_count: i32,
    #[serde(default = "one")]
    max_peer_count: i32,
    #[serde(default)]
    block_to_live: u64,
    #[serde(default)]
    member_only_read: bool,
    #[serde(default)]
    member_only_write: bool,
    endorsement_policy: Option<Endorsement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Endorsement {
    #[serde(default)]
    signature_policy: String,
    #[serde(default)]
    channel_config_policy: String,
}

fn one() -> i32 {
    1
}

/// Reads the collections of a file.
pub fn collections(path: &Path) -> Outcome<CollectionConfigPackage> {
    let json = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    parse(&json).map_err(|failure| failure.at(path.display()))
}

fn parse(json: &[u8]) -> Outcome<CollectionConfigPackage> {
    let read: Vec<Collection> = serde_json::from_slice(json)
        .map_err(|error| Failure::new(Code::ChaincodePackage, error))?;
    let config = read.into_iter().map(Collection::message).collect::<Outcome<_>>()?;
    Ok(CollectionConfigPackage { config })
}

// === impl Collection ===

impl Collection {
    fn message(self) -> Outcome<CollectionConfig> {
        let signature_policy = |text: &str| {
            dsl::parse(text).map_err(|error| Failure::new(Code::TopologyPolicy, error).at(text))
        };
        let members =
            collection_policy_config::Payload::SignaturePolicy(signature_policy(&self.policy)?);
        let endorsement = match &self.endorsement_policy {
            None => None,
            Some(policy) if policy.signature_policy.is_empty() => {
                let path = policy.channel_config_policy.clone();
                Some(application_policy::Type::ChannelConfigPolicyReference(path))
            }
            Some(policy) => {
                let policy = signature_policy(&policy.signature_policy)?;
                Some(application_policy::Type::SignaturePolicy(policy))
            }
        };
        let collection = StaticCollectionConfig {
            name: self.name,
            member_orgs_policy: Some(CollectionPolicyConfig { payload: Some(members) }),
            required_peer_count: self.required_peer_count,
            maximum_peer_count: self.max_peer_count,
            block_to_live: self.block_to_live,
            member_only_read: self.member_only_read,
            member_only_write: self.member_only_write,
            endorsement_policy: endorsement
                .map(|policy| ApplicationPolicy { r#type: Some(policy) }),
        };
        let payload = collection_config::Payload::StaticCollectionConfig(collection);
        Ok(CollectionConfig { payload: Some(payload) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_fabrics_tools_read_it_is_read() {
        let json =
            br#"[{"name":"wards","policy":"OR('AMSP.member','BMSP.member')","requiredPeerCount":0,
            "maxPeerCount":3,"blockToLive":7,"memberOnlyRead":true,
            "endorsementPolicy":{"signaturePolicy":"OR('AMSP.member')"}}]"#;
        let package = parse(json).unwrap();
        let Some(collection_config::Payload::StaticCollectionConfig(wards)) =
            &package.config[0].payload
        else {
            panic!("no collection");
        };
        assert_eq!((wards.name.as_str(), wards.block_to_live), ("wards", 7));
        assert!(wards.member_only_read && wards.endorsement_policy.is_some());
    }

    #[test]
    fn a_misspelt_key_or_policy_is_named() {
        let text = |json: &[u8]| parse(json).unwrap_err().to_string();
        assert!(text(br#"[{"name":"a","polici":"x"}]"#).contains("polici"));
        assert!(text(br#"[{"name":"a","policy":"OR("}]"#).contains("OR("));
    }
}
