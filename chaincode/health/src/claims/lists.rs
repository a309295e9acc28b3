//! Reading claims: each party sees its own.

use carecord_chaincode::{Context, ContractError};

use crate::{
    claims::{Claim, keys},
    error,
    ids::Id,
    model::Subject,
    page::{self, Page},
    person,
    vocabulary::Role,
};

/// `Get(claimId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Claim, ContractError> {
    let caller = person::caller(context)?;
    let found: Option<Claim> = context.get(&keys::claim(&id))?;
    let found = found.filter(|claim| is_party(&caller, claim));
    found.ok_or_else(|| error::ABSENT.because("no such claim of the caller"))
}

/// `Statement(after, limit)`: the claims of the calling patient, or of the caller's insurer or hospital.
pub(super) fn statement(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Claim>, ContractError> {
    let caller = person::caller(context)?;
    let limit = page::limit(limit)?;
    let (kind, whose) = side(&caller);
    let listed = page::index(context, keys::CLAIM_OF, &[kind, &whose], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for id in listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())) {
        items.extend(context.get::<Claim>(&keys::claim(&id))?);
    }
    Ok(Page { items, next: listed.next })
}

/// Under which index a person finds what is theirs.
pub(super) fn side(caller: &Subject) -> (&'static str, String) {
    match caller.role {
        Role::Patient => ("p", caller.id.to_string()),
        Role::Insurer => ("i", caller.msp.to_string()),
        _ => ("o", caller.msp.to_string()),
    }
}

fn is_party(caller: &Subject, claim: &Claim) -> bool {
    match caller.role {
        Role::Patient => caller.id == claim.patient,
        Role::Insurer => caller.msp == claim.insurer,
        _ => caller.msp == claim.provider,
    }
}
