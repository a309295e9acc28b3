//! The state keys of appointments, in one table.
//!
//! | key | value |
//! |---|---|
//! | `apqual` practitioner | [`super::model::Qualification`] |
//! | `approfile` practitioner | [`super::model::Profile`] |
//! | `apslot` id | [`super::model::Slot`] |
//! | `apcalendar` practitioner, start, slot | a mark, while the slot is not withdrawn |
//! | `apfree` family, start, slot | a mark, while the slot is open |
//! | `aprequest` id | [`super::model::Request`] |
//! | `apmine` patient, created, request | a mark |
//! | `apwait` family, created, request | a mark, while the request is open |
//! | `apmatch` id | [`super::model::Match`] |
//! | `apagenda` person, made, match | a mark, for patient and practitioner |
//! | `apload` practitioner, day | minutes promised on that day |
//! | `apmet` patient, practitioner | a mark, once a visit took place |
//! | `apconduct` practitioner | [`super::model::Conduct`] |
//! | `appool` family | [`super::model::Pool`]: the batch that is under way |
//! | `apbatch` id | [`super::model::BatchHead`] |
//! | `apdemand`, `apsupply` batch, part | what was frozen, [`PART`] at a time |
//! | `apresult` batch | [`super::model::BatchResult`] |
//!
//! Attributes are random ids, fixed words and numbers.

use carecord_chaincode::{Context, ContractError, key::composite, key::split};

use crate::{
    appointments::words::Specialty,
    ids::Id,
    store::{self, padded},
};

/// Requests, or slots, in one value of a frozen batch.
pub const PART: usize = 250;
/// The seconds of a day.
const DAY_SECONDS: i64 = 24 * 3600;

fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

/// A time in a key; times before 1970 do not occur.
fn time(at: i64) -> String {
    padded(u64::try_from(at).unwrap_or(0))
}

/// The day of a time, counted from 1970, UTC.
pub(super) fn day(at: i64) -> i64 {
    at.div_euclid(DAY_SECONDS)
}

pub(super) fn qualification(practitioner: &Id) -> String {
    build("apqual", &[practitioner.as_str()])
}

pub(super) fn profile(practitioner: &Id) -> String {
    build("approfile", &[practitioner.as_str()])
}

pub(super) fn slot(id: &Id) -> String {
    build("apslot", &[id.as_str()])
}

pub(super) fn calendar(practitioner: &Id, start: i64, slot: &Id) -> String {
    build("apcalendar", &[practitioner.as_str(), &time(start), slot.as_str()])
}

pub(super) fn free(family: Specialty, start: i64, slot: &Id) -> String {
    build("apfree", &[family.as_str(), &time(start), slot.as_str()])
}

pub(super) fn request(id: &Id) -> String {
    build("aprequest", &[id.as_str()])
}

pub(super) fn mine(patient: &Id, created: i64, request: &Id) -> String {
    build("apmine", &[patient.as_str(), &time(created), request.as_str()])
}

pub(super) fn wait(family: Specialty, created: i64, request: &Id) -> String {
    build("apwait", &[family.as_str(), &time(created), request.as_str()])
}

pub(super) fn matched(id: &Id) -> String {
    build("apmatch", &[id.as_str()])
}

pub(super) fn agenda(person: &Id, made: i64, id: &Id) -> String {
    build("apagenda", &[person.as_str(), &time(made), id.as_str()])
}

pub(super) fn load(practitioner: &Id, day: i64) -> String {
    build("apload", &[practitioner.as_str(), &time(day)])
}

pub(super) fn met(patient: &Id, practitioner: &Id) -> String {
    build("apmet", &[patient.as_str(), practitioner.as_str()])
}

pub(super) fn conduct(practitioner: &Id) -> String {
    build("apconduct", &[practitioner.as_str()])
}

pub(super) fn pool(family: Specialty) -> String {
    build("appool", &[family.as_str()])
}

pub(super) fn batch(id: &Id) -> String {
    build("apbatch", &[id.as_str()])
}

pub(super) fn demands(batch: &Id, part: u32) -> String {
    build("apdemand", &[batch.as_str(), &padded(u64::from(part))])
}

pub(super) fn supplies(batch: &Id, part: u32) -> String {
    build("apsupply", &[batch.as_str(), &padded(u64::from(part))])
}

pub(super) fn result(batch: &Id) -> String {
    build("apresult", &[batch.as_str()])
}

/// The ids that end the keys `object_type`, `prefix`, time, id with `from <= time < until`, in order of time.
pub(super) fn ids_between(
    context: &mut Context<'_>,
    object_type: &str,
    prefix: &str,
    (from, until): (i64, i64),
    limit: usize,
) -> Result<Vec<Id>, ContractError> {
    let bound = |at: i64| build(object_type, &[prefix, &time(at)]);
    let entries = context.stub().range(&bound(from), &bound(until), limit)?;
    let mut ids = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (_, attributes) = split(&entry.key)?;
        ids.extend(attributes.last().and_then(|id| Id::new(*id)));
    }
    Ok(ids)
}

/// Whether a mark is set.
pub(super) fn is_marked(context: &mut Context<'_>, key: &str) -> Result<bool, ContractError> {
    Ok(context.bytes(key)?.is_some())
}

/// Sets a mark.
pub(super) fn mark(context: &mut Context<'_>, key: &str) -> Result<(), ContractError> {
    context.put_bytes(key, store::MARK)
}
