//! What a channel demands of the programs that serve it.
//!
//! A capability that we do not know may change any rule: whoever meets one has to leave the channel alone.

use carecord_msp::MspVersion;
use carecord_proto::common;
use std::collections::BTreeSet;

const CHANNEL: [&str; 6] = ["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"];
const ORDERER: [&str; 3] = ["V1_1", "V1_4_2", "V2_0"];
const APPLICATION: [&str; 8] = [
    "V1_1",
    "V1_2",
    "V1_3",
    "V1_4_2",
    "V2_0",
    "V2_5",
    "V1_1_PVTDATA_EXPERIMENTAL",
    "V1_1_RESOURCETREE_EXPERIMENTAL",
];

/// A demand that we cannot meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A capability of the channel that we do not know.
    #[error(
        "config requires unsupported channel capabilities: Channel capability {0} is required but not supported"
    )]
    Channel(String),
    /// A capability of the ordering service that we do not know.
    #[error(
        "config requires unsupported orderer capabilities: Orderer capability {0} is required but not supported"
    )]
    Orderer(String),
    /// A capability of the application that we do not know.
    #[error(
        "config requires unsupported application capabilities: Application capability {0} is required but not supported"
    )]
    Application(String),
    /// A channel for the validators of Fabric 1.x, which we do not have.
    #[error(
        "the application capabilities select a validator older than V2_0, which is not supported"
    )]
    OldValidator,
}

/// The capabilities of the channel as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelCapabilities(BTreeSet<String>);

/// The capabilities of the ordering service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrdererCapabilities(BTreeSet<String>);

/// The capabilities of peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationCapabilities(BTreeSet<String>);

fn unknown(names: &BTreeSet<String>, known: &[&str]) -> Option<String> {
    names.iter().find(|name| !known.contains(&name.as_str())).cloned()
}

fn any(names: &BTreeSet<String>, of: &[&str]) -> bool {
    of.iter().any(|name| names.contains(*name))
}

// === impl ChannelCapabilities ===

impl From<common::Capabilities> for ChannelCapabilities {
    fn from(value: common::Capabilities) -> Self {
        Self(value.capabilities.into_keys().collect())
    }
}

impl ChannelCapabilities {
    /// Refuses what we do not know.
    pub fn check(&self) -> Result<(), CapabilityError> {
        unknown(&self.0, &CHANNEL).map_or(Ok(()), |name| Err(CapabilityError::Channel(name)))
    }

    /// By which rules identities are judged.
    pub fn msp_version(&self) -> MspVersion {
        let has = |of: &[&str]| any(&self.0, of);
        match () {
            () if has(&["V3_0"]) => MspVersion::V3_0,
            () if has(&["V1_4_3", "V2_0"]) => MspVersion::V1_4_3,
            () if has(&["V1_3", "V1_4_2"]) => MspVersion::V1_3,
            () if has(&["V1_1"]) => MspVersion::V1_1,
            () => MspVersion::V1_0,
        }
    }

    /// Whether orderer organisations name their own endpoints, and the consensus type may change.
    pub fn org_specific_orderer_endpoints(&self) -> bool {
        any(&self.0, &["V1_4_2", "V1_4_3", "V2_0", "V3_0"])
    }

    /// Whether this is a V3_0 channel: endpoints per organisation only, Ed25519 and BFT possible.
    pub fn v3_0(&self) -> bool {
        any(&self.0, &["V3_0"])
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

// === impl OrdererCapabilities ===

impl From<common::Capabilities> for OrdererCapabilities {
    fn from(value: common::Capabilities) -> Self {
        Self(value.capabilities.into_keys().collect())
    }
}

impl OrdererCapabilities {
    /// Refuses what we do not know.
    pub fn check(&self) -> Result<(), CapabilityError> {
        unknown(&self.0, &ORDERER).map_or(Ok(()), |name| Err(CapabilityError::Orderer(name)))
    }

    /// Whether envelopes ordered under an older configuration are checked again.
    pub fn resubmission(&self) -> bool {
        any(&self.0, &ORDERER)
    }

    /// Whether expired identities may not broadcast.
    pub fn expiration_check(&self) -> bool {
        any(&self.0, &ORDERER)
    }

    /// Whether the consensus type may change.
    pub fn consensus_type_migration(&self) -> bool {
        any(&self.0, &["V1_4_2", "V2_0"])
    }
}

// === impl ApplicationCapabilities ===

impl From<common::Capabilities> for ApplicationCapabilities {
    fn from(value: common::Capabilities) -> Self {
        Self(value.capabilities.into_keys().collect())
    }
}

impl ApplicationCapabilities {
    /// Refuses what we do not know, and channels that need another validator than ours.
    pub fn check(&self) -> Result<(), CapabilityError> {
        if let Some(name) = unknown(&self.0, &APPLICATION) {
            return Err(CapabilityError::Application(name));
        }
        if !self.v2_0_validation() {
            return Err(CapabilityError::OldValidator);
        }
        Ok(())
    }

    /// Whether the configuration may override access rules.
    pub fn acls(&self) -> bool {
        any(&self.0, &["V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"])
    }

    /// Whether the lifecycle and validator of Fabric 2 are in force.
    pub fn v2_0_validation(&self) -> bool {
        any(&self.0, &["V2_0", "V2_5"])
    }

    /// Whether private data can be purged.
    pub fn purge_private_data(&self) -> bool {
        any(&self.0, &["V2_5"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(names: &[&str]) -> common::Capabilities {
        let entry = |name: &&str| ((*name).to_owned(), common::Capability {});
        common::Capabilities { capabilities: names.iter().map(entry).collect() }
    }

    #[test]
    fn unknown_capabilities_are_refused_by_name() {
        let channel = ChannelCapabilities::from(capabilities(&["V2_0", "V9_0"]));
        assert_eq!(channel.check(), Err(CapabilityError::Channel("V9_0".into())));
        let orderer = OrdererCapabilities::from(capabilities(&["V3_0"]));
        assert_eq!(orderer.check(), Err(CapabilityError::Orderer("V3_0".into())));
        let application = ApplicationCapabilities::from(capabilities(&["V2_0", "V3_0"]));
        assert_eq!(application.check(), Err(CapabilityError::Application("V3_0".into())));
    }

    #[test]
    fn a_channel_for_an_older_validator_is_refused() {
        for names in [&[][..], &["V1_3"], &["V1_4_2"]] {
            let application = ApplicationCapabilities::from(capabilities(names));
            assert_eq!(application.check(), Err(CapabilityError::OldValidator), "{names:?}");
        }
        for names in [&["V2_0"][..], &["V2_5"], &["V1_3", "V2_5"]] {
            assert_eq!(
                ApplicationCapabilities::from(capabilities(names)).check(),
                Ok(()),
                "{names:?}"
            );
        }
    }

    #[test]
    fn the_msp_version_follows_the_highest_channel_capability() {
        let version = |names| ChannelCapabilities::from(capabilities(names)).msp_version();
        assert_eq!(version(&[]), MspVersion::V1_0);
        assert_eq!(version(&["V1_1"]), MspVersion::V1_1);
        assert_eq!(version(&["V1_1", "V1_4_2"]), MspVersion::V1_3);
        assert_eq!(version(&["V2_0"]), MspVersion::V1_4_3);
        assert_eq!(version(&["V2_0", "V3_0"]), MspVersion::V3_0);
    }
}
