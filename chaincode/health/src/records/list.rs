//! Lists of records: one's own, and those that others let one open.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    consent::{
        decision::{Facts, Question, decide},
        lists::granting_patients,
        lookup,
    },
    ids::Id,
    model::Record,
    page::{self, Page},
    person, store,
    vocabulary::{Decision, Purpose, Verb},
};

/// Most records and grants that one call looks at.
const SCAN_MAX: usize = 10_000;

/// `ListMine(after, limit)`.
pub(super) fn mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Record>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "owned", &[patient.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for id in listed.items.into_iter().flatten().filter_map(Id::new) {
        items.extend(context.get::<Record>(&store::record(&id))?);
    }
    Ok(Page { items, next: listed.next })
}

/// `ListForMe(purpose, after, limit)`; a bookmark is `patient~record`.
pub(super) fn for_me(
    context: &mut Context<'_>,
    purpose: Purpose,
    after: String,
    limit: u32,
) -> Result<Page<Record>, ContractError> {
    let person = person::caller(context)?;
    let limit = page::limit(limit)?;
    let (from_patient, from_record) = bookmark(&after)?;
    let now = context.now();
    let mut items = Vec::new();
    for patient in granting_patients(context, &person, SCAN_MAX)? {
        if from_patient.as_ref().is_some_and(|from| patient < *from) {
            continue;
        }
        let resumed = from_patient.as_ref() == Some(&patient);
        let skip = from_record.as_ref().filter(|_| resumed).map_or("", Id::as_str);
        let reader = lookup::reader(context, &person, &patient)?;
        let grants = lookup::grants_for(context, &patient, &reader)?;
        let owned = page::index(context, "owned", &[patient.as_str()], skip, SCAN_MAX)?;
        for id in owned.items.into_iter().flatten().filter_map(Id::new) {
            let Some(record) = context.get::<Record>(&store::record(&id))? else { continue };
            let facts = Facts::from(&record);
            let (reader, owner) = (&reader, &patient);
            let question =
                Question { reader, owner, record: &facts, verb: Verb::Read, purpose, now };
            if decide(&question, &grants).decision == Decision::Permit {
                items.push(record);
            }
            if items.len() == limit {
                return Ok(Page { items, next: format!("{patient}~{id}") });
            }
        }
    }
    Ok(Page { items, next: String::new() })
}

fn bookmark(after: &str) -> Result<(Option<Id>, Option<Id>), ContractError> {
    if after.is_empty() {
        return Ok((None, None));
    }
    let parts = after.split_once('~').map(|(p, r)| (Id::new(p), Id::new(r)));
    match parts {
        Some((Some(patient), Some(record))) => Ok((Some(patient), Some(record))),
        _ => Err(codes::VALUE.because("not a bookmark that a page gave").at("/after")),
    }
}
