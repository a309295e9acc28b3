//! Which fields hold the bytes of another message, and of which.
//!
//! The rules are those of Fabric's `protolator` (fabric-config, `protolator/protoext`). What it refuses to open, such as
//! values that it does not know, stays base64 here.

use serde_json::Value;

/// Where in a configuration a group stands: decides what its values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In no configuration.
    Nowhere,
    /// The root.
    Channel,
    /// `Orderer`.
    Orderer,
    /// An organisation that orders.
    OrdererOrganization,
    /// `Application`.
    Application,
    /// An organisation that transacts.
    ApplicationOrganization,
    /// `Consortiums`, left over from Fabric 1.
    Consortiums,
    /// One of them.
    Consortium,
    /// An organisation of a consortium.
    ConsortiumOrganization,
}

// === impl Place ===

impl Place {
    /// The place of a message that is given on its own.
    pub(super) fn of(message: &str) -> Self {
        match message {
            "common.Config" | "common.ConfigUpdate" => Self::Channel,
            _ => Self::Nowhere,
        }
    }

    /// The place of the group `key` below.
    pub(super) fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Channel, "Orderer") => Self::Orderer,
            (Self::Channel, "Application") => Self::Application,
            (Self::Channel, "Consortiums") => Self::Consortiums,
            (Self::Orderer, _) => Self::OrdererOrganization,
            (Self::Application, _) => Self::ApplicationOrganization,
            (Self::Consortiums, _) => Self::Consortium,
            (Self::Consortium, _) => Self::ConsortiumOrganization,
            _ => Self::Nowhere,
        }
    }

    /// The message in the value `key`.
    pub(super) fn value(self, key: &str) -> Option<&'static str> {
        Some(match (self, key) {
            (Self::Channel, "HashingAlgorithm") => "common.HashingAlgorithm",
            (Self::Channel, "BlockDataHashingStructure") => "common.BlockDataHashingStructure",
            (Self::Channel, "OrdererAddresses")
            | (Self::Orderer, "KafkaBrokers")
            | (Self::OrdererOrganization, "Endpoints") => "common.OrdererAddresses",
            (Self::Channel, "Consortium") => "common.Consortium",
            (Self::Channel | Self::Orderer | Self::Application, "Capabilities") => {
                "common.Capabilities"
            }
            (Self::Orderer, "ConsensusType") => "orderer.ConsensusType",
            (Self::Orderer, "BatchSize") => "orderer.BatchSize",
            (Self::Orderer, "BatchTimeout") => "orderer.BatchTimeout",
            (Self::Orderer, "ChannelRestrictions") => "orderer.ChannelRestrictions",
            (Self::Orderer, "Orderers") => "common.Orderers",
            (
                Self::OrdererOrganization
                | Self::ApplicationOrganization
                | Self::ConsortiumOrganization,
                "MSP",
            ) => "msp.MSPConfig",
            (Self::ApplicationOrganization, "AnchorPeers") => "protos.AnchorPeers",
            (Self::Application, "ACLs") => "protos.ACLs",
            (Self::Consortium, "ChannelCreationPolicy") => "common.Policy",
            _ => return None,
        })
    }
}

/// The message whose bytes stand in `field` of `message`; `siblings` is the message with what is opened already.
pub(super) fn inside(message: &str, field: &str, siblings: &Value) -> Option<&'static str> {
    let kind = |name: &str| siblings.get(name).cloned().unwrap_or_default();
    Some(match (message, field) {
        ("common.Envelope", "payload") => "common.Payload",
        ("common.Payload", "data") => {
            let header = siblings.get("header")?.get("channel_header")?;
            payload(header.get("type")?.as_i64()?)?
        }
        ("common.Header", "channel_header") => "common.ChannelHeader",
        ("common.Header" | "common.ConfigSignature", "signature_header")
        | ("protos.TransactionAction", "header") => "common.SignatureHeader",
        ("common.ChannelHeader", "extension") if kind("type") == 3 => {
            "protos.ChaincodeHeaderExtension"
        }
        ("common.SignatureHeader", "creator") => "msp.SerializedIdentity",
        ("common.BlockData", "data") => "common.Envelope",
        ("common.ConfigUpdateEnvelope", "config_update") => "common.ConfigUpdate",
        ("common.Policy", "value") => match kind("type").as_i64()? {
            1 => "common.SignaturePolicyEnvelope",
            3 => "common.ImplicitMetaPolicy",
            _ => return None,
        },
        ("msp.MSPConfig", "config") if kind("type") == 0 => "msp.FabricMSPConfig",
        ("common.MSPPrincipal", "principal") => match kind("principal_classification").as_str()? {
            "ROLE" => "common.MSPRole",
            "ORGANIZATION_UNIT" => "common.OrganizationUnit",
            "IDENTITY" => "msp.SerializedIdentity",
            _ => return None,
        },
        ("orderer.ConsensusType", "metadata") if kind("type") == "etcdraft" => {
            "etcdraft.ConfigMetadata"
        }
        ("protos.TransactionAction", "payload") => "protos.ChaincodeActionPayload",
        ("protos.ChaincodeActionPayload", "chaincode_proposal_payload") => {
            "protos.ChaincodeProposalPayload"
        }
        ("protos.ChaincodeEndorsedAction", "proposal_response_payload") => {
            "protos.ProposalResponsePayload"
        }
        ("protos.ProposalResponsePayload", "extension") => "protos.ChaincodeAction",
        ("protos.ChaincodeProposalPayload", "input") => "protos.ChaincodeInvocationSpec",
        ("protos.ChaincodeAction", "results") => "rwset.TxReadWriteSet",
        ("protos.ChaincodeAction", "events") => "protos.ChaincodeEvent",
        ("rwset.NsReadWriteSet", "rwset") => "kvrwset.KVRWSet",
        ("rwset.CollectionHashedReadWriteSet", "hashed_rwset" | "rwset") => "kvrwset.HashedRWSet",
        _ => return None,
    })
}

/// What an envelope holds, by the type in its header.
fn payload(kind: i64) -> Option<&'static str> {
    Some(match kind {
        1 => "common.ConfigEnvelope",
        2 => "common.ConfigUpdateEnvelope",
        3 => "protos.Transaction",
        4 => "common.Envelope",
        _ => return None,
    })
}
