//! Grants that were made by passing another one on: they end when that one ends, and so on down.

use carecord_chaincode::{Context, ContractError};

use crate::{
    audit::{self, Act},
    consent::{
        grant::{Grant, GrantRef},
        within::is_within,
    },
    error,
    ids::Id,
    model::Subject,
    page, store,
};

/// Most grants that hold at a time and were made by passing the same one on.
pub const PASSED_ON_MAX: usize = 8;

/// A grant by its id, with its key; none if there is none.
pub(super) fn find(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<Option<(String, Grant)>, ContractError> {
    let reference: Option<GrantRef> = context.get(&store::grant_ref(id))?;
    let Some(reference) = reference else { return Ok(None) };
    let key = store::grant(&reference.patient, &reference.grantee, id);
    Ok(context.get::<Grant>(&key)?.map(|grant| (key, grant)))
}

/// Notes that a grant was made by passing another one on.
pub(super) fn note(
    context: &mut Context<'_>,
    parent: &Id,
    child: &Id,
) -> Result<(), ContractError> {
    if children(context, parent)?.len() >= PASSED_ON_MAX {
        return Err(error::LIMIT.because("the grant was passed on too often"));
    }
    context.put_bytes(&store::passed(parent, child), store::MARK)
}

/// Ends a grant and all that came from it, with an entry in the trail for each.
pub(super) fn end(
    context: &mut Context<'_>,
    actor: &Subject,
    patient: &Subject,
    (key, mut grant): (String, Grant),
) -> Result<(), ContractError> {
    grant.revoked = Some(context.now());
    context.put(&key, &grant)?;
    if let Some(parent) = &grant.parent {
        context.delete(&store::passed(parent, &grant.id))?;
    }
    audit::record(context, actor, Act::Revoke, &grant.id, Some(patient))?;
    for child in children(context, &grant.id)? {
        if let Some(found) = find(context, &child)? {
            end(context, actor, patient, found)?;
        }
    }
    Ok(())
}

/// Ends what came from a grant and is no longer within it.
pub(super) fn trim(
    context: &mut Context<'_>,
    patient: &Subject,
    grant: &Grant,
) -> Result<(), ContractError> {
    for child in children(context, &grant.id)? {
        let Some(found) = find(context, &child)? else { continue };
        let steps = grant.delegate.unwrap_or(0);
        if !is_within(&found.1, grant) || found.1.delegate.unwrap_or(0) >= steps {
            end(context, patient, patient, found)?;
        }
    }
    Ok(())
}

fn children(context: &mut Context<'_>, parent: &Id) -> Result<Vec<Id>, ContractError> {
    let limit = PASSED_ON_MAX + 1;
    let listed = page::index(context, "passed", &[parent.as_str()], "", limit)?;
    Ok(listed.items.into_iter().flatten().filter_map(Id::new).collect())
}
