//! Configuration updates: what an administrator read, what is to be written, and who agreed.
//!
//! An update holds two partial trees. The read set must be what is in force; the elements of the write set with another
//! version than in the read set are the change. Each changed element needs the next version and the consent of the
//! *existing* element's `mod_policy`; a new one needs version 0 and nobody's consent, but is only reached if its parent's
//! list changed, which needs consent.

use carecord_msp::Identity;
use carecord_proto::common::{
    Config, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope, Envelope, HeaderType,
};
use carecord_proto::envelope::{self, Opened};
use prost::Message;
use std::sync::Arc;

use super::elements::{self, Element, Elements};
use super::limits::{self, LimitError};
use super::names::{ElementError, KeyError, check_key};
use crate::Bundle;
use crate::capabilities::CapabilityError;
use crate::error::{ChangeError, Error};
use crate::policy::{Policy, PolicyError, SignedData, SignedDataError, valid_identities};

/// Why an orderer refuses an update.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Not a configuration update at all.
    #[error("error converting envelope to config update: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Not in force, or not agreed.
    #[error("error authorizing update: {0}")]
    Authorize(#[from] AuthorizeError),
    /// An element that a group lists and nobody has.
    #[error("could not turn configMap back to channelGroup: missing element at path: {0}")]
    Missing(String),
    /// A result that is no valid configuration.
    #[error(transparent)]
    Result(Error),
    /// A result that asks for what we do not know.
    #[error("config update is not compatible: {0}")]
    Capability(#[from] CapabilityError),
    /// A result that must not follow the current configuration.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Why an envelope holds no configuration update.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// None there.
    #[error("config envelope has no last update")]
    Missing,
    /// Nothing that says what it is.
    #[error("envelope must have a Header")]
    NoHeader,
    /// Unreadable.
    #[error("{0}")]
    Open(#[source] envelope::Error),
    /// An envelope of another type.
    #[error("invalid type {0}, expected CONFIG_UPDATE")]
    Type(String),
    /// Its contents are not an update.
    #[error("error unmarshalling message for type CONFIG_UPDATE: {0}")]
    Update(#[source] prost::DecodeError),
}

/// Why an update is not to be applied.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// Unreadable.
    #[error("error unmarshalling ConfigUpdate: {0}")]
    Decode(#[source] prost::DecodeError),
    /// Meant for another channel.
    #[error("ConfigUpdate for channel '{given}' but envelope for channel '{own}'")]
    Channel {
        /// The channel in the update.
        given: String,
        /// This one.
        own: String,
    },
    /// Beyond our own limits.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A key that is not allowed.
    #[error("error mapping {set}: {source}")]
    Keys {
        /// `ReadSet` or `WriteSet`.
        set: &'static str,
        /// The element.
        source: ElementError,
    },
    /// Something was read that does not exist.
    #[error(
        "error validating ReadSet: existing config does not contain element for {0} but was in the read set"
    )]
    ReadMissing(String),
    /// Something else was read than what is in force.
    #[error(
        "error validating ReadSet: proposed update requires that key {name} be at version {read}, but it is currently \
         at version {current}"
    )]
    ReadVersion {
        /// The element.
        name: String,
        /// The version read.
        read: u64,
        /// The version in force.
        current: u64,
    },
    /// A signature that cannot be read.
    #[error(transparent)]
    Signature(#[from] SignedDataError),
    /// A change that is not allowed.
    #[error("error validating DeltaSet: {0}")]
    Delta(#[from] DeltaError),
    /// Something to be written that no group lists.
    #[error(
        "full config did not verify: writeset contained key {0} which did not appear in proposed config"
    )]
    Unlisted(String),
}

/// Why a change is not allowed.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// No change.
    #[error("delta set was empty -- update would have no effect")]
    Empty,
    /// An element that nobody could change again.
    #[error("invalid mod_policy for element {0}: mod_policy not set")]
    NoModPolicy(String),
    /// A `mod_policy` that is no path.
    #[error("invalid mod_policy for element {name}: path element at {at} is invalid: {reason}")]
    ModPolicy {
        /// The element.
        name: String,
        /// Which part of the path.
        at: usize,
        /// What is wrong with it.
        reason: KeyError,
    },
    /// A new element that claims a past.
    #[error("attempted to set key {name} to version {version}, but key does not exist")]
    NewVersion {
        /// The element.
        name: String,
        /// The version given.
        version: u64,
    },
    /// Not the next version.
    #[error("attempt to set key {name} to version {version}, but key is at version {current}")]
    Version {
        /// The element.
        name: String,
        /// The version given.
        version: u64,
        /// The version in force.
        current: u64,
    },
    /// The existing element's `mod_policy` does not exist.
    #[error("unexpected missing policy {policy} for item {name}")]
    NoPolicy {
        /// The path of the policy.
        policy: String,
        /// The element.
        name: String,
    },
    /// The existing element's `mod_policy` is not satisfied.
    #[error("policy for {name} not satisfied: {source}")]
    Policy {
        /// The element.
        name: String,
        /// What is missing.
        source: PolicyError,
    },
}

/// Why a configuration in a block is not what its update leads to.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// Not the next one.
    #[error("config currently at sequence {current}, cannot validate config at sequence {given}")]
    Sequence {
        /// The current sequence.
        current: u64,
        /// The one given.
        given: u64,
    },
    /// The update itself would be refused.
    #[error(transparent)]
    Update(Box<UpdateError>),
    /// The update leads elsewhere.
    #[error("ConfigEnvelope LastUpdate did not produce the supplied config result")]
    Differs,
}

/// The configuration to which a CONFIG_UPDATE envelope leads, if it is authorised.
pub(crate) fn propose(bundle: &Bundle, envelope: &Envelope) -> Result<Config, UpdateError> {
    let update = open(envelope)?;
    let config =
        ConfigUpdate::decode(update.config_update.clone()).map_err(AuthorizeError::Decode)?;
    let current = bundle.elements();
    let change = Change::read(bundle.channel_id(), &current, &config)?;
    let signatures = SignedData::of_config_update(&update).map_err(AuthorizeError::from)?;
    let identities = valid_identities(bundle.msps(), &signatures);
    change
        .check(&current, &|name, element| consent(bundle, &identities, name, element))
        .map_err(AuthorizeError::from)?;
    let channel_group = change.apply(current)?;
    let sequence = bundle.sequence().saturating_add(1);
    Ok(Config { sequence, channel_group: Some(channel_group) })
}

/// Refuses a configuration that is not the result of its update.
pub(crate) fn validate(
    bundle: &Bundle,
    config: &Config,
    update: Option<&Envelope>,
) -> Result<(), ValidateError> {
    let current = bundle.sequence();
    if current.checked_add(1) != Some(config.sequence) {
        return Err(ValidateError::Sequence { current, given: config.sequence });
    }
    let refused = |error| ValidateError::Update(Box::new(error));
    let update = update.ok_or_else(|| refused(EnvelopeError::Missing.into()))?;
    let expected = propose(bundle, update).map_err(refused)?;
    if expected == *config { Ok(()) } else { Err(ValidateError::Differs) }
}

fn open(envelope: &Envelope) -> Result<ConfigUpdateEnvelope, EnvelopeError> {
    let opened = Opened::open(envelope).map_err(|error| match error {
        envelope::Error::NoHeader => EnvelopeError::NoHeader,
        error => EnvelopeError::Open(error),
    })?;
    match HeaderType::try_from(opened.channel_header.r#type) {
        Ok(HeaderType::ConfigUpdate) => {
            ConfigUpdateEnvelope::decode(opened.payload.data).map_err(EnvelopeError::Update)
        }
        Ok(other) => Err(EnvelopeError::Type(other.as_str_name().to_owned())),
        Err(_) => Err(EnvelopeError::Type(opened.channel_header.r#type.to_string())),
    }
}

/// What an update wants written, and which of it is a change.
struct Change<'a> {
    write: Elements<'a>,
    delta: Elements<'a>,
}

// === impl Change ===

impl<'a> Change<'a> {
    /// Compares an update with what is in force.
    fn read(
        channel_id: &str,
        current: &Elements<'_>,
        update: &'a ConfigUpdate,
    ) -> Result<Self, AuthorizeError> {
        if update.channel_id != channel_id {
            let (given, own) = (update.channel_id.clone(), channel_id.to_owned());
            return Err(AuthorizeError::Channel { given, own });
        }
        let read = map("ReadSet", update.read_set.as_ref())?;
        check_read_set(current, &read)?;
        let write = map("WriteSet", update.write_set.as_ref())?;
        let unchanged = |name: &String, element: &Element<'_>| {
            read.get(name).is_some_and(|read| read.version() == element.version())
        };
        let delta = write.iter().filter(|(name, element)| !unchanged(name, element));
        let delta = delta.map(|(name, element)| (name.clone(), element.clone())).collect();
        Ok(Self { write, delta })
    }

    /// Refuses a change with wrong versions, or without the `consent` of the existing elements.
    fn check(
        &self,
        current: &Elements<'_>,
        consent: &dyn Fn(&str, &Element<'_>) -> Result<(), DeltaError>,
    ) -> Result<(), DeltaError> {
        if self.delta.is_empty() {
            return Err(DeltaError::Empty);
        }
        for (name, element) in &self.delta {
            check_mod_policy(name, element.mod_policy())?;
            let version = element.version();
            match current.get(name) {
                None if version == 0 => {}
                None => return Err(DeltaError::NewVersion { name: name.clone(), version }),
                Some(existing) if existing.version().checked_add(1) == Some(version) => {
                    consent(name, existing)?;
                }
                Some(existing) => {
                    let current = existing.version();
                    return Err(DeltaError::Version { name: name.clone(), version, current });
                }
            }
        }
        Ok(())
    }

    /// Lays the change over what is in force. New elements that no group lists are dropped without a word.
    fn apply(self, mut current: Elements<'a>) -> Result<ConfigGroup, UpdateError> {
        current.extend(self.delta);
        if let Some(name) = self.write.keys().find(|name| !current.contains_key(*name)) {
            return Err(AuthorizeError::Unlisted(name.clone()).into());
        }
        elements::assemble(&current).map_err(UpdateError::Missing)
    }
}

fn map<'a>(
    set: &'static str,
    root: Option<&'a ConfigGroup>,
) -> Result<Elements<'a>, AuthorizeError> {
    root.map_or(Ok(()), limits::check)?;
    elements::flatten(root).map_err(|source| AuthorizeError::Keys { set, source })
}

fn check_read_set(current: &Elements<'_>, read: &Elements<'_>) -> Result<(), AuthorizeError> {
    for (name, element) in read {
        let existing =
            current.get(name).ok_or_else(|| AuthorizeError::ReadMissing(name.clone()))?;
        if existing.version() != element.version() {
            return Err(AuthorizeError::ReadVersion {
                name: name.clone(),
                read: element.version(),
                current: existing.version(),
            });
        }
    }
    Ok(())
}

/// Whether the signers may change an element in force.
fn consent(
    bundle: &Bundle,
    identities: &[Arc<Identity>],
    name: &str,
    existing: &Element<'_>,
) -> Result<(), DeltaError> {
    match policy_of(bundle, existing).filter(|policy| !policy.is_reject()) {
        Some(policy) => policy
            .evaluate(identities)
            .map_err(|source| DeltaError::Policy { name: name.to_owned(), source }),
        None => Err(DeltaError::NoPolicy {
            policy: existing.mod_policy().to_owned(),
            name: name.to_owned(),
        }),
    }
}

/// Syntax only: whether such a policy exists is not asked, so an element can be locked for ever.
fn check_mod_policy(name: &str, path: &str) -> Result<(), DeltaError> {
    if path.is_empty() {
        return Err(DeltaError::NoModPolicy(name.to_owned()));
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    for (at, part) in path.split('/').enumerate() {
        check_key(part).map_err(|reason| DeltaError::ModPolicy {
            name: name.to_owned(),
            at,
            reason,
        })?;
    }
    Ok(())
}

/// The policy that an element in force names: relative to its own group, or from the root.
fn policy_of(bundle: &Bundle, element: &Element<'_>) -> Option<Arc<Policy>> {
    let path = element.mod_policy();
    if path.is_empty() || path.starts_with('/') {
        return Some(bundle.policies().get(path));
    }
    Some(bundle.policies().group(&element.home)?.get(path))
}

/// The effect of `update` on `original` as if every policy agreed, for simulations and tests.
#[doc(hidden)]
pub fn apply_unchecked(
    channel_id: &str,
    original: &Config,
    update: &ConfigUpdate,
) -> Result<Config, UpdateError> {
    apply_with(channel_id, original, update, &|_| true)
}

/// The same where `agreed` says, by its full name, whether the policy over an element in force agrees.
#[doc(hidden)]
pub fn apply_with(
    channel_id: &str,
    original: &Config,
    update: &ConfigUpdate,
    agreed: &dyn Fn(&str) -> bool,
) -> Result<Config, UpdateError> {
    let consent = |name: &str, _: &Element<'_>| match agreed(name) {
        true => Ok(()),
        false => {
            Err(DeltaError::Policy { name: name.to_owned(), source: PolicyError::NotSatisfied })
        }
    };
    let current = map("config", original.channel_group.as_ref())?;
    let change = Change::read(channel_id, &current, update)?;
    change.check(&current, &consent).map_err(AuthorizeError::from)?;
    let channel_group = Some(change.apply(current)?);
    Ok(Config { sequence: original.sequence + 1, channel_group })
}
