//! Who may call what on a peer: resources and the policies that guard them.
//!
//! Place in the flow: the peer's services ask [`crate::Bundle::acl`] for the policy path of a channel resource and
//! evaluate it; resources of the peer as a whole are guarded by its own organisation ([`local`]).

const READERS: &str = "/Channel/Application/Readers";
const WRITERS: &str = "/Channel/Application/Writers";

/// Submitting a proposal.
pub const PEER_PROPOSE: &str = "peer/Propose";
/// Calling a chaincode from another one.
pub const CHAINCODE_TO_CHAINCODE: &str = "peer/ChaincodeToChaincode";
/// Following blocks.
pub const EVENT_BLOCK: &str = "event/Block";
/// Following filtered blocks.
pub const EVENT_FILTERED_BLOCK: &str = "event/FilteredBlock";
/// Waiting for a transaction's fate.
pub const GATEWAY_COMMIT_STATUS: &str = "gateway/CommitStatus";
/// Following the events of a chaincode.
pub const GATEWAY_CHAINCODE_EVENTS: &str = "gateway/ChaincodeEvents";

/// Whom the peer's own organisation lets use a resource that belongs to no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalPolicy {
    /// Its admins.
    Admins,
    /// Everybody in it.
    Members,
}

/// The policy that guards a channel resource unless the configuration says otherwise.
pub fn default_path(resource: &str) -> Option<&'static str> {
    match resource {
        PEER_PROPOSE
        | CHAINCODE_TO_CHAINCODE
        | "_lifecycle/CommitChaincodeDefinition"
        | "_lifecycle/QueryChaincodeDefinition"
        | "_lifecycle/QueryChaincodeDefinitions"
        | "_lifecycle/CheckCommitReadiness" => Some(WRITERS),
        EVENT_BLOCK
        | EVENT_FILTERED_BLOCK
        | GATEWAY_COMMIT_STATUS
        | GATEWAY_CHAINCODE_EVENTS
        | "lscc/ChaincodeExists"
        | "lscc/GetDeploymentSpec"
        | "lscc/GetChaincodeData"
        | "lscc/GetInstantiatedChaincodes"
        | "lscc/GetCollectionsConfig"
        | "qscc/GetChainInfo"
        | "qscc/GetBlockByNumber"
        | "qscc/GetBlockByHash"
        | "qscc/GetTransactionByID"
        | "qscc/GetBlockByTxID"
        | "cscc/GetConfigBlock"
        | "cscc/GetChannelConfig" => Some(READERS),
        _ => None,
    }
}

/// Who may use a resource of the peer as a whole; none if it belongs to a channel or does not exist.
pub fn local(resource: &str) -> Option<LocalPolicy> {
    match resource {
        "cscc/GetChannels" => Some(LocalPolicy::Members),
        "_lifecycle/InstallChaincode"
        | "_lifecycle/QueryInstalledChaincode"
        | "_lifecycle/GetInstalledChaincodePackage"
        | "_lifecycle/QueryInstalledChaincodes"
        | "_lifecycle/ApproveChaincodeDefinitionForMyOrg"
        | "_lifecycle/QueryApprovedChaincodeDefinition"
        | "_lifecycle/QueryApprovedChaincodeDefinitions"
        | "snapshot/submitrequest"
        | "snapshot/cancelrequest"
        | "snapshot/listpending"
        | "lscc/Install"
        | "lscc/GetInstalledChaincodes"
        | "cscc/JoinChain"
        | "cscc/JoinChainBySnapshot"
        | "cscc/JoinBySnapshotStatus" => Some(LocalPolicy::Admins),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_for_writers_and_queries_for_readers() {
        assert_eq!(default_path(PEER_PROPOSE), Some(WRITERS));
        assert_eq!(default_path("qscc/GetChainInfo"), Some(READERS));
        assert_eq!(default_path("qscc/Nope"), None);
    }

    #[test]
    fn a_resource_is_guarded_by_the_channel_or_by_the_organisation_never_both() {
        assert_eq!(local("cscc/JoinChain"), Some(LocalPolicy::Admins));
        assert_eq!(local("cscc/GetChannels"), Some(LocalPolicy::Members));
        for resource in [PEER_PROPOSE, "cscc/GetConfigBlock", "_lifecycle/CheckCommitReadiness"] {
            assert_eq!(local(resource), None, "{resource}");
        }
    }
}
