//! The state keys of storage, in one table.
//!
//! | key | value |
//! |---|---|
//! | `stprovider` id | [`super::model::Provider`] |
//! | `stquota` id | [`super::model::Quota`] |
//! | `stobject` id | [`super::model::Object`] |
//! | `stheld` provider, object | a mark |
//! | `stchallenge` id | [`super::model::Challenge`] |
//! | `stopen` object, provider | the id of the challenge under way |
//! | `stproven` object, provider, epoch | [`super::model::Proven`] |
//! | `stlatency` provider, epoch, organisation | a mark: one report each |

use carecord_chaincode::key::composite;

use crate::{
    ids::{Id, MspId},
    store::padded,
};

/// The seconds of an epoch: a day.
pub const EPOCH_SECONDS: i64 = 24 * 3600;

/// The epoch of a time.
pub fn epoch(at: i64) -> u64 {
    u64::try_from(at.div_euclid(EPOCH_SECONDS)).unwrap_or(0)
}

fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

pub(super) fn provider(id: &Id) -> String {
    build("stprovider", &[id.as_str()])
}

pub(super) fn quota(id: &Id) -> String {
    build("stquota", &[id.as_str()])
}

pub(super) fn object(id: &Id) -> String {
    build("stobject", &[id.as_str()])
}

pub(super) fn held(provider: &Id, object: &Id) -> String {
    build("stheld", &[provider.as_str(), object.as_str()])
}

pub(super) fn challenge(id: &Id) -> String {
    build("stchallenge", &[id.as_str()])
}

pub(super) fn open(object: &Id, provider: &Id) -> String {
    build("stopen", &[object.as_str(), provider.as_str()])
}

pub(super) fn proven(object: &Id, provider: &Id, epoch: u64) -> String {
    build("stproven", &[object.as_str(), provider.as_str(), &padded(epoch)])
}

pub(super) fn latency(provider: &Id, epoch: u64, org: &MspId) -> String {
    build("stlatency", &[provider.as_str(), &padded(epoch), org.as_str()])
}
