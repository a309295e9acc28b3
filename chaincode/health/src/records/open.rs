//! Opening a record: the attempt, the decision, the trace of both, and the evidence for the vault.

use carecord_chaincode::{Context, ContractError};

use crate::{
    access::{ACCESS_SECONDS_MAX, EVIDENCE_FORM},
    audit::{self, Act, Entry},
    consent::{
        decision::{Facts, Verdict},
        lookup,
    },
    error,
    events::{RECORD_ACCESS, RecordAccess},
    ids::{Id, Kid},
    model::{Record, Subject, Version},
    person, store,
    vocabulary::{Decision, Purpose, Verb},
};

/// Most versions that one answer lists, the newest ones.
const HISTORY_MAX: u64 = 1000;

/// `Open(recordId, purpose)`: never an error for want of consent, always a trace.
///
/// A reader without a usable encryption key is denied: nothing could be released to them.
pub(super) fn open(
    context: &mut Context<'_>,
    id: Id,
    purpose: Purpose,
) -> Result<RecordAccess, ContractError> {
    let reader = person::caller(context)?;
    let found = find(context, &reader, &id, purpose)?;
    let key = usable_key(&reader);
    let at = context.now();
    let (patient, home, grants) = match &found {
        None => (None, None, vec![]),
        Some((record, verdict, _)) => {
            (Some(record.owner.clone()), Some(record.home.clone()), verdict.grants.clone())
        }
    };
    let mut evidence = RecordAccess {
        form: EVIDENCE_FORM,
        record: id.clone(),
        decision: Decision::Deny,
        reader: person::key_hash(context)?,
        version: 0,
        data_key: None,
        recipient: None,
        epoch: 0,
        at,
        from: at,
        expires: at,
    };
    if let (Some((record, verdict, epoch)), Some(kid)) = (found, key)
        && verdict.decision == Decision::Permit
    {
        evidence.decision = Decision::Permit;
        evidence.version = record.version;
        evidence.data_key = Some(record.data_key);
        evidence.recipient = Some(kid);
        evidence.epoch = epoch;
        evidence.from = verdict.from;
        evidence.expires = at.saturating_add(ACCESS_SECONDS_MAX).min(verdict.until);
    }
    let entry = Entry {
        act: Act::Open,
        object: id,
        actor: reader.id,
        org: reader.msp,
        patient,
        purpose: Some(purpose),
        decision: evidence.decision,
        grants,
        at,
        tx: context.tx_id().to_owned(),
    };
    audit::write(context, &entry, home.as_ref())?;
    context.event(RECORD_ACCESS, &evidence)?;
    Ok(evidence)
}

/// `Get(recordId, purpose)`.
pub(super) fn get(
    context: &mut Context<'_>,
    id: Id,
    purpose: Purpose,
) -> Result<Record, ContractError> {
    let reader = person::caller(context)?;
    match find(context, &reader, &id, purpose)? {
        Some((record, verdict, _)) if verdict.decision == Decision::Permit => Ok(record),
        _ => Err(error::ABSENT.because("no such record, or no consent to it")),
    }
}

/// `History(recordId, purpose)`.
pub(super) fn history(
    context: &mut Context<'_>,
    id: Id,
    purpose: Purpose,
) -> Result<Vec<Version>, ContractError> {
    let record = get(context, id, purpose)?;
    let mut versions = Vec::new();
    let oldest = record.version.saturating_sub(HISTORY_MAX) + 1;
    for number in oldest..=record.version {
        versions.extend(context.get::<Version>(&store::version(&record.id, number))?);
    }
    Ok(versions)
}

fn find(
    context: &mut Context<'_>,
    reader: &Subject,
    id: &Id,
    purpose: Purpose,
) -> Result<Option<(Record, Verdict, u64)>, ContractError> {
    let Some(record) = context.get::<Record>(&store::record(id))? else { return Ok(None) };
    let facts = Facts::from(&record);
    let (verdict, epoch) =
        lookup::ask(context, reader, &record.owner, &facts, Verb::Read, purpose)?;
    Ok(Some((record, verdict, epoch)))
}

fn usable_key(reader: &Subject) -> Option<Kid> {
    let key = reader.encryption_key.as_ref().filter(|k| k.revoked.is_none())?;
    Some(key.registration.kid.clone())
}
