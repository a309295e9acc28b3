//! Revocation lists in a channel's configuration: whoever stands on one is nobody from that block on.

use bytes::Bytes;
use carecord_ca::{Edition, IssuedRecord, Issuing, Organisation, Revocation};
use carecord_proto::common::ConfigGroup;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use prost::Message;

use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// RFC 5280: a reason that is not told.
const UNSPECIFIED: u8 = 0;
/// How long until the list should be followed by another; an MSP does not look at it.
const NEXT_S: i64 = 30 * 86_400;

/// A list, PEM, by the organisation's own CA, of these certificates.
pub fn revocation_list(
    authority: &Organisation,
    revoked: &[Certificate],
    now_unix_s: i64,
) -> Outcome<String> {
    let failed = |error| Failure::new(Code::Authority, error);
    let ca = authority.ca();
    let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).map_err(failed)?;
    let records: Vec<_> = revoked.iter().map(|one| record(one, now_unix_s)).collect();
    let number = u64::try_from(now_unix_s).unwrap_or_default();
    let edition = Edition { number, made_at: now_unix_s, next_at: now_unix_s + NEXT_S };
    issuing.revocation_list(&records, edition).map_err(failed)
}

fn record(certificate: &Certificate, now_unix_s: i64) -> IssuedRecord {
    IssuedRecord {
        serial: certificate.serial.clone(),
        aki: String::new(),
        id: certificate.common_name.clone(),
        profile: String::new(),
        pem: String::new(),
        not_before: certificate.not_before_unix_s,
        not_after: certificate.not_after_unix_s,
        revoked: Some(Revocation { at: now_unix_s, reason: UNSPECIFIED }),
    }
}

/// Adds revocation lists to an organisation's MSP wherever the channel names it. Lists that are there stay: an MSP looks
/// at all of them, and what was revoked once must not come back.
pub fn put_lists(root: &mut ConfigGroup, organisation: &str, lists: &[Bytes]) -> Outcome<()> {
    let mut found = false;
    for section in root.groups.values_mut() {
        let group = section.groups.get_mut(organisation);
        let Some(value) = group.and_then(|group| group.values.get_mut("MSP")) else { continue };
        let unreadable = |error| Failure::new(Code::ConfigSame, error).at(organisation);
        let mut msp = MspConfig::decode(value.value.clone()).map_err(unreadable)?;
        let mut fabric = FabricMspConfig::decode(msp.config.clone()).map_err(unreadable)?;
        for list in lists {
            if !fabric.revocation_list.contains(list) {
                fabric.revocation_list.push(list.clone());
            }
        }
        msp.config = fabric.encode_to_vec().into();
        value.value = msp.encode_to_vec().into();
        found = true;
    }
    if found {
        return Ok(());
    }
    Err(Failure::new(Code::Unknown, format!("the channel has no organisation {organisation:?}")))
}
