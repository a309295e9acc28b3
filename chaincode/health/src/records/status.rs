//! Hiding, showing again and retracting.

use carecord_chaincode::{Context, ContractError};

use crate::{
    audit::{self, Act},
    consent::lookup,
    error,
    events::{RECORD_HIDDEN, RECORD_RETRACTED, RECORD_UNHIDDEN},
    ids::Id,
    model::{Record, RecordStatus},
    person,
    records::add::change,
    store,
};

/// `Hide(recordId)`.
pub(super) fn hide(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    set_hidden(context, &id, true)
}

/// `Unhide(recordId)`.
pub(super) fn unhide(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    set_hidden(context, &id, false)
}

fn set_hidden(context: &mut Context<'_>, id: &Id, hidden: bool) -> Result<(), ContractError> {
    let patient = person::caller(context)?;
    let mut record = existing(context, id)?;
    if record.owner != patient.id {
        return Err(absent());
    }
    if record.hidden == hidden {
        return Err(error::STATE.because("the record is in that state already"));
    }
    record.hidden = hidden;
    context.put(&store::record(id), &record)?;
    let (act, event) =
        if hidden { (Act::Hide, RECORD_HIDDEN) } else { (Act::Unhide, RECORD_UNHIDDEN) };
    if hidden {
        lookup::bump_epoch(context, &patient.id)?;
    }
    audit::record(context, &patient, act, id, Some(&patient))?;
    context.event(event, &change(&record))
}

/// `Retract(recordId)`.
pub(super) fn retract(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let mut record = existing(context, &id)?;
    if record.owner != caller.id && record.author != caller.id {
        return Err(absent());
    }
    if record.status != RecordStatus::Active {
        return Err(error::STATE.because("the record is retracted already"));
    }
    record.status = RecordStatus::Retracted;
    context.put(&store::record(&id), &record)?;
    lookup::bump_epoch(context, &record.owner)?;
    let owner = person::find(context, &record.owner)?;
    audit::record(context, &caller, Act::Retract, &id, owner.as_ref())?;
    context.event(RECORD_RETRACTED, &change(&record))
}

fn existing(context: &mut Context<'_>, id: &Id) -> Result<Record, ContractError> {
    context.get(&store::record(id))?.ok_or_else(absent)
}

fn absent() -> ContractError {
    error::ABSENT.because("no such record, or none that the caller may change")
}
