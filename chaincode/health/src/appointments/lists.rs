//! Lists: open requests for those who serve them, and everyone's own.

use carecord_chaincode::{Context, ContractError};

use crate::{
    appointments::{
        claim,
        model::{Match, Request},
        request, store,
        words::{RequestStatus, Specialty},
    },
    error,
    ids::Id,
    page::{self, Page},
    person,
};

/// `ListOpen(specialty, after, limit)`: the pool of a specialty the caller serves, oldest first.
pub(super) fn open(
    context: &mut Context<'_>,
    specialty: Specialty,
    after: String,
    limit: u32,
) -> Result<Page<Request>, ContractError> {
    let practitioner = person::caller(context)?;
    let family = specialty.family();
    if !claim::may_serve(context, &practitioner.id, family)? {
        return Err(error::SPECIALTY.because("the caller does not serve this specialty"));
    }
    let limit = page::limit(limit)?;
    let listed = page::index(context, "apwait", &[family.as_str()], &after, limit)?;
    let mut items = Vec::new();
    for id in ids(&listed) {
        let found = request::find(context, &id)?;
        items.extend(found.filter(|r| {
            r.status == RequestStatus::Open && (specialty == family || r.specialty == specialty)
        }));
    }
    Ok(Page { items, next: listed.next })
}

/// `ListMine(after, limit)`: the calling patient's requests, oldest first.
pub(super) fn mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Request>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "apmine", &[patient.id.as_str()], &after, limit)?;
    let mut items = Vec::new();
    for id in ids(&listed) {
        items.extend(request::find(context, &id)?);
    }
    Ok(Page { items, next: listed.next })
}

/// `ListMatches(after, limit)`: the caller's matches, as patient or practitioner, oldest first.
pub(super) fn matches(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Match>, ContractError> {
    let caller = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "apagenda", &[caller.id.as_str()], &after, limit)?;
    let mut items = Vec::new();
    for id in ids(&listed) {
        items.extend(context.get::<Match>(&store::matched(&id))?);
    }
    Ok(Page { items, next: listed.next })
}

/// The ids that index keys end with.
fn ids(listed: &Page<Vec<String>>) -> Vec<Id> {
    listed.items.iter().filter_map(|attributes| Id::new(attributes.last()?.as_str())).collect()
}
