//! The `Orderer` group: how blocks are cut, by whom, and where to reach them.

use bytes::Bytes;
use carecord_proto::common::{Capabilities, ConfigGroup, Consenter, OrdererAddresses, Orderers};
use carecord_proto::etcdraft::ConfigMetadata;
use carecord_proto::orderer::consensus_type::State;
use carecord_proto::orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::capabilities::{ChannelCapabilities, OrdererCapabilities};
use crate::duration::{self, DurationError};
use crate::organization::{MSP, Msps, OrganizationError};
use crate::values::{self, ValueError};

/// The consensus type that our orderers run.
pub const ETCDRAFT: &str = "etcdraft";

pub(crate) const BATCH_SIZE: &str = "BatchSize";
pub(crate) const BATCH_TIMEOUT: &str = "BatchTimeout";
pub(crate) const CAPABILITIES: &str = "Capabilities";
pub(crate) const CHANNEL_RESTRICTIONS: &str = "ChannelRestrictions";
pub(crate) const CONSENSUS_TYPE: &str = "ConsensusType";
pub(crate) const ENDPOINTS: &str = "Endpoints";
const KAFKA_BROKERS: &str = "KafkaBrokers";
const ORDERERS: &str = "Orderers";

/// How this channel is ordered.
#[derive(Debug, Clone)]
pub struct OrdererConfig {
    /// When a block is full.
    pub batch_size: BatchSize,
    /// After which time a block is cut that is not full.
    pub batch_timeout: Duration,
    /// The consensus protocol, for us `etcdraft`.
    pub consensus_type: String,
    /// Consenters and options in the protocol's own form, see [`Self::raft`].
    pub consensus_metadata: Bytes,
    /// Whether the channel is in maintenance, when only admins of the ordering service may write.
    pub maintenance: bool,
    /// The consenters of a BFT channel.
    pub bft_consenters: Vec<Consenter>,
    /// How many channels there may be; 0 means any number. Nobody enforces it since Fabric 3.
    pub max_channels: u64,
    /// The organisations by the names of their groups.
    pub organizations: BTreeMap<String, OrdererOrganization>,
    /// What the channel demands of orderers.
    pub capabilities: OrdererCapabilities,
}

/// An organisation that runs orderers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdererOrganization {
    /// Its MSP id.
    pub msp_id: String,
    /// The `host:port` of its orderers, for clients and peers.
    pub endpoints: Vec<String>,
}

/// Why the `Orderer` group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrdererError {
    /// Its values.
    #[error(transparent)]
    Values(#[from] ValueError),
    /// An organisation in it.
    #[error(transparent)]
    Organization(#[from] OrganizationError),
    /// A batch limit of nothing.
    #[error("Attempted to set the batch size {0} to an invalid value: 0")]
    ZeroBatch(&'static str),
    /// Preferring more than is allowed.
    #[error(
        "Attempted to set the batch size preferred max bytes ({preferred}) greater than the absolute max bytes \
         ({absolute})."
    )]
    PreferredBytes {
        /// What is preferred.
        preferred: u32,
        /// What is allowed.
        absolute: u32,
    },
    /// A timeout that is not a duration.
    #[error("Attempted to set the batch timeout to a invalid value: {0}")]
    BatchTimeout(#[from] DurationError),
    /// A timeout that has passed already.
    #[error("Attempted to set the batch timeout to a non-positive value: {0}")]
    NonPositiveTimeout(String),
    /// Organisations that cannot be reached, on a channel where only they say where.
    #[error("some orderer organizations endpoints are empty: [{}]", .0.join(" "))]
    NoEndpoints(Vec<String>),
}

// === impl OrdererConfig ===

impl OrdererConfig {
    pub(crate) fn read(
        group: &ConfigGroup,
        msps: &mut Msps,
        channel: &ChannelCapabilities,
    ) -> Result<Self, OrdererError> {
        let known = [BATCH_SIZE, BATCH_TIMEOUT, CAPABILITIES, CHANNEL_RESTRICTIONS, CONSENSUS_TYPE];
        values::only(group, &[&known[..], &[KAFKA_BROKERS, ORDERERS]].concat())?;
        // Left over on channels that once ran on Kafka; a list of addresses like that of orderers.
        values::read::<OrdererAddresses>(group, KAFKA_BROKERS)?;
        let consensus: ConsensusType = values::read(group, CONSENSUS_TYPE)?;
        let capabilities: Capabilities = values::read(group, CAPABILITIES)?;
        let restrictions: ChannelRestrictions = values::read(group, CHANNEL_RESTRICTIONS)?;
        let timeout: BatchTimeout = values::read(group, BATCH_TIMEOUT)?;
        let consenters: Orderers = values::read(group, ORDERERS)?;
        let batch_size = check_batch_size(values::read(group, BATCH_SIZE)?)?;
        let batch_timeout = check_batch_timeout(&timeout.timeout)?;
        let mut organizations = BTreeMap::new();
        for (name, group) in &group.groups {
            organizations.insert(name.clone(), read_organization(name, group, msps, channel)?);
        }
        if channel.v3_0() {
            check_endpoints(&organizations)?;
        }
        Ok(Self {
            batch_size,
            batch_timeout,
            maintenance: consensus.state() == State::Maintenance,
            consensus_type: consensus.r#type,
            consensus_metadata: consensus.metadata,
            bft_consenters: consenters.consenter_mapping,
            max_channels: restrictions.max_count,
            organizations,
            capabilities: capabilities.into(),
        })
    }

    /// The consenters and options of Raft, if that is the protocol and they can be read.
    pub fn raft(&self) -> Option<ConfigMetadata> {
        if self.consensus_type != ETCDRAFT {
            return None;
        }
        ConfigMetadata::decode(self.consensus_metadata.clone()).ok()
    }

    /// All endpoints of all organisations, in the order of their groups.
    pub fn endpoints(&self) -> impl Iterator<Item = (&OrdererOrganization, &str)> {
        let organizations = self.organizations.values();
        organizations.flat_map(|org| org.endpoints.iter().map(move |at| (org, at.as_str())))
    }
}

fn read_organization(
    name: &str,
    group: &ConfigGroup,
    msps: &mut Msps,
    channel: &ChannelCapabilities,
) -> Result<OrdererOrganization, OrganizationError> {
    if !group.groups.is_empty() {
        return Err(OrganizationError::SubGroups("OrdererOrg"));
    }
    if !channel.org_specific_orderer_endpoints() && group.values.contains_key(ENDPOINTS) {
        return Err(OrganizationError::EarlyEndpoints(name.to_owned()));
    }
    values::only(group, &[ENDPOINTS, MSP])?;
    let endpoints: OrdererAddresses = values::read(group, ENDPOINTS)?;
    Ok(OrdererOrganization { msp_id: msps.define(name, group)?, endpoints: endpoints.addresses })
}

fn check_batch_size(size: BatchSize) -> Result<BatchSize, OrdererError> {
    if size.max_message_count == 0 {
        return Err(OrdererError::ZeroBatch("max message count"));
    }
    if size.absolute_max_bytes == 0 {
        return Err(OrdererError::ZeroBatch("absolute max bytes"));
    }
    if size.preferred_max_bytes == 0 {
        return Err(OrdererError::ZeroBatch("preferred max bytes"));
    }
    if size.preferred_max_bytes > size.absolute_max_bytes {
        return Err(OrdererError::PreferredBytes {
            preferred: size.preferred_max_bytes,
            absolute: size.absolute_max_bytes,
        });
    }
    Ok(size)
}

fn check_batch_timeout(text: &str) -> Result<Duration, OrdererError> {
    let nanos = duration::parse_nanos(text)?;
    match u64::try_from(nanos) {
        Ok(positive) if positive > 0 => Ok(Duration::from_nanos(positive)),
        _ => Err(OrdererError::NonPositiveTimeout(duration::format_nanos(nanos))),
    }
}

fn check_endpoints(
    organizations: &BTreeMap<String, OrdererOrganization>,
) -> Result<(), OrdererError> {
    let missing = organizations.iter().filter(|(_, org)| org.endpoints.is_empty());
    let missing: Vec<_> = missing.map(|(name, _)| name.clone()).collect();
    if missing.is_empty() { Ok(()) } else { Err(OrdererError::NoEndpoints(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: u32, absolute: u32, preferred: u32, expected: &str) {
        let size = BatchSize {
            max_message_count: count,
            absolute_max_bytes: absolute,
            preferred_max_bytes: preferred,
        };
        let shown = check_batch_size(size).map_or_else(|error| error.to_string(), |_| "ok".into());
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_batch_has_room_for_something_and_prefers_what_it_may() {
        check(1, 10, 10, "ok");
        check(
            0,
            10,
            10,
            "Attempted to set the batch size max message count to an invalid value: 0",
        );
        check(
            1,
            0,
            10,
            "Attempted to set the batch size absolute max bytes to an invalid value: 0",
        );
        check(
            1,
            10,
            0,
            "Attempted to set the batch size preferred max bytes to an invalid value: 0",
        );
        check(
            1,
            10,
            11,
            "Attempted to set the batch size preferred max bytes (11) greater than the absolute max bytes (10).",
        );
    }

    #[test]
    fn a_batch_timeout_lies_in_the_future() {
        assert_eq!(check_batch_timeout("250ms").expect("valid"), Duration::from_millis(250));
        for text in ["0s", "-1s", "1", "", "soon"] {
            assert!(check_batch_timeout(text).is_err(), "{text}");
        }
    }
}
