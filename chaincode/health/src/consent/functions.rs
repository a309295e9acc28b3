//! Granting, revoking, asking and explaining.

use carecord_chaincode::{Context, ContractError, json_object};

use crate::{
    audit::{self, Act},
    consent::{
        decision::{Facts, Reason},
        grant::{self, Grant, GrantRef, NewGrant},
        lookup, passed,
    },
    error,
    events::{CONSENT_GRANTED, CONSENT_REVOKED, ConsentChange},
    ids::Id,
    model::{Record, Subject},
    person, policy, store,
    vocabulary::{Decision, Effect, Purpose, Verb},
};

json_object! {
    /// Whether something would be permitted.
    pub struct Answer {
        /// Permit, or deny: no consent and no such record are the same answer.
        pub decision: Decision,
    }
}

json_object! {
    /// Why something would be decided so; for the patient only.
    pub struct Explanation {
        /// Permit or deny.
        pub decision: Decision,
        /// Which row of the decision table.
        pub reason: Reason,
        /// The grants that decide.
        pub grants: Vec<Id>,
    }
}

/// `Grant(grant)`.
pub(super) fn grant(context: &mut Context<'_>, new: NewGrant) -> Result<Grant, ContractError> {
    let patient = person::caller(context)?;
    give(context, &patient, new)
}

/// Writes a grant of a patient who calls; other contracts do it as part of what the patient asks of them.
pub(crate) fn give(
    context: &mut Context<'_>,
    patient: &Subject,
    new: NewGrant,
) -> Result<Grant, ContractError> {
    let grant = new.accept(patient.id.clone(), context.now(), "/grant")?;
    grant::check_grantee(context, &grant.grantee, &patient.id, "/grant")?;
    write(context, patient, &grant, "/grant")?;
    let epoch = match grant.effect {
        Effect::Permit => lookup::epoch(context, &patient.id)?,
        Effect::Deny => lookup::bump_epoch(context, &patient.id)?,
    };
    audit::record(context, patient, Act::Grant, &grant.id, Some(patient))?;
    context.event(CONSENT_GRANTED, &ConsentChange { grant: grant.id.clone(), epoch })?;
    Ok(grant)
}

/// Writes a new grant of a patient with its two indexes, by patient and by grantee.
pub(super) fn write(
    context: &mut Context<'_>,
    patient: &Subject,
    grant: &Grant,
    argument: &str,
) -> Result<(), ContractError> {
    if context.bytes(&store::grant_ref(&grant.id))?.is_some() {
        let taken = error::TAKEN.because("the grant id is taken");
        return Err(taken.at(format!("{argument}/id")));
    }
    let tag = grant.grantee.tag();
    if lookup::grants_to(context, &patient.id, &tag)?.len() >= lookup::GRANTS_PER_GRANTEE_MAX {
        return Err(error::LIMIT.because("the patient has too many grants for this grantee"));
    }
    let key = store::grant(&patient.id, &tag, &grant.id);
    let reference = GrantRef { patient: patient.id.clone(), grantee: tag.clone() };
    context.put(&key, grant)?;
    context.put(&store::grant_ref(&grant.id), &reference)?;
    context.put_bytes(&store::granted(&tag, &patient.id, &grant.id), store::MARK)?;
    policy::protect(context, &patient.msp, &[key])
}

/// `Revoke(grantId)`.
pub(super) fn revoke(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let patient = person::caller(context)?;
    end(context, &patient, &id)
}

/// Ends a grant of a patient who calls, and whatever its grantee passed on of it.
pub(crate) fn end(
    context: &mut Context<'_>,
    patient: &Subject,
    id: &Id,
) -> Result<(), ContractError> {
    let absent = || error::ABSENT.because("no such grant of the caller");
    let found = passed::find(context, id)?.ok_or_else(absent)?;
    if found.1.patient != patient.id {
        return Err(absent());
    }
    if found.1.revoked.is_some() {
        return Err(error::STATE.because("the grant is revoked already"));
    }
    passed::end(context, patient, patient, found)?;
    let epoch = lookup::bump_epoch(context, &patient.id)?;
    context.event(CONSENT_REVOKED, &ConsentChange { grant: id.clone(), epoch })
}

/// `Check(recordId, purpose)`.
pub(super) fn check(
    context: &mut Context<'_>,
    id: Id,
    purpose: Purpose,
) -> Result<Answer, ContractError> {
    let reader = person::caller(context)?;
    let record: Option<Record> = context.get(&store::record(&id))?;
    let Some(record) = record else { return Ok(Answer { decision: Decision::Deny }) };
    let facts = Facts::from(&record);
    let (verdict, _) = lookup::ask(context, &reader, &record.owner, &facts, Verb::Read, purpose)?;
    Ok(Answer { decision: verdict.decision })
}

/// `Explain(recordId, subjectId, verb, purpose)`.
pub(super) fn explain(
    context: &mut Context<'_>,
    id: Id,
    subject: Id,
    verb: Verb,
    purpose: Purpose,
) -> Result<Explanation, ContractError> {
    let patient = person::caller(context)?;
    let absent = || error::ABSENT.because("no such record of the caller, or no such person");
    let record: Record = context.get(&store::record(&id))?.ok_or_else(absent)?;
    if record.owner != patient.id {
        return Err(absent());
    }
    let reader = person::find(context, &subject)?.ok_or_else(absent)?;
    let facts = Facts::from(&record);
    let (verdict, _) = lookup::ask(context, &reader, &patient.id, &facts, verb, purpose)?;
    Ok(Explanation { decision: verdict.decision, reason: verdict.reason, grants: verdict.grants })
}
