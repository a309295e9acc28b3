//! The `Consortiums` group, which only the old system channel had. Read so that a bundle checks it; never used.

use carecord_proto::common::{ConfigGroup, Policy};
use std::collections::BTreeMap;

use crate::organization::{MSP, Msps, OrganizationError};
use crate::values;

const CHANNEL_CREATION_POLICY: &str = "ChannelCreationPolicy";

/// MSP ids by consortium and group name.
pub(crate) type Consortiums = BTreeMap<String, BTreeMap<String, String>>;

pub(crate) fn read(group: &ConfigGroup, msps: &mut Msps) -> Result<Consortiums, OrganizationError> {
    let mut consortiums = Consortiums::new();
    for (name, group) in &group.groups {
        values::only(group, &[CHANNEL_CREATION_POLICY])?;
        values::read::<Policy>(group, CHANNEL_CREATION_POLICY)?;
        let mut organizations = BTreeMap::new();
        for (name, group) in &group.groups {
            if !group.groups.is_empty() {
                return Err(OrganizationError::SubGroups("Organization"));
            }
            values::only(group, &[MSP])?;
            organizations.insert(name.clone(), msps.define(name, group)?);
        }
        consortiums.insert(name.clone(), organizations);
    }
    Ok(consortiums)
}
