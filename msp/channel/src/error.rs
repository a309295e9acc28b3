//! Why a configuration is refused, in the words in which Fabric refuses it.

use crate::application::ApplicationError;
use crate::capabilities::CapabilityError;
use crate::config::limits::LimitError;
use crate::config::names::NameError;
use crate::config::update::ValidateError;
use crate::orderer::OrdererError;
use crate::organization::OrganizationError;
use crate::policy::PolicyConfigError;
use crate::raft::ConsensusError;
use crate::values::ValueError;

/// A configuration, or the block or envelope around it, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("config must contain a channel group")]
    NoChannelGroup,
    /// Newer features than the ordering service is told about.
    #[error("cannot enable {0} capabilities without orderer support first")]
    OrdererCapabilitiesFirst(&'static str),
    /// Beyond our own limits.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The values of the channel or of a group.
    #[error("initializing channelconfig failed: {0}")]
    Channel(#[from] ChannelError),
    /// Its policies.
    #[error("initializing policymanager failed: {0}")]
    Policies(#[from] PolicyConfigError),
    /// Its names.
    #[error("initializing configtx manager failed: {0}")]
    Names(#[from] NameError),
    /// What it demands.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// How it differs from the one before.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A configuration that its own update does not lead to.
    #[error(transparent)]
    Update(#[from] ValidateError),
    /// A block that cannot be read.
    #[error("cannot read the configuration of a block: {0}")]
    Block(String),
    /// A block without configuration.
    #[error("block is not a config block")]
    NotConfigBlock,
    /// An envelope without configuration.
    #[error("config envelope has nil config")]
    NoConfig,
    /// Consenters, options or batches that an orderer cannot run with.
    #[error(transparent)]
    Raft(#[from] ConsensusError),
    /// A policy text of a channel specification.
    #[error("invalid signature policy rule '{rule}': {source}")]
    Rule {
        /// The text.
        rule: String,
        /// What is wrong.
        source: crate::policy::dsl::ParseError,
    },
}

/// What is wrong with the values of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A value of the channel itself.
    #[error(transparent)]
    Values(#[from] ValueError),
    /// A hash other than SHA-256.
    #[error("Unknown hashing algorithm type: {0}")]
    HashingAlgorithm(String),
    /// A tree of hashes, which was never built.
    #[error("BlockDataHashStructure width only supported at MaxUint32 in this version")]
    DataHashWidth,
    /// Nowhere to send to.
    #[error("Must set some OrdererAddresses")]
    NoOrdererAddresses,
    /// Addresses where only those of organisations count.
    #[error(
        "global OrdererAddresses are not allowed with V3_0 capability, use org specific addresses only"
    )]
    GlobalOrdererAddresses,
    /// A group that has no meaning.
    #[error("Disallowed channel group: {0}")]
    DisallowedGroup(String),
    /// The `Orderer` group.
    #[error("could not create channel Orderer sub-group config: {0}")]
    Orderer(#[from] OrdererError),
    /// The `Application` group.
    #[error("could not create channel Application sub-group config: {0}")]
    Application(#[from] ApplicationError),
    /// The `Consortiums` group.
    #[error("could not create channel Consortiums sub-group config: {0}")]
    Consortiums(#[source] OrganizationError),
}

/// A configuration that must not follow the current one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A section that vanishes.
    #[error("current config has {0} section, but new config does not")]
    Vanished(&'static str),
    /// A section that only the system channel had.
    #[error("current config has no consortiums section, but new config does")]
    Consortiums,
    /// Another consensus type, before the channel allows that.
    #[error("attempted to change consensus type from {from} to {to}")]
    ConsensusType {
        /// The current type.
        from: String,
        /// The one given.
        to: String,
    },
    /// The name of an organisation given to another MSP.
    #[error("{section} org {name} attempted to change MSP ID from {from} to {to}")]
    MspId {
        /// Which section it stands in.
        section: String,
        /// The group's name.
        name: String,
        /// The current MSP id.
        from: String,
        /// The one given.
        to: String,
    },
}
