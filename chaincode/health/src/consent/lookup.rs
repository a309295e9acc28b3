//! From a reader and a record on the ledger to a verdict: which grants are read, and nothing else.
//!
//! Only the grants that can concern the reader are read: those to the person, to their role in their organisation, to
//! their organisation, and to the patient's groups to which they are linked. The patient's epoch is read as well, so a withdrawal that was ordered before makes every
//! transaction invalid that decided without knowing of it.

use carecord_chaincode::{Context, ContractError, serde_json};

use crate::{
    consent::{
        decision::{Facts, Question, Reader, Verdict, decide},
        grant::{Grant, Grantee},
    },
    error,
    ids::Id,
    model::{Record, RecordStatus, Subject},
    page, store,
    vocabulary::{Purpose, Verb},
};

/// Most grants that a patient can have for one grantee at a time, revoked ones included.
pub const GRANTS_PER_GRANTEE_MAX: usize = 1000;

/// Most groups of one patient that one person is linked to.
pub const GROUPS_MAX: usize = 16;

/// A person as a reader of one patient's records.
pub(crate) fn reader(
    context: &mut Context<'_>,
    person: &Subject,
    patient: &Id,
) -> Result<Reader, ContractError> {
    let groups = match person.id == *patient {
        true => vec![],
        false => groups_of(context, &person.id, patient)?,
    };
    Ok(Reader { id: person.id.clone(), role: person.role, msp: person.msp.clone(), groups })
}

/// The groups of a patient to which a person is linked.
pub(crate) fn groups_of(
    context: &mut Context<'_>,
    person: &Id,
    patient: &Id,
) -> Result<Vec<Id>, ContractError> {
    let prefix = [person.as_str(), patient.as_str()];
    let listed = page::index(context, "links", &prefix, "", GROUPS_MAX)?;
    Ok(listed.items.into_iter().flatten().filter_map(Id::new).collect())
}

impl From<&Record> for Facts {
    fn from(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            tags: record.tags.clone(),
            created: record.created,
            withdrawn: record.hidden || record.status != RecordStatus::Active,
        }
    }
}

/// The grantees under which a reader can be meant.
pub(crate) fn grantees_of(reader: &Reader) -> Vec<Grantee> {
    let mut grantees = vec![
        Grantee::Subject { subject: reader.id.clone() },
        Grantee::Role { role: reader.role, org: reader.msp.clone() },
        Grantee::Org { org: reader.msp.clone() },
    ];
    grantees.extend(reader.groups.iter().map(|group| Grantee::Group { group: group.clone() }));
    grantees
}

/// The patient's consent epoch: how often something was withdrawn.
pub(crate) fn epoch(context: &mut Context<'_>, patient: &Id) -> Result<u64, ContractError> {
    Ok(context.get(&store::epoch(patient))?.unwrap_or(0))
}

/// Counts a withdrawal; answers the new epoch.
pub(crate) fn bump_epoch(context: &mut Context<'_>, patient: &Id) -> Result<u64, ContractError> {
    let next = epoch(context, patient)?.saturating_add(1);
    context.put(&store::epoch(patient), &next)?;
    Ok(next)
}

/// All grants of a patient that can concern a reader.
pub(crate) fn grants_for(
    context: &mut Context<'_>,
    patient: &Id,
    reader: &Reader,
) -> Result<Vec<Grant>, ContractError> {
    let mut grants = Vec::new();
    for grantee in grantees_of(reader) {
        grants.extend(grants_to(context, patient, &grantee.tag())?);
    }
    Ok(grants)
}

/// All grants of a patient to one grantee.
pub(crate) fn grants_to(
    context: &mut Context<'_>,
    patient: &Id,
    grantee: &str,
) -> Result<Vec<Grant>, ContractError> {
    let prefix = [patient.as_str(), grantee];
    let entries = context.composite_range("grant", &prefix, GRANTS_PER_GRANTEE_MAX + 1)?;
    if entries.len() > GRANTS_PER_GRANTEE_MAX {
        // Deciding on a part of the grants could miss a denial.
        return Err(error::LIMIT.because("the patient has too many grants for one grantee"));
    }
    entries
        .iter()
        .map(|e| {
            serde_json::from_slice(&e.value)
                .map_err(|e| carecord_chaincode::codes::FAILED.because(e.to_string()))
        })
        .collect()
}

/// Decides whether a person may act on a record, from the committed state.
pub(crate) fn ask(
    context: &mut Context<'_>,
    person: &Subject,
    owner: &Id,
    record: &Facts,
    verb: Verb,
    purpose: Purpose,
) -> Result<(Verdict, u64), ContractError> {
    let reader = reader(context, person, owner)?;
    let epoch = epoch(context, owner)?;
    let grants =
        if reader.id == *owner { Vec::new() } else { grants_for(context, owner, &reader)? };
    let question = Question { reader: &reader, owner, record, verb, purpose, now: context.now() };
    Ok((decide(&question, &grants), epoch))
}
