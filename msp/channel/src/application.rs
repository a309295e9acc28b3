//! The `Application` group: the organisations that transact, and who may do what.

use carecord_proto::common::{Capabilities, ConfigGroup};
use carecord_proto::protos::{AcLs, AnchorPeer, AnchorPeers};
use std::collections::BTreeMap;

use crate::capabilities::ApplicationCapabilities;
use crate::organization::{MSP, Msps, OrganizationError};
use crate::values::{self, ValueError};

pub(crate) const ACLS: &str = "ACLs";
pub(crate) const ANCHOR_PEERS: &str = "AnchorPeers";
const CAPABILITIES: &str = "Capabilities";

/// Who transacts on this channel, and how.
#[derive(Debug, Clone)]
pub struct ApplicationConfig {
    /// The organisations by the names of their groups.
    pub organizations: BTreeMap<String, ApplicationOrganization>,
    /// What the channel demands of peers.
    pub capabilities: ApplicationCapabilities,
    /// Absolute policy paths by resource, where they differ from the defaults.
    pub acls: BTreeMap<String, String>,
}

/// An organisation that transacts.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationOrganization {
    /// Its MSP id.
    pub msp_id: String,
    /// Its peers that others may contact.
    pub anchor_peers: Vec<AnchorPeer>,
}

/// Why the `Application` group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// Its values.
    #[error(transparent)]
    Values(#[from] ValueError),
    /// An organisation in it.
    #[error(transparent)]
    Organization(#[from] OrganizationError),
    /// Access rules before the channel allows them.
    #[error("ACLs may not be specified without the required capability")]
    EarlyAcls,
}

// === impl ApplicationConfig ===

impl ApplicationConfig {
    pub(crate) fn read(group: &ConfigGroup, msps: &mut Msps) -> Result<Self, ApplicationError> {
        values::only(group, &[ACLS, CAPABILITIES])?;
        let acls: AcLs = values::read(group, ACLS)?;
        let capabilities: Capabilities = values::read(group, CAPABILITIES)?;
        let capabilities = ApplicationCapabilities::from(capabilities);
        if !capabilities.acls() && group.values.contains_key(ACLS) {
            return Err(ApplicationError::EarlyAcls);
        }
        let mut organizations = BTreeMap::new();
        for (name, group) in &group.groups {
            organizations.insert(name.clone(), read_organization(name, group, msps)?);
        }
        Ok(Self { organizations, capabilities, acls: absolute(acls) })
    }

    /// The name of the group of the organisation with this MSP id.
    pub fn group_of(&self, msp_id: &str) -> Option<&str> {
        let mut organizations = self.organizations.iter();
        organizations.find(|(_, org)| org.msp_id == msp_id).map(|(name, _)| name.as_str())
    }

    /// The MSP ids of all organisations, in the order of their groups.
    pub fn msp_ids(&self) -> impl Iterator<Item = &str> {
        self.organizations.values().map(|org| org.msp_id.as_str())
    }
}

fn read_organization(
    name: &str,
    group: &ConfigGroup,
    msps: &mut Msps,
) -> Result<ApplicationOrganization, OrganizationError> {
    if !group.groups.is_empty() {
        return Err(OrganizationError::SubGroups("ApplicationOrg"));
    }
    values::only(group, &[ANCHOR_PEERS, MSP])?;
    let anchors: AnchorPeers = values::read(group, ANCHOR_PEERS)?;
    let msp_id = msps.define(name, group)?;
    Ok(ApplicationOrganization { msp_id, anchor_peers: anchors.anchor_peers })
}

/// Relative paths are meant from the group; an empty one means the default.
fn absolute(acls: AcLs) -> BTreeMap<String, String> {
    let given = acls.acls.into_iter().filter(|(_, resource)| !resource.policy_ref.is_empty());
    let absolute = given.map(|(name, resource)| match resource.policy_ref {
        path if path.starts_with('/') => (name, path),
        path => (name, format!("/Channel/Application/{path}")),
    });
    absolute.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecord_proto::protos::ApiResource;

    #[test]
    fn access_rules_are_absolute_or_meant_from_the_group() {
        let rule = |path: &str| ApiResource { policy_ref: path.into() };
        let acls = AcLs {
            acls: BTreeMap::from([
                ("peer/Propose".to_owned(), rule("Proposers")),
                ("event/Block".to_owned(), rule("/Channel/Readers")),
                ("event/FilteredBlock".to_owned(), rule("")),
            ]),
        };
        let expected = [
            ("event/Block", "/Channel/Readers"),
            ("peer/Propose", "/Channel/Application/Proposers"),
        ];
        let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
        assert_eq!(absolute(acls), BTreeMap::from(expected));
    }
}
