//! The root group: the values of the channel itself and its sections, read and checked together.

use carecord_msp::MspManager;
use carecord_proto::common::{
    BlockDataHashingStructure, Capabilities, ConfigGroup, Consortium, HashingAlgorithm,
    OrdererAddresses, Orderers,
};
use std::sync::Arc;

use crate::application::ApplicationConfig;
use crate::capabilities::ChannelCapabilities;
use crate::consortiums::{self, Consortiums};
use crate::error::ChannelError;
use crate::orderer::OrdererConfig;
use crate::organization::Msps;
use crate::values;

pub(crate) const HASHING_ALGORITHM: &str = "HashingAlgorithm";
pub(crate) const BLOCK_DATA_HASHING_STRUCTURE: &str = "BlockDataHashingStructure";
pub(crate) const ORDERER_ADDRESSES: &str = "OrdererAddresses";
pub(crate) const CAPABILITIES: &str = "Capabilities";
const CONSORTIUM: &str = "Consortium";
const ORDERERS: &str = "Orderers";

pub(crate) const ORDERER_GROUP: &str = "Orderer";
pub(crate) const APPLICATION_GROUP: &str = "Application";
const CONSORTIUMS_GROUP: &str = "Consortiums";

/// The name of SHA-256 in a configuration, the hash of all block headers.
pub(crate) const SHA256: &str = "SHA256";
/// Accepted as Fabric does; block headers are hashed with SHA-256 there too.
const SHA3_256: &str = "SHA3_256";
/// The only width: all data of a block hashed together.
pub(crate) const DATA_HASH_WIDTH: u32 = u32::MAX;

/// Everything that the values of a configuration say.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) capabilities: ChannelCapabilities,
    pub(crate) orderer_addresses: Vec<String>,
    pub(crate) orderer: Option<OrdererConfig>,
    pub(crate) application: Option<ApplicationConfig>,
    pub(crate) consortiums: Option<Consortiums>,
    pub(crate) msps: Arc<MspManager>,
}

// === impl Channel ===

impl Channel {
    pub(crate) fn read(root: &ConfigGroup) -> Result<Self, ChannelError> {
        let known =
            [HASHING_ALGORITHM, BLOCK_DATA_HASHING_STRUCTURE, ORDERER_ADDRESSES, CAPABILITIES];
        values::only(root, &[&known[..], &[CONSORTIUM, ORDERERS]].concat())?;
        values::read::<Consortium>(root, CONSORTIUM)?;
        values::read::<Orderers>(root, ORDERERS)?;
        check_hashing(root)?;
        let capabilities: Capabilities = values::read(root, CAPABILITIES)?;
        let capabilities = ChannelCapabilities::from(capabilities);
        let addresses: OrdererAddresses = values::read(root, ORDERER_ADDRESSES)?;
        check_addresses(&addresses.addresses, &capabilities)?;

        let mut msps = Msps::new(capabilities.msp_version());
        let (mut orderer, mut application, mut consortiums) = (None, None, None);
        for (name, group) in &root.groups {
            match name.as_str() {
                APPLICATION_GROUP => application = Some(ApplicationConfig::read(group, &mut msps)?),
                ORDERER_GROUP => {
                    orderer = Some(OrdererConfig::read(group, &mut msps, &capabilities)?);
                }
                CONSORTIUMS_GROUP => {
                    let read = consortiums::read(group, &mut msps);
                    consortiums = Some(read.map_err(ChannelError::Consortiums)?);
                }
                _ => return Err(ChannelError::DisallowedGroup(name.clone())),
            }
        }
        Ok(Self {
            capabilities,
            orderer_addresses: addresses.addresses,
            orderer,
            application,
            consortiums,
            msps: msps.into_manager(),
        })
    }
}

fn check_hashing(root: &ConfigGroup) -> Result<(), ChannelError> {
    let algorithm: HashingAlgorithm = values::read(root, HASHING_ALGORITHM)?;
    if algorithm.name != SHA256 && algorithm.name != SHA3_256 {
        return Err(ChannelError::HashingAlgorithm(algorithm.name));
    }
    let structure: BlockDataHashingStructure = values::read(root, BLOCK_DATA_HASHING_STRUCTURE)?;
    if structure.width != DATA_HASH_WIDTH {
        return Err(ChannelError::DataHashWidth);
    }
    Ok(())
}

fn check_addresses(
    addresses: &[String],
    capabilities: &ChannelCapabilities,
) -> Result<(), ChannelError> {
    if addresses.is_empty() && !capabilities.org_specific_orderer_endpoints() {
        return Err(ChannelError::NoOrdererAddresses);
    }
    if !addresses.is_empty() && capabilities.v3_0() {
        return Err(ChannelError::GlobalOrdererAddresses);
    }
    Ok(())
}
