//! What a vault checks before it hands out a key wrap: the committed evidence of an access, and nothing else.
//!
//! `records:Open` is submitted, permitted or not: both answers are VALID transactions that carry the event
//! [`crate::events::RECORD_ACCESS`] and an audit entry, so a denial is on the ledger like a permit. A vault releases a
//! wrap when all of this holds; the first two are its own look at the committed block, the others are the functions here:
//!
//! 1. the transaction is VALID on the vault's own peer and was signed by the identity that now asks;
//! 2. its event comes from chaincode `health` and is named `RecordAccess`;
//! 3. [`access_granted`]: the event permits, and names this record, this data key, this reader and this recipient key,
//!    and by the vault's own clock the consent has begun and the permit has not expired;
//! 4. [`still_granted`]: nothing was revoked, hidden, rotated or suspended since, as the committed state tells;
//! 5. the transaction was not used before (the vault remembers).
//!
//! The functions are pure: bytes and a time go in, a verdict comes out.

use crate::{
    events::RecordAccess,
    ids::{ContentId, Id, KeyHash, Kid, MspId},
    model::{DataKey, Record, RecordStatus, Subject, Version},
    store,
    vocabulary::Decision,
};

/// How long after its transaction a permit counts.
pub const ACCESS_SECONDS_MAX: i64 = 15 * 60;
/// How far the clock of who signed may run ahead of the vault's, in seconds.
pub const CLOCK_SKEW: i64 = 60;
/// The only form of evidence so far.
pub const EVIDENCE_FORM: u32 = 1;

/// Why a wrap must not be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// The payload is no evidence of an access.
    #[error("event is no evidence of an access")]
    Malformed,
    /// The attempt was denied.
    #[error("access was denied")]
    Denied,
    /// The evidence concerns another record, data key, reader or recipient key.
    #[error("evidence is for another access")]
    Other,
    /// The evidence is too old, or from the future.
    #[error("evidence has expired")]
    Expired,
    /// Consent, record, reader or key changed after the access was committed.
    #[error("access was withdrawn since")]
    Withdrawn,
}

/// What the request for a wrap says; the vault has checked that its signer owns `reader`.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The record.
    pub record: &'a Id,
    /// The key hash of the identity that asks.
    pub reader: &'a KeyHash,
    /// The recipient key of the wrap.
    pub recipient: &'a Kid,
    /// The vault's time, seconds since 1970.
    pub now: i64,
}

/// The committed state of chaincode `health`, as the vault's own peer holds it.
pub trait Committed {
    /// The value under a key.
    fn value(&self, key: &str) -> Option<Vec<u8>>;
}

impl<F: Fn(&str) -> Option<Vec<u8>>> Committed for F {
    fn value(&self, key: &str) -> Option<Vec<u8>> {
        self(key)
    }
}

/// Whether a committed `RecordAccess` event permits what is requested; answers the evidence, which names the data key.
pub fn access_granted(event: &[u8], request: &Request<'_>) -> Result<RecordAccess, NotGranted> {
    let evidence: RecordAccess =
        serde_json::from_slice(event).map_err(|_| NotGranted::Malformed)?;
    if evidence.form != EVIDENCE_FORM {
        return Err(NotGranted::Malformed);
    }
    if evidence.decision != Decision::Permit {
        return Err(NotGranted::Denied);
    }
    let same = evidence.record == *request.record
        && evidence.reader == *request.reader
        && evidence.recipient.as_ref() == Some(request.recipient);
    if !same {
        return Err(NotGranted::Other);
    }
    let latest = evidence.expires.min(evidence.at.saturating_add(ACCESS_SECONDS_MAX));
    // The signer chose the time at which consent was decided: what begins later by the vault's clock has not begun.
    let earliest = evidence.at.saturating_sub(CLOCK_SKEW).max(evidence.from);
    if request.now >= latest || request.now < earliest {
        return Err(NotGranted::Expired);
    }
    Ok(evidence)
}

/// Whether evidence that [`access_granted`] accepted still holds in the committed state of this moment.
pub fn still_granted(state: &dyn Committed, evidence: &RecordAccess) -> Result<(), NotGranted> {
    let record: Record = read(state, &store::record(&evidence.record))?;
    let unchanged = evidence.data_key.as_ref() == Some(&record.data_key)
        && epoch(state, &record.owner)? == evidence.epoch;
    let reader = subject(state, &evidence.reader)?;
    let key = reader.encryption_key.as_ref().ok_or(NotGranted::Withdrawn)?;
    let own_key = evidence.recipient.as_ref() == Some(&key.registration.kid);
    let readable =
        reader.id == record.owner || (!record.hidden && record.status == RecordStatus::Active);
    if unchanged && reader.active && own_key && key.revoked.is_none() && readable {
        Ok(())
    } else {
        Err(NotGranted::Withdrawn)
    }
}

/// Whether this identity may store wraps of this data key: the record's owner, or who made that version.
pub fn may_put_wraps(state: &dyn Committed, record: &Id, data_key: &Id, by: &KeyHash) -> bool {
    let (Ok(subject), Ok(owner), Ok(key)) = (
        subject(state, by),
        read::<Record>(state, &store::record(record)).map(|r| r.owner),
        read::<DataKey>(state, &store::data_key(data_key)),
    ) else {
        return false;
    };
    subject.active && key.record == *record && (subject.id == owner || subject.id == key.author)
}

/// Whether this identity may delete wraps of this record: its owner.
pub fn may_delete_wraps(state: &dyn Committed, record: &Id, by: &KeyHash) -> bool {
    match (subject(state, by), read::<Record>(state, &store::record(record))) {
        (Ok(subject), Ok(record)) => subject.active && subject.id == record.owner,
        _ => false,
    }
}

/// Whether this identity may store and fetch ciphertexts: any registered, active person.
pub fn may_store(state: &dyn Committed, by: &KeyHash) -> bool {
    subject(state, by).is_ok_and(|s| s.active)
}

/// Whether this is a key that the subject registered: the current one, or the one before, for wraps under way meanwhile.
///
/// Revoked ones and those of suspended people too: no wrap to them is released, and one reader's change of key must not
/// make the wraps of all others fail.
pub fn is_registered_key(state: &dyn Committed, subject: &Id, kid: &Kid) -> bool {
    let subject = read::<Subject>(state, &store::subject(subject));
    let Some(key) = subject.ok().and_then(|subject| subject.encryption_key) else { return false };
    let registration = key.registration;
    registration.kid == *kid || registration.previous.as_ref() == Some(kid)
}

/// Whether this version of a record is committed with this content.
pub fn names_content(state: &dyn Committed, record: &Id, version: u64, cid: &ContentId) -> bool {
    read::<Version>(state, &store::version(record, version)).is_ok_and(|v| v.cid == *cid)
}

/// The content of a record's current version.
pub fn current_content(state: &dyn Committed, record: &Id) -> Option<ContentId> {
    read::<Record>(state, &store::record(record)).ok().map(|record| record.cid)
}

/// The organisation whose people made a record: its content's home.
pub fn home(state: &dyn Committed, record: &Id) -> Option<MspId> {
    read::<Record>(state, &store::record(record)).ok().map(|record| record.org)
}

fn subject(state: &dyn Committed, key: &KeyHash) -> Result<Subject, NotGranted> {
    let id: Id = read(state, &store::key_ref(key))?;
    read(state, &store::subject(&id))
}

fn epoch(state: &dyn Committed, owner: &Id) -> Result<u64, NotGranted> {
    read(state, &store::epoch(owner))
}

fn read<T: serde::de::DeserializeOwned>(state: &dyn Committed, key: &str) -> Result<T, NotGranted> {
    let value = state.value(key).ok_or(NotGranted::Withdrawn)?;
    serde_json::from_slice(&value).map_err(|_| NotGranted::Withdrawn)
}
