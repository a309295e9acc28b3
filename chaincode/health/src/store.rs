//! Every state key of the health chaincode, in one table.
//!
//! | key | value |
//! |---|---|
//! | `org` msp | [`crate::model::Org`] |
//! | `orgs` | all registered MSP ids, from which key-level policies are made |
//! | `subject` id | [`crate::model::Subject`] |
//! | `keyref` key hash | id of the subject whose certificates carry the key |
//! | `member` msp, subject | the subject's role |
//! | `enckey` subject, seq | [`crate::keys::EncryptionKey`], the chain of a subject's keys |
//! | `record` id | [`crate::model::Record`] |
//! | `version` record, number | [`crate::model::Version`] |
//! | `owned` owner, record | a mark |
//! | `datakey` id | [`crate::model::DataKey`], so that no data key serves two records |
//! | `grant` patient, grantee, id | [`crate::consent::Grant`] |
//! | `grantref` id | where the grant lies |
//! | `granted` grantee, patient, id | a mark |
//! | `passed` grant, grant | a mark: the second was made by passing the first on |
//! | `referral` id | [`crate::consent::Referral`] |
//! | `referred` to, id | a mark |
//! | `request` patient, who, id | the [`crate::consent::Grant`] that is asked for, until it is answered |
//! | `requestref` id | patient and who of an open request |
//! | `linked` patient, group, subject | a mark: who is in a group |
//! | `links` subject, patient, group | a mark: the same by the person |
//! | `emrole` practitioner | [`crate::identity::EmergencyRole`] |
//! | `empreset` patient | [`crate::consent::EmergencyPreset`] |
//! | `emergency` id | [`crate::consent::Emergency`] |
//! | `emopen` practitioner, id | when, until it is reviewed |
//! | `emuse` practitioner, time, id | a mark |
//! | `epoch` patient | number of withdrawals; every decision reads it |
//! | `audit` tx, object | [`crate::audit::Entry`] |
//! | `trail` `p`/`o`, patient or msp, time, tx, object | a mark |
//!
//! Attributes are random ids, hashes, MSP ids, role words and numbers only: [`crate::ids`] lets nothing else through.

use carecord_chaincode::{Timestamp, key::composite};

use crate::ids::{Id, KeyHash, MspId};

/// The value of a key that only marks something; an empty value would be a delete.
pub(crate) const MARK: &[u8] = &[0];

pub(crate) fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

/// A version number or time in a key: fixed width, so that keys sort by it.
pub(crate) fn padded(number: u64) -> String {
    format!("{number:020}")
}

pub(crate) fn org(msp: &MspId) -> String {
    build("org", &[msp.as_str()])
}

pub(crate) fn orgs() -> String {
    build("orgs", &[])
}

pub(crate) fn subject(id: &Id) -> String {
    build("subject", &[id.as_str()])
}

pub(crate) fn key_ref(key: &KeyHash) -> String {
    build("keyref", &[key.as_str()])
}

pub(crate) fn member(msp: &MspId, subject: &Id) -> String {
    build("member", &[msp.as_str(), subject.as_str()])
}

pub(crate) fn encryption_key(subject: &Id, seq: u64) -> String {
    build("enckey", &[subject.as_str(), &padded(seq)])
}

pub(crate) fn record(id: &Id) -> String {
    build("record", &[id.as_str()])
}

pub(crate) fn version(record: &Id, number: u64) -> String {
    build("version", &[record.as_str(), &padded(number)])
}

pub(crate) fn owned(owner: &Id, record: &Id) -> String {
    build("owned", &[owner.as_str(), record.as_str()])
}

pub(crate) fn data_key(id: &Id) -> String {
    build("datakey", &[id.as_str()])
}

pub(crate) fn grant(patient: &Id, grantee: &str, id: &Id) -> String {
    build("grant", &[patient.as_str(), grantee, id.as_str()])
}

pub(crate) fn grant_ref(id: &Id) -> String {
    build("grantref", &[id.as_str()])
}

pub(crate) fn granted(grantee: &str, patient: &Id, id: &Id) -> String {
    build("granted", &[grantee, patient.as_str(), id.as_str()])
}

/// Which grants were made by passing one on.
pub(crate) fn passed(parent: &Id, child: &Id) -> String {
    build("passed", &[parent.as_str(), child.as_str()])
}

pub(crate) fn referral(id: &Id) -> String {
    build("referral", &[id.as_str()])
}

pub(crate) fn referred(to: &Id, id: &Id) -> String {
    build("referred", &[to.as_str(), id.as_str()])
}

pub(crate) fn request(patient: &Id, who: &Id, id: &Id) -> String {
    build("request", &[patient.as_str(), who.as_str(), id.as_str()])
}

pub(crate) fn request_ref(id: &Id) -> String {
    build("requestref", &[id.as_str()])
}

pub(crate) fn linked(patient: &Id, group: &Id, subject: &Id) -> String {
    build("linked", &[patient.as_str(), group.as_str(), subject.as_str()])
}

pub(crate) fn links(subject: &Id, patient: &Id, group: &Id) -> String {
    build("links", &[subject.as_str(), patient.as_str(), group.as_str()])
}

pub(crate) fn emergency_role(subject: &Id) -> String {
    build("emrole", &[subject.as_str()])
}

pub(crate) fn emergency_preset(patient: &Id) -> String {
    build("empreset", &[patient.as_str()])
}

pub(crate) fn emergency(id: &Id) -> String {
    build("emergency", &[id.as_str()])
}

pub(crate) fn emergency_open(by: &Id, id: &Id) -> String {
    build("emopen", &[by.as_str(), id.as_str()])
}

pub(crate) fn emergency_use(by: &Id, at: i64, id: &Id) -> String {
    let at = padded(u64::try_from(at).unwrap_or(0));
    build("emuse", &[by.as_str(), &at, id.as_str()])
}

pub(crate) fn epoch(patient: &Id) -> String {
    build("epoch", &[patient.as_str()])
}

pub(crate) fn audit(tx_id: &str, object: &Id) -> String {
    build("audit", &[tx_id, object.as_str()])
}

/// By time to the nanosecond, so that what one person did in a second stands in the order in which it was done.
pub(crate) fn trail(kind: &str, whose: &str, at: Timestamp, tx_id: &str, object: &Id) -> String {
    let seconds = padded(u64::try_from(at.seconds).unwrap_or(0));
    let time = format!("{seconds}{:09}", at.nanos.clamp(0, 999_999_999));
    build("trail", &[kind, whose, &time, tx_id, object.as_str()])
}
