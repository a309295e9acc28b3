//! Everything that one configuration of a channel says, compiled once and never changed.

use carecord_msp::{Identity, MspManager};
use carecord_proto::block;
use carecord_proto::common::{Block, Config, ConfigEnvelope, ConfigGroup, Envelope};
use std::sync::Arc;

use crate::acl;
use crate::application::ApplicationConfig;
use crate::capabilities::{CapabilityError, ChannelCapabilities};
use crate::channel::{APPLICATION_GROUP, CAPABILITIES, Channel, ORDERER_GROUP};
use crate::config::elements::Elements;
use crate::config::update::UpdateError;
use crate::config::{elements, limits, names, update};
use crate::error::Error;
use crate::orderer::OrdererConfig;
use crate::policy::{self, Policies, Policy, PolicyError, SignedData};

/// The name of the root group, with which every absolute policy path begins.
pub const ROOT: &str = "Channel";

/// The path of the policy over whoever signs blocks.
pub const BLOCK_VALIDATION: &str = "/Channel/Orderer/BlockValidation";
/// The path of the policy over whoever may follow blocks from an orderer.
pub const CHANNEL_READERS: &str = "/Channel/Readers";
/// The path of the policy over whoever may send envelopes to an orderer.
pub const CHANNEL_WRITERS: &str = "/Channel/Writers";
/// The path of the policy over whoever may send envelopes to an orderer in maintenance.
pub const ORDERER_WRITERS: &str = "/Channel/Orderer/Writers";
/// The path of the policy over chaincode definitions.
pub const LIFECYCLE_ENDORSEMENT: &str = "/Channel/Application/LifecycleEndorsement";
/// The path of the policy over transactions of chaincodes that have none of their own.
pub const ENDORSEMENT: &str = "/Channel/Application/Endorsement";

/// One configuration of a channel. Replaced as a whole by the next; share it in an `Arc`.
#[derive(Debug)]
pub struct Bundle {
    channel_id: String,
    config: Config,
    pub(crate) channel: Channel,
    policies: Policies,
}

// === impl Bundle ===

impl Bundle {
    /// Compiles a configuration that this program is to serve: it must be valid and ask for nothing unknown.
    pub fn from_config(channel_id: &str, config: &Config) -> Result<Self, Error> {
        let bundle = Self::compile(channel_id, config)?;
        bundle.check_capabilities()?;
        Ok(bundle)
    }

    /// Compiles the configuration in a genesis block or any other configuration block.
    pub fn from_block(block: &Block) -> Result<Self, Error> {
        let unreadable = |error: &dyn std::error::Error| Error::Block(error.to_string());
        let envelope = block::config_envelope(block).map_err(|error| unreadable(&error))?;
        let config = envelope.ok_or(Error::NotConfigBlock)?.config.ok_or(Error::NoConfig)?;
        let channel_id = block::channel_id(block).map_err(|error| unreadable(&error))?;
        Self::from_config(&channel_id, &config)
    }

    /// Compiles a configuration only to look at it, without asking whether we know all its capabilities.
    pub fn compile(channel_id: &str, config: &Config) -> Result<Self, Error> {
        let root = config.channel_group.as_ref().ok_or(Error::NoChannelGroup)?;
        limits::check(root)?;
        check_orderer_capabilities_first(root)?;
        let channel = Channel::read(root)?;
        let policies = Policies::compile(ROOT, root)?;
        names::check_channel_id(channel_id)?;
        elements::flatten(Some(root)).map_err(names::NameError::from)?;
        Ok(Self { channel_id: channel_id.to_owned(), config: config.clone(), channel, policies })
    }

    /// Refuses capabilities that we do not know, of the channel or of any section.
    pub(crate) fn check_capabilities(&self) -> Result<(), CapabilityError> {
        self.channel.capabilities.check()?;
        if let Some(orderer) = self.orderer() {
            orderer.capabilities.check()?;
        }
        if let Some(application) = self.application() {
            application.capabilities.check()?;
        }
        Ok(())
    }

    /// Compiles the configuration that follows this one in a block.
    ///
    /// Everything is decided again: that the update inside is authorised by this configuration and gives the result
    /// that the orderers say it does. An error means that the orderers failed, so the channel must halt.
    pub fn next_bundle(&self, envelope: &ConfigEnvelope) -> Result<Self, Error> {
        let config = envelope.config.as_ref().ok_or(Error::NoConfig)?;
        update::validate(self, config, envelope.last_update.as_ref())?;
        let next = Self::from_config(&self.channel_id, config)?;
        self.check_change(&next)?;
        Ok(next)
    }

    /// What an orderer makes of a CONFIG_UPDATE envelope: the configuration it leads to, and that compiled.
    ///
    /// The caller wraps the result into a CONFIG envelope of its own; rules of the consensus protocol come on top.
    pub fn propose_update(
        &self,
        envelope: &Envelope,
    ) -> Result<(ConfigEnvelope, Self), UpdateError> {
        let config = update::propose(self, envelope)?;
        let next = Self::compile(&self.channel_id, &config).map_err(UpdateError::Result)?;
        next.check_capabilities()?;
        self.check_change(&next)?;
        let last_update = Some(envelope.clone());
        Ok((ConfigEnvelope { config: Some(config), last_update }, next))
    }

    pub(crate) fn elements(&self) -> Elements<'_> {
        elements::flatten(self.config.channel_group.as_ref())
            .expect("compile has flattened the same tree")
    }

    /// The channel's name.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// How many updates led to this configuration.
    pub fn sequence(&self) -> u64 {
        self.config.sequence
    }

    /// The configuration itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The MSPs of all organisations.
    pub fn msps(&self) -> &Arc<MspManager> {
        &self.channel.msps
    }

    /// The capabilities of the channel as a whole.
    pub fn capabilities(&self) -> &ChannelCapabilities {
        &self.channel.capabilities
    }

    /// How the channel is ordered.
    pub fn orderer(&self) -> Option<&OrdererConfig> {
        self.channel.orderer.as_ref()
    }

    /// Who transacts on it.
    pub fn application(&self) -> Option<&ApplicationConfig> {
        self.channel.application.as_ref()
    }

    /// The addresses of orderers that are not given by organisation, on channels below V3_0.
    pub fn orderer_addresses(&self) -> &[String] {
        &self.channel.orderer_addresses
    }

    /// All policies by path.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The policy at `path`; one that rejects if there is none.
    pub fn policy(&self, path: &str) -> Arc<Policy> {
        self.policies.get(path)
    }

    /// Whether the good ones among `signatures` satisfy the policy at `path`.
    pub fn evaluate(&self, path: &str, signatures: &[SignedData]) -> Result<(), PolicyError> {
        self.policy(path).evaluate_signed(self.msps(), signatures)
    }

    /// Whether `identities` do, distinct ones whose signatures are already checked.
    pub fn evaluate_identities(
        &self,
        path: &str,
        identities: &[Arc<Identity>],
    ) -> Result<(), PolicyError> {
        self.policy(path).evaluate(identities)
    }

    /// The path of the policy that guards a resource of this channel; empty, which nobody satisfies, if unknown.
    pub fn acl(&self, resource: &str) -> &str {
        let own = self.application().and_then(|application| application.acls.get(resource));
        match own {
            Some(path) if acl::local(resource).is_none() => path,
            _ => acl::default_path(resource).unwrap_or_default(),
        }
    }

    /// Who must endorse chaincode definitions: the channel's own policy, else a majority of organisations.
    pub fn lifecycle_endorsement(&self) -> Arc<Policy> {
        let policy = self.policy(LIFECYCLE_ENDORSEMENT);
        if !policy.is_reject() {
            return policy;
        }
        let Some(application) = self.application() else { return policy };
        let mut msp_ids: Vec<_> = application.msp_ids().collect();
        msp_ids.sort_unstable();
        Arc::new(policy::signed_by_n_members(msp_ids.len() / 2 + 1, msp_ids))
    }

    /// Who must endorse writes into the implicit collection of an organisation; none if there is no such organisation.
    pub fn implicit_collection_endorsement(&self, msp_id: &str) -> Option<Arc<Policy>> {
        let group = self.application()?.group_of(msp_id)?;
        let policy = self.policy(&format!("/Channel/Application/{group}/Endorsement"));
        if !policy.is_reject() {
            return Some(policy);
        }
        Some(Arc::new(policy::signed_by_n_members(1, [msp_id])))
    }
}

fn check_orderer_capabilities_first(root: &ConfigGroup) -> Result<(), Error> {
    let has = |group: &ConfigGroup| group.values.contains_key(CAPABILITIES);
    match root.groups.get(ORDERER_GROUP) {
        Some(orderer) if !has(orderer) => {
            if has(root) {
                return Err(Error::OrdererCapabilitiesFirst("channel"));
            }
            if root.groups.get(APPLICATION_GROUP).is_some_and(has) {
                return Err(Error::OrdererCapabilitiesFirst("application"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
