//! One organisation's group of a configuration, and the MSPs that a configuration defines.

use carecord_msp::{Msp, MspManager, MspVersion};
use carecord_proto::common::ConfigGroup;
use carecord_proto::msp::MspConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::values::{self, ValueError};

/// The key of an organisation's MSP.
pub(crate) const MSP: &str = "MSP";
/// The only kind of MSP there is here: certificates.
const FABRIC_MSP: i32 = 0;

/// Why an organisation's group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationError {
    /// Groups below an organisation.
    #[error("{0} config does not allow sub-groups")]
    SubGroups(&'static str),
    /// Its values.
    #[error(transparent)]
    Values(#[from] ValueError),
    /// An MSP of a kind we do not have.
    #[error("Setup error: unsupported msp type {0}")]
    MspType(i32),
    /// An MSP that cannot be set up.
    #[error("setting up the MSP manager failed: {0}")]
    Msp(#[source] carecord_msp::Error),
    /// One MSP id, two definitions.
    #[error("Attempted to define two different versions of MSP: {0}")]
    TwoVersions(String),
    /// An MSP without id.
    #[error("MSP for org {0} has empty MSP ID")]
    EmptyMspId(String),
    /// Endpoints before the channel allows them.
    #[error(
        "Orderer Org {0} cannot contain endpoints value until V1_4_2+ capabilities have been enabled"
    )]
    EarlyEndpoints(String),
}

/// The MSPs met so far while a configuration is read.
#[derive(Debug)]
pub(crate) struct Msps {
    version: MspVersion,
    defined: BTreeMap<String, (MspConfig, Arc<Msp>)>,
}

// === impl Msps ===

impl Msps {
    pub(crate) fn new(version: MspVersion) -> Self {
        Self { version, defined: BTreeMap::new() }
    }

    /// Reads the MSP of the organisation called `name` and gives its id.
    pub(crate) fn define(
        &mut self,
        name: &str,
        group: &ConfigGroup,
    ) -> Result<String, OrganizationError> {
        let config: MspConfig = values::read(group, MSP)?;
        if config.r#type != FABRIC_MSP {
            return Err(OrganizationError::MspType(config.r#type));
        }
        let mut known = self.defined.iter();
        if let Some((msp_id, _)) = known.find(|(_, (defined, _))| *defined == config) {
            return Ok(msp_id.clone());
        }
        let msp = Msp::new(&config, self.version).map_err(OrganizationError::Msp)?;
        let msp_id = msp.id().to_owned();
        if self.defined.contains_key(&msp_id) {
            return Err(OrganizationError::TwoVersions(msp_id));
        }
        if msp_id.is_empty() {
            return Err(OrganizationError::EmptyMspId(name.to_owned()));
        }
        self.defined.insert(msp_id.clone(), (config, Arc::new(msp)));
        Ok(msp_id)
    }

    pub(crate) fn into_manager(self) -> Arc<MspManager> {
        let msps = self.defined.into_values().map(|(_, msp)| msp);
        Arc::new(MspManager::new(msps.collect()))
    }
}
