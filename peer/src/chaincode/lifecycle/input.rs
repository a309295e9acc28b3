//! What approvals and commits have in common: the definition that they name, its defaults, its checks.

use bytes::Bytes;
use carecord_channel::{Bundle, ENDORSEMENT, policy::SignaturePolicy};
use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE, field_key, metadata_key},
};
use carecord_proto::{
    common::{MspRole, OrganizationUnit, msp_principal::Classification},
    lifecycle::{CheckCommitReadinessArgs, CommitChaincodeDefinitionArgs},
    protos::{
        ApplicationPolicy, CollectionConfigPackage, StaticCollectionConfig, application_policy,
        collection_config, collection_policy_config,
    },
};
use prost::Message;

/// A definition as a client names it.
pub(super) struct Input {
    /// The chaincode.
    pub(super) name: String,
    /// The rest.
    pub(super) definition: Definition,
}

/// Reads the message of a call.
pub(super) fn decode<M: Message + Default>(function: &str, bytes: &Bytes) -> Result<M, String> {
    M::decode(bytes.clone()).map_err(|error| {
        format!("could not decode input arg for *lifecycle.Invocation.{function}: {error}")
    })
}

impl From<CommitChaincodeDefinitionArgs> for Input {
    fn from(args: CommitChaincodeDefinitionArgs) -> Self {
        let definition = Definition {
            sequence: args.sequence,
            version: args.version,
            init_required: args.init_required,
            endorsement_plugin: args.endorsement_plugin,
            validation_plugin: args.validation_plugin,
            policy: args.validation_parameter,
            collections: args.collections.unwrap_or_default(),
        };
        Self { name: args.name, definition }
    }
}

impl From<CheckCommitReadinessArgs> for Input {
    fn from(args: CheckCommitReadinessArgs) -> Self {
        Self::from(CommitChaincodeDefinitionArgs {
            sequence: args.sequence,
            name: args.name,
            version: args.version,
            endorsement_plugin: args.endorsement_plugin,
            validation_plugin: args.validation_plugin,
            validation_parameter: args.validation_parameter,
            collections: args.collections,
            init_required: args.init_required,
        })
    }
}

// === impl Input ===

impl Input {
    /// Fills what the client left empty.
    pub(super) fn set_defaults(&mut self, bundle: &Bundle) -> Result<(), String> {
        let definition = &mut self.definition;
        if definition.endorsement_plugin.is_empty() {
            definition.endorsement_plugin = "escc".to_owned();
        }
        if definition.validation_plugin.is_empty() {
            definition.validation_plugin = "vscc".to_owned();
        }
        if definition.policy.is_empty() {
            let channel = bundle.channel_id();
            if bundle.policy(ENDORSEMENT).is_reject() {
                return Err(format!(
                    "could not set defaults for chaincode definition in channel {channel}: policy \
                     '{ENDORSEMENT}' must be defined for channel '{channel}' before chaincode \
                     operations can be attempted"
                ));
            }
            let reference =
                application_policy::Type::ChannelConfigPolicyReference(ENDORSEMENT.to_owned());
            let policy = ApplicationPolicy { r#type: Some(reference) };
            definition.policy = policy.encode_to_vec().into();
        }
        Ok(())
    }

    /// Checks names, version and collections; reads what Fabric reads on the way.
    pub(super) fn check(
        &self,
        bundle: &Bundle,
        simulator: &mut Simulator<'_>,
    ) -> Result<(), String> {
        self.check_parts(bundle, simulator)
            .map_err(|reason| format!("error validating chaincode definition: {reason}"))
    }

    fn check_parts(&self, bundle: &Bundle, simulator: &mut Simulator<'_>) -> Result<(), String> {
        let (name, version) = (&self.name, &self.definition.version);
        if !is_chaincode_name(name) {
            return Err(format!(
                "invalid chaincode name '{name}'. Names can only consist of alphanumerics, '_', and \
                 '-' and can only begin with alphanumerics"
            ));
        }
        if matches!(name.as_str(), "cscc" | "escc" | "lscc" | "qscc" | "vscc") {
            return Err(format!("chaincode name '{name}' is the name of a system chaincode"));
        }
        let in_version = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
        if version.is_empty() || !version.chars().all(in_version) {
            return Err(format!(
                "invalid chaincode version '{version}'. Versions can only consist of alphanumerics, \
                 '_', '-', '+', and '.'"
            ));
        }
        check_collections(bundle, &self.definition.collections)?;
        read_committed(simulator, name)
    }
}

/// Reads the definition in force, or, if there is none, looks for one of the old kind, as Fabric does.
fn read_committed(simulator: &mut Simulator<'_>, name: &str) -> Result<(), String> {
    let mut read = |namespace: &str, key: &str| {
        simulator.get(namespace, key).map_err(|error| {
            format!("could not retrieve committed definition for chaincode '{name}': {error}")
        })
    };
    if read(LIFECYCLE, &metadata_key(name))?.is_none() {
        read("lscc", name)?;
        return Ok(());
    }
    for field in ["Sequence", "EndorsementInfo", "ValidationInfo", "Collections"] {
        read(LIFECYCLE, &field_key(name, field))?;
    }
    Ok(())
}

fn is_chaincode_name(name: &str) -> bool {
    let parts_are_words =
        name.split(['-', '_']).all(|part| !part.is_empty() && part.chars().all(alphanumeric));
    parts_are_words && !name.is_empty()
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn check_collections(bundle: &Bundle, package: &CollectionConfigPackage) -> Result<(), String> {
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
        check_collection(bundle, collection)?;
    }
    Ok(())
}

fn check_collection(bundle: &Bundle, collection: &StaticCollectionConfig) -> Result<(), String> {
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
    for principal in &envelope.identities {
        let value = principal.principal.clone();
        let member = match principal.principal_classification() {
            Classification::Role => MspRole::decode(value).map(|role| role.msp_identifier),
            Classification::OrganizationUnit => {
                OrganizationUnit::decode(value).map(|unit| unit.msp_identifier)
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
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chaincode_names_are_words_joined_by_dashes_and_underscores() {
        for good in ["bench", "health", "a1", "my-cc_2"] {
            assert!(is_chaincode_name(good), "{good}");
        }
        for bad in ["", "_lifecycle", "a--b", "-a", "a_", "a b", "a/b", "ä"] {
            assert!(!is_chaincode_name(bad), "{bad}");
        }
    }
}
