//! What approvals and commits have in common: the definition that they name, its defaults, its checks.

use bytes::Bytes;
use carecord_channel::{Bundle, ENDORSEMENT, policy::from_application_policy};
use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE, field_key, metadata_key},
};
use carecord_proto::{
    lifecycle::{
        ApproveChaincodeDefinitionForMyOrgArgs, CheckCommitReadinessArgs,
        CommitChaincodeDefinitionArgs,
    },
    protos::{ApplicationPolicy, application_policy},
};
use prost::Message;

use super::collections;

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

/// The messages of an approval, a commit and a question for readiness name a definition by the same fields.
macro_rules! input_from {
    ($($message:ty),*) => {$(
        impl From<$message> for Input {
            fn from(args: $message) -> Self {
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
    )*};
}

input_from!(
    ApproveChaincodeDefinitionForMyOrgArgs,
    CheckCommitReadinessArgs,
    CommitChaincodeDefinitionArgs
);

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
        check_policy(bundle, &self.definition.policy)?;
        let proposed = &self.definition.collections;
        collections::check(bundle, proposed)?;
        read_committed(simulator, name)?;
        let unreadable = |error| {
            format!("could not retrieve committed definition for chaincode '{name}': {error}")
        };
        match simulator.definition(name).map_err(|error| unreadable(error.to_string()))? {
            Some(committed) => collections::check_against(&committed.collections, proposed),
            None => Ok(()),
        }
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

/// Fabric takes any bytes, and no transaction is ever valid then; ours says so while it can be mended.
fn check_policy(bundle: &Bundle, policy: &Bytes) -> Result<(), String> {
    if policy.is_empty() {
        return Ok(());
    }
    from_application_policy(policy, bundle)
        .map(|_| ())
        .map_err(|error| format!("invalid endorsement policy: {error}"))
}

fn is_chaincode_name(name: &str) -> bool {
    let parts_are_words =
        name.split(['-', '_']).all(|part| !part.is_empty() && part.chars().all(alphanumeric));
    parts_are_words && !name.is_empty()
}

pub(super) fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
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
