//! The attributes that a Fabric CA writes into certificates, read by chaincode for access decisions.

use std::collections::BTreeMap;

use crate::x509::Certificate;

/// 1.2.3.4.5.6.7.8.1
const ATTRIBUTES: [u8; 8] = [0x2a, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x01];

#[derive(serde::Deserialize)]
struct Attributes {
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

/// The attributes of a certificate; none if the extension is missing or is not what a Fabric CA writes.
pub(crate) fn of(certificate: &Certificate) -> BTreeMap<String, String> {
    certificate
        .extensions
        .find(&ATTRIBUTES)
        .and_then(|extension| serde_json::from_slice::<Attributes>(&extension.value).ok())
        .map(|attributes| attributes.attrs)
        .unwrap_or_default()
}
