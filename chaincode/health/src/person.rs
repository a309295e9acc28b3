//! From the caller's certificate to the registered person or organisation behind it. No argument takes part.

use carecord_chaincode::{Context, ContractError};

use crate::{
    error,
    ids::{Id, KeyHash, MspId},
    model::{Org, Subject},
    store,
    vocabulary::{OrgKind, Role},
};

/// The caller's organisation as its certificate names it.
pub(crate) fn msp(context: &Context<'_>) -> Result<MspId, ContractError> {
    MspId::new(context.caller()?.msp_id.clone()).ok_or_else(|| {
        error::ORG.because("the caller's MSP id has characters that are not used here")
    })
}

/// The hash of the caller's public key.
pub(crate) fn key_hash(context: &Context<'_>) -> Result<KeyHash, ContractError> {
    Ok(KeyHash::new(context.caller()?.key_hash.clone()).expect("a SHA-256 in hex"))
}

/// The registered, active person who calls; role and organisation of record and certificate must agree.
pub(crate) fn caller(context: &mut Context<'_>) -> Result<Subject, ContractError> {
    let refuse = |reason: &str| Err(error::PERSON.because(reason));
    let key = key_hash(context)?;
    let id: Option<Id> = context.get(&store::key_ref(&key))?;
    let Some(id) = id else { return refuse("the certificate's key is not registered") };
    let Some(subject) = find(context, &id)? else {
        return refuse("the certificate's key is not registered");
    };
    let caller = context.caller()?;
    if subject.msp.as_str() != caller.msp_id || caller.role() != Some(subject.role.as_str()) {
        return refuse("role or organisation of the certificate differ from the registration");
    }
    if !subject.active {
        return refuse("the person is suspended");
    }
    Ok(subject)
}

/// A person by id, active or not.
pub(crate) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Subject>, ContractError> {
    context.get(&store::subject(id))
}

/// A patient by id, if active.
pub(crate) fn patient(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<Option<Subject>, ContractError> {
    Ok(find(context, id)?.filter(|s| s.role == Role::Patient && s.active))
}

/// The registered organisation of a calling administrator.
pub(crate) fn admin_org(context: &mut Context<'_>) -> Result<Org, ContractError> {
    let msp = msp(context)?;
    let org: Option<Org> = context.get(&store::org(&msp))?;
    org.ok_or_else(|| error::ORG.because("the caller's organisation is not registered"))
}

/// The registered organisation of a calling administrator, if it is of this kind.
pub(crate) fn admin_org_of(context: &mut Context<'_>, kind: OrgKind) -> Result<Org, ContractError> {
    let org = admin_org(context)?;
    if org.kind == kind {
        return Ok(org);
    }
    let reason = format!("only an organisation of kind {} may do this", kind.as_str());
    Err(error::ORG.because(reason))
}
