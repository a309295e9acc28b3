//! Organisations register themselves: the caller's MSP is the one that is registered.

use carecord_chaincode::{Context, ContractError};

use crate::{
    error,
    events::{ORG_REGISTERED, OrgChange},
    model::{Org, Orgs},
    person, store,
    vocabulary::OrgKind,
};

/// `RegisterOrg(kind)`.
pub(super) fn register(context: &mut Context<'_>, kind: OrgKind) -> Result<Org, ContractError> {
    let msp = person::msp(context)?;
    if context.bytes(&store::org(&msp))?.is_some() {
        return Err(error::TAKEN.because("the caller's organisation is registered already"));
    }
    let org = Org { msp: msp.clone(), kind, registered: context.now() };
    let mut orgs = all(context)?;
    orgs.msps.push(msp.clone());
    context.put(&store::org(&msp), &org)?;
    context.put(&store::orgs(), &orgs)?;
    context.event(ORG_REGISTERED, &OrgChange { msp })?;
    Ok(org)
}

/// `Orgs()`.
pub(super) fn list(context: &mut Context<'_>) -> Result<Vec<Org>, ContractError> {
    let mut orgs = Vec::new();
    for msp in all(context)?.msps {
        orgs.extend(context.get::<Org>(&store::org(&msp))?);
    }
    Ok(orgs)
}

fn all(context: &mut Context<'_>) -> Result<Orgs, ContractError> {
    Ok(context.get(&store::orgs())?.unwrap_or(Orgs { msps: Vec::new() }))
}
