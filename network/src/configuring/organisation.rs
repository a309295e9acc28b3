//! Organisations in a channel's configuration: their definition, their coming and going.

use carecord_channel::genesis::OrganizationSpec;
use carecord_msp::keystore;
use carecord_proto::common::ConfigGroup;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use carecord_proto::protos::AnchorPeer;
use prost::Message;
use serde_json::Value;

use crate::codes::Code;
use crate::configtx::{self, Place};
use crate::error::{Failure, Outcome};
use crate::state::{NetworkFile, OrganisationEntry};

/// The section of those who transact.
pub const APPLICATION: &str = "Application";
const GROUP: &str = "common.ConfigGroup";

/// The definition of an organisation of this folder: what others need to let it in, no secret in it.
pub fn definition(file: &NetworkFile, organisation: &OrganisationEntry) -> Outcome<ConfigGroup> {
    let msp = keystore::load_msp_config(&organisation.msp_dir, &organisation.msp_id).map_err(
        |error| Failure::new(Code::Certificate, error).at(organisation.msp_dir.display()),
    )?;
    let anchors = file
        .nodes_of("peer")
        .filter(|node| node.organisation == organisation.name)
        .filter_map(|node| {
            let (host, port) = node.address.rsplit_once(':')?;
            Some(AnchorPeer { host: host.to_owned(), port: port.parse().ok()? })
        })
        .collect();
    OrganizationSpec::application(&organisation.name, &organisation.msp_id, msp, anchors)
        .map(|spec| spec.group())
        .map_err(|error| Failure::new(Code::Certificate, error).at(&organisation.name))
}

/// A definition as JSON, as Fabric's `configtxgen -printOrg` prints it.
pub fn to_json(group: &ConfigGroup) -> Outcome<Value> {
    configtx::decode_at(GROUP, &group.encode_to_vec(), Place::ApplicationOrganization)
}

/// The definition that JSON describes.
pub fn from_json(json: &Value) -> Outcome<ConfigGroup> {
    let bytes = configtx::encode_at(GROUP, json, Place::ApplicationOrganization)?;
    let group = ConfigGroup::decode(bytes.as_slice())
        .map_err(|error| Failure::new(Code::ConfigFile, error))?;
    if msp_id(&group).is_empty() {
        return Err(Failure::new(
            Code::ConfigFile,
            "the definition has no value MSP with an MSP id",
        )
        .hint(
            "`carecord org new … --out FILE` writes a definition, as does `configtxgen -printOrg`",
        ));
    }
    Ok(group)
}

/// The MSP id of an organisation's group; empty if it has none.
pub fn msp_id(group: &ConfigGroup) -> String {
    let msp = group.values.get("MSP").map(|value| value.value.clone()).unwrap_or_default();
    let config = MspConfig::decode(msp).unwrap_or_default().config;
    FabricMspConfig::decode(config).unwrap_or_default().name
}

/// Lets an organisation in.
pub fn admit(root: &mut ConfigGroup, name: &str, definition: ConfigGroup) -> Outcome<()> {
    let msp_id = msp_id(&definition);
    let section = root.groups.entry(APPLICATION.to_owned()).or_default();
    let taken = section
        .groups
        .iter()
        .find(|(other, group)| *other == name || self::msp_id(group) == msp_id);
    if let Some((other, _)) = taken {
        return Err(Failure::new(
            Code::ConfigMember,
            format!("{other} with MSP id {msp_id} is a member of the channel already"),
        )
        .hint("`carecord org list` shows the members"));
    }
    section.groups.insert(name.to_owned(), definition);
    Ok(())
}

/// Takes an organisation's rights: its definition leaves the configuration, and with it every identity of its CAs.
pub fn dismiss(root: &mut ConfigGroup, name: &str) -> Outcome<()> {
    let section = root.groups.entry(APPLICATION.to_owned()).or_default();
    if section.groups.remove(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = section.groups.keys().map(String::as_str).collect();
    Err(Failure::new(Code::ConfigMember, format!("{name:?} is no member of the channel"))
        .hint(format!("members are {}", known.join(", "))))
}
