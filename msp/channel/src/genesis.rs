//! The first block of a channel, from a description of who takes part.
//!
//! Place in the flow: the network tool and an administrator's client describe a channel with [`ChannelSpec`]; orderers
//! and peers join by the block made here. Tree, policies and defaults are those of Fabric's own tools.

use bytes::Bytes;
use carecord_proto::common::implicit_meta_policy::Rule;
use carecord_proto::common::policy::PolicyType;
use carecord_proto::common::{
    Block, BlockDataHashingStructure, BlockMetadataIndex, Capability, Config, ConfigEnvelope,
    ConfigGroup, ConfigPolicy, ConfigValue, HashingAlgorithm, ImplicitMetaPolicy, LastConfig,
    Metadata, OrdererAddresses, OrdererBlockMetadata, Policy,
};
use carecord_proto::etcdraft::{ConfigMetadata, Consenter, Options};
use carecord_proto::msp::MspConfig;
use carecord_proto::orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType};
use carecord_proto::protos::{AcLs, AnchorPeer, AnchorPeers, ApiResource};
use carecord_proto::{block, envelope};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::application::{ACLS, ANCHOR_PEERS};
use crate::channel::{self, CAPABILITIES};
use crate::duration;
use crate::orderer::{self, ENDPOINTS, ETCDRAFT};
use crate::organization::MSP;
use crate::policy::dsl;
use crate::raft::{self, ConsensusError};
use crate::{Bundle, Error};

/// Who may change an element, unless said otherwise: the admins of the group it stands in.
const ADMINS: &str = "Admins";
const ORDERER_ADMINS: &str = "/Channel/Orderer/Admins";

/// The level of rules a channel starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelLevel {
    /// What every Fabric from 2.0 on serves.
    V2_0,
    /// Needs Fabric 3; allows Ed25519 identities, wants endpoints for every orderer organisation.
    V3_0,
}

/// The level of rules that peers start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationLevel {
    /// What every Fabric from 2.0 on serves.
    V2_0,
    /// Needs Fabric 2.5; private data can be purged.
    V2_5,
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct ChannelSpec {
    /// Its name.
    pub channel_id: String,
    /// Its level.
    pub level: ChannelLevel,
    /// The policies of the channel as a whole.
    pub policies: BTreeMap<String, Policy>,
    /// Who orders, and how.
    pub orderer: OrdererSpec,
    /// Who transacts, and how.
    pub application: ApplicationSpec,
}

/// How a channel to be made is ordered.
#[derive(Debug, Clone)]
pub struct OrdererSpec {
    /// The organisations that run orderers.
    pub organizations: Vec<OrganizationSpec>,
    /// Addresses apart from those of the organisations; only below V3_0.
    pub addresses: Vec<String>,
    /// The orderers by host, port and TLS certificates.
    pub consenters: Vec<Consenter>,
    /// How Raft runs.
    pub raft: Options,
    /// When a block is full.
    pub batch_size: BatchSize,
    /// When a block is cut that is not.
    pub batch_timeout: Duration,
    /// The policies of the group.
    pub policies: BTreeMap<String, Policy>,
}

/// How a channel to be made is used.
#[derive(Debug, Clone)]
pub struct ApplicationSpec {
    /// The organisations that transact.
    pub organizations: Vec<OrganizationSpec>,
    /// The level.
    pub level: ApplicationLevel,
    /// Policy paths by resource, where they differ from the defaults.
    pub acls: BTreeMap<String, String>,
    /// The policies of the group.
    pub policies: BTreeMap<String, Policy>,
}

/// An organisation of a channel to be made.
#[derive(Debug, Clone)]
pub struct OrganizationSpec {
    /// The name of its group; often, not always, its MSP id.
    pub name: String,
    /// Its MSP.
    pub msp: MspConfig,
    /// The `host:port` of its orderers.
    pub endpoints: Vec<String>,
    /// Its peers that others may contact.
    pub anchor_peers: Vec<AnchorPeer>,
    /// The policies of the organisation.
    pub policies: BTreeMap<String, Policy>,
}

/// Makes the genesis block. `nonce` should be random; `seconds` is the time of making, since 1970.
///
/// A channel that nobody could join is refused here and not when they try.
pub fn genesis_block(spec: &ChannelSpec, nonce: Bytes, seconds: i64) -> Result<Block, Error> {
    let config = spec.config();
    Bundle::from_config(&spec.channel_id, &config)?;
    raft::check_batch_bytes(&spec.orderer.batch_size)?;
    raft::check(&spec.orderer.raft_metadata()).map_err(ConsensusError::from)?;
    let config = ConfigEnvelope { config: Some(config), last_update: None };
    let envelope = envelope::genesis(&spec.channel_id, &config, nonce, seconds);
    let mut block = block::new(0, Bytes::new(), vec![envelope.encode_to_vec().into()]);
    // An index of 0 encodes to nothing: LAST_CONFIG is empty, SIGNATURES holds an empty LastConfig.
    let last_config = Some(LastConfig { index: 0 });
    let value = OrdererBlockMetadata { last_config, ..Default::default() }.encode_to_vec();
    let metadata = Metadata { value: value.into(), signatures: Vec::new() };
    block::set_slot(&mut block, BlockMetadataIndex::Signatures, metadata.encode_to_vec().into());
    Ok(block)
}

// === impl ChannelSpec ===

impl ChannelSpec {
    /// A channel with the policies and batch settings that Fabric's tools start with.
    pub fn new(channel_id: impl Into<String>) -> Self {
        Self {
            channel_id: channel_id.into(),
            level: ChannelLevel::V2_0,
            policies: group_policies(),
            orderer: OrdererSpec::default(),
            application: ApplicationSpec::default(),
        }
    }

    /// The configuration it begins with.
    pub fn config(&self) -> Config {
        let level = match self.level {
            ChannelLevel::V2_0 => "V2_0",
            ChannelLevel::V3_0 => "V3_0",
        };
        let mut root = group(&self.policies);
        let hash = HashingAlgorithm { name: channel::SHA256.to_owned() };
        let width = BlockDataHashingStructure { width: channel::DATA_HASH_WIDTH };
        add(&mut root, channel::HASHING_ALGORITHM, &hash);
        add(&mut root, channel::BLOCK_DATA_HASHING_STRUCTURE, &width);
        add_capability(&mut root, level);
        if !self.orderer.addresses.is_empty() {
            let addresses = OrdererAddresses { addresses: self.orderer.addresses.clone() };
            add_owned(&mut root, channel::ORDERER_ADDRESSES, &addresses, ORDERER_ADMINS);
        }
        root.groups.insert(channel::ORDERER_GROUP.to_owned(), self.orderer.group());
        root.groups.insert(channel::APPLICATION_GROUP.to_owned(), self.application.group());
        Config { sequence: 0, channel_group: Some(root) }
    }
}

// === impl OrdererSpec ===

impl Default for OrdererSpec {
    fn default() -> Self {
        let mut policies = group_policies();
        policies.insert("BlockValidation".to_owned(), any("Writers"));
        Self {
            organizations: Vec::new(),
            addresses: Vec::new(),
            consenters: Vec::new(),
            raft: Options {
                tick_interval: "500ms".to_owned(),
                election_tick: 10,
                heartbeat_tick: 1,
                max_inflight_blocks: 5,
                snapshot_interval_size: 16 << 20,
            },
            batch_size: BatchSize {
                max_message_count: 500,
                absolute_max_bytes: 10 << 20,
                preferred_max_bytes: 2 << 20,
            },
            batch_timeout: Duration::from_secs(2),
            policies,
        }
    }
}

impl OrdererSpec {
    fn raft_metadata(&self) -> ConfigMetadata {
        ConfigMetadata { consenters: self.consenters.clone(), options: Some(self.raft.clone()) }
    }

    fn group(&self) -> ConfigGroup {
        let mut orderer = group(&self.policies);
        let nanos = i64::try_from(self.batch_timeout.as_nanos()).unwrap_or(i64::MAX);
        let timeout = BatchTimeout { timeout: duration::format_nanos(nanos) };
        let consensus = ConsensusType {
            r#type: ETCDRAFT.to_owned(),
            metadata: self.raft_metadata().encode_to_vec().into(),
            state: 0,
        };
        add(&mut orderer, orderer::BATCH_SIZE, &self.batch_size);
        add(&mut orderer, orderer::BATCH_TIMEOUT, &timeout);
        add(&mut orderer, orderer::CHANNEL_RESTRICTIONS, &ChannelRestrictions { max_count: 0 });
        add_capability(&mut orderer, "V2_0");
        add(&mut orderer, orderer::CONSENSUS_TYPE, &consensus);
        add_organizations(&mut orderer, &self.organizations);
        orderer
    }
}

// === impl ApplicationSpec ===

impl Default for ApplicationSpec {
    fn default() -> Self {
        let mut policies = group_policies();
        policies.insert("Endorsement".to_owned(), majority("Endorsement"));
        policies.insert("LifecycleEndorsement".to_owned(), majority("Endorsement"));
        Self {
            organizations: Vec::new(),
            level: ApplicationLevel::V2_5,
            acls: BTreeMap::new(),
            policies,
        }
    }
}

impl ApplicationSpec {
    fn group(&self) -> ConfigGroup {
        let level = match self.level {
            ApplicationLevel::V2_0 => "V2_0",
            ApplicationLevel::V2_5 => "V2_5",
        };
        let mut application = group(&self.policies);
        if !self.acls.is_empty() {
            let acls = self.acls.iter().map(|(resource, path)| {
                (resource.clone(), ApiResource { policy_ref: path.clone() })
            });
            add(&mut application, ACLS, &AcLs { acls: acls.collect() });
        }
        add_capability(&mut application, level);
        add_organizations(&mut application, &self.organizations);
        application
    }
}

// === impl OrganizationSpec ===

impl OrganizationSpec {
    /// An organisation that runs orderers: members read and write, admins administer.
    pub fn orderer(
        name: &str,
        msp_id: &str,
        msp: MspConfig,
        endpoints: Vec<String>,
    ) -> Result<Self, Error> {
        let policies = organization_policies(
            msp_id,
            &[
                ("Readers", "OR('X.member')"),
                ("Writers", "OR('X.member')"),
                ("Admins", "OR('X.admin')"),
            ],
        )?;
        let anchor_peers = Vec::new();
        Ok(Self { name: name.to_owned(), msp, endpoints, anchor_peers, policies })
    }

    /// An organisation that transacts and tells its admins, peers and clients apart (NodeOUs).
    pub fn application(
        name: &str,
        msp_id: &str,
        msp: MspConfig,
        anchor_peers: Vec<AnchorPeer>,
    ) -> Result<Self, Error> {
        let policies = organization_policies(
            msp_id,
            &[
                ("Readers", "OR('X.admin', 'X.peer', 'X.client')"),
                ("Writers", "OR('X.admin', 'X.client')"),
                ("Admins", "OR('X.admin')"),
                ("Endorsement", "OR('X.peer')"),
            ],
        )?;
        let endpoints = Vec::new();
        Ok(Self { name: name.to_owned(), msp, endpoints, anchor_peers, policies })
    }

    /// The group of the organisation, as a genesis block has it and as an update adds it.
    pub fn group(&self) -> ConfigGroup {
        let mut organization = group(&self.policies);
        add(&mut organization, MSP, &self.msp);
        if !self.endpoints.is_empty() {
            let endpoints = OrdererAddresses { addresses: self.endpoints.clone() };
            add(&mut organization, ENDPOINTS, &endpoints);
        }
        if !self.anchor_peers.is_empty() {
            let anchors = AnchorPeers { anchor_peers: self.anchor_peers.clone() };
            add(&mut organization, ANCHOR_PEERS, &anchors);
        }
        organization
    }
}

// --- policies ---

/// "One of the sub-groups' policies of this name."
pub fn any(sub_policy: &str) -> Policy {
    implicit_meta_policy(sub_policy, Rule::Any.into())
}

/// "All of the sub-groups' policies of this name."
pub fn all(sub_policy: &str) -> Policy {
    implicit_meta_policy(sub_policy, Rule::All.into())
}

/// "Most of the sub-groups' policies of this name."
pub fn majority(sub_policy: &str) -> Policy {
    implicit_meta_policy(sub_policy, Rule::Majority.into())
}

/// The signature policy of a text in Fabric's policy language.
pub fn signature(rule: &str) -> Result<Policy, Error> {
    let envelope =
        dsl::parse(rule).map_err(|source| Error::Rule { rule: rule.to_owned(), source })?;
    Ok(Policy { r#type: PolicyType::Signature.into(), value: envelope.encode_to_vec().into() })
}

pub(crate) fn implicit_meta_policy(sub_policy: &str, rule: i32) -> Policy {
    let policy = ImplicitMetaPolicy { sub_policy: sub_policy.to_owned(), rule };
    Policy { r#type: PolicyType::ImplicitMeta.into(), value: policy.encode_to_vec().into() }
}

fn group_policies() -> BTreeMap<String, Policy> {
    let policies =
        [("Readers", any("Readers")), ("Writers", any("Writers")), (ADMINS, majority(ADMINS))];
    policies.map(|(name, policy)| (name.to_owned(), policy)).into()
}

/// Signature policies by name; `X` in the texts stands for the organisation.
fn organization_policies(
    msp_id: &str,
    rules: &[(&str, &str)],
) -> Result<BTreeMap<String, Policy>, Error> {
    let policies = rules.iter().map(|(name, rule)| {
        let rule = rule.replace("'X.", &format!("'{msp_id}."));
        Ok(((*name).to_owned(), signature(&rule)?))
    });
    policies.collect()
}

// --- the tree ---

fn group(policies: &BTreeMap<String, Policy>) -> ConfigGroup {
    let policies = policies.iter().map(|(name, policy)| {
        let policy = ConfigPolicy {
            version: 0,
            policy: Some(policy.clone()),
            mod_policy: ADMINS.to_owned(),
        };
        (name.clone(), policy)
    });
    let policies = policies.collect();
    ConfigGroup { policies, mod_policy: ADMINS.to_owned(), ..Default::default() }
}

fn add(group: &mut ConfigGroup, key: &str, value: &impl Message) {
    add_owned(group, key, value, ADMINS);
}

fn add_owned(group: &mut ConfigGroup, key: &str, value: &impl Message, mod_policy: &str) {
    let value = ConfigValue {
        version: 0,
        value: value.encode_to_vec().into(),
        mod_policy: mod_policy.to_owned(),
    };
    group.values.insert(key.to_owned(), value);
}

fn add_organizations(section: &mut ConfigGroup, organizations: &[OrganizationSpec]) {
    for spec in organizations {
        section.groups.insert(spec.name.clone(), spec.group());
    }
}

/// The value of one capability, as Go writes it: with the empty message of the map entry, which prost leaves out.
fn add_capability(group: &mut ConfigGroup, level: &str) {
    let name = Entry { key: level.to_owned(), value: Some(Capability {}) };
    add(group, CAPABILITIES, &Entries { entries: vec![name] });
}

/// [`carecord_proto::common::Capabilities`], its map written out.
#[derive(Clone, PartialEq, Message)]
struct Entries {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Capability>,
}
