//! Attributes in a certificate, as Fabric-CA writes them: a JSON object in an extension of its own.

use std::collections::BTreeMap;

use rcgen::CustomExtension;
use serde::Serialize;

/// Object identifier of Fabric-CA's attribute extension.
pub const ATTRIBUTE_EXTENSION: [u64; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 1];
/// The attribute that says what a person may do on the health chaincode.
pub const ROLE: &str = "carecord.role";
/// Fabric-CA's attribute with the name a person enrolled under.
pub const ENROLLMENT_ID: &str = "hf.EnrollmentID";
/// Fabric-CA's attribute with the identity's type.
pub const TYPE: &str = "hf.Type";
/// Fabric-CA's attribute with the part of the organisation an identity belongs to.
pub const AFFILIATION: &str = "hf.Affiliation";
/// The role whose certificates carry no name at all.
pub const PATIENT: &str = "patient";
/// Roles that the health contracts know.
pub const ROLES: [&str; 10] = [
    PATIENT,
    "practitioner",
    "hospital-admin",
    "insurer",
    "researcher",
    "device",
    "storage-provider",
    "issuer",
    "auditor",
    "regulator",
];

#[derive(Serialize)]
struct Content<'a> {
    attrs: &'a BTreeMap<String, String>,
}

pub(crate) fn extension(attributes: &BTreeMap<String, String>) -> Option<CustomExtension> {
    if attributes.is_empty() {
        return None;
    }
    Some(CustomExtension::from_oid_content(&ATTRIBUTE_EXTENSION, content_of(attributes)))
}

/// The extension's content.
pub(crate) fn content_of(attributes: &BTreeMap<String, String>) -> Vec<u8> {
    serde_json::to_vec(&Content { attrs: attributes })
        .expect("a map of strings always has a JSON form")
}
