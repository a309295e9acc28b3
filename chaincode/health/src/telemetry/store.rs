//! The state keys of telemetry, in one table.
//!
//! | key | value |
//! |---|---|
//! | `tllink` id | [`super::model::Link`] |
//! | `tldevice` device | the id of its active link |
//! | `tlof` patient, link | a mark |
//! | `tltip` link | [`super::model::Tip`] |
//! | `tlbatch` link, seq | [`super::model::Batch`] |
//! | `tlrule` id | [`super::model::Rule`] |
//! | `tlalert` id | [`super::model::Alert`] |
//! | `tlalerts` link, time, alert | a mark |

use carecord_chaincode::key::composite;

use crate::{ids::Id, store::padded};

fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

pub(super) fn link(id: &Id) -> String {
    build("tllink", &[id.as_str()])
}

pub(super) fn device(device: &Id) -> String {
    build("tldevice", &[device.as_str()])
}

pub(super) fn of_patient(patient: &Id, link: &Id) -> String {
    build("tlof", &[patient.as_str(), link.as_str()])
}

pub(super) fn tip(link: &Id) -> String {
    build("tltip", &[link.as_str()])
}

pub(super) fn batch(link: &Id, seq: u64) -> String {
    build("tlbatch", &[link.as_str(), &padded(seq)])
}

pub(super) fn rule(id: &Id) -> String {
    build("tlrule", &[id.as_str()])
}

pub(super) fn alert(id: &Id) -> String {
    build("tlalert", &[id.as_str()])
}

pub(super) fn alerts(link: &Id, at: i64, alert: &Id) -> String {
    let time = padded(u64::try_from(at).unwrap_or(0));
    build("tlalerts", &[link.as_str(), &time, alert.as_str()])
}
