//! A chaincode's definition as commands name it, and as `_lifecycle` takes it.

use bytes::Bytes;
use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CheckCommitReadinessArgs,
    CommitChaincodeDefinitionArgs, chaincode_source,
};
use carecord_proto::protos::{ApplicationPolicy, CollectionConfigPackage, application_policy};
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

const ENDORSEMENT_PLUGIN: &str = "escc";
const VALIDATION_PLUGIN: &str = "vscc";

/// What organisations approve and the channel commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The chaincode.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The number of the definition, from 1.
    pub sequence: i64,
    /// Who must endorse, as an `ApplicationPolicy`; empty: the channel's default.
    pub policy: Bytes,
    /// Whether the first call must be an init call.
    pub init_required: bool,
    /// Static collections.
    pub collections: CollectionConfigPackage,
}

/// The validation parameter for the path of a channel policy or an expression; empty: the channel's default.
pub fn policy(endorsement: &str) -> Outcome<Bytes> {
    use application_policy::Type;
    if endorsement.is_empty() {
        return Ok(Bytes::new());
    }
    let policy = if endorsement.starts_with('/') {
        Type::ChannelConfigPolicyReference(endorsement.to_owned())
    } else {
        let parsed = carecord_channel::policy::dsl::parse(endorsement)
            .map_err(|error| Failure::new(Code::TopologyPolicy, error).at(endorsement))?;
        Type::SignaturePolicy(parsed)
    };
    Ok(ApplicationPolicy { r#type: Some(policy) }.encode_to_vec().into())
}

/// A message that names a definition: approval, commit and readiness have these fields in common.
macro_rules! arguments {
    ($definition:expr, $message:ident $(, $more:ident)?) => {
        $message {
            sequence: $definition.sequence,
            name: $definition.name.clone(),
            version: $definition.version.clone(),
            endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
            validation_plugin: VALIDATION_PLUGIN.to_owned(),
            validation_parameter: $definition.policy.clone(),
            collections: $definition.collections(),
            init_required: $definition.init_required,
            $($more,)?
        }
    };
}

// === impl Definition ===

impl Definition {
    /// The argument of a commit.
    pub(super) fn commit(&self) -> CommitChaincodeDefinitionArgs {
        arguments!(self, CommitChaincodeDefinitionArgs)
    }

    /// The argument of an approval; without a package the chaincode built into the peers is meant.
    pub(super) fn approval(
        &self,
        package_id: Option<&str>,
    ) -> ApproveChaincodeDefinitionForMyOrgArgs {
        use chaincode_source::{Local, Type, Unavailable};
        let source = match package_id {
            Some(id) => Type::LocalPackage(Local { package_id: id.to_owned() }),
            None => Type::Unavailable(Unavailable {}),
        };
        let source = Some(ChaincodeSource { r#type: Some(source) });
        arguments!(self, ApproveChaincodeDefinitionForMyOrgArgs, source)
    }

    /// The argument of a question whether it can be committed.
    pub(super) fn readiness(&self) -> CheckCommitReadinessArgs {
        arguments!(self, CheckCommitReadinessArgs)
    }

    fn collections(&self) -> Option<CollectionConfigPackage> {
        (!self.collections.config.is_empty()).then(|| self.collections.clone())
    }
}
