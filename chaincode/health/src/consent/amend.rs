//! Amending a grant: other verbs, purposes, records, or another end.

use carecord_chaincode::{Context, ContractError, json_object};

use crate::{
    audit::{self, Act},
    consent::{
        grant::{Grant, NewGrant, NewScope, Scope},
        lookup, passed,
        within::is_within,
    },
    error,
    events::{CONSENT_AMENDED, ConsentChange},
    ids::Id,
    person,
    vocabulary::{Purpose, Verb},
};

json_object! {
    /// What changes about a grant; what is left out stays. Grantee, effect and start never change.
    pub struct Amendment {
        /// The grant.
        pub id: Id,
        /// What its grantee may, or may not, do.
        pub verbs: Option<Vec<Verb>>,
        /// For which purposes.
        pub purposes: Option<Vec<Purpose>>,
        /// About which records: the whole scope anew.
        pub scope: Option<NewScope>,
        /// Until when, not including, seconds since 1970.
        pub until: Option<i64>,
        /// How many times in a row it may be passed on.
        pub delegate: Option<u32>,
    }
}

/// `Amend(amendment)`: refused for a grant that has ended; what was passed on and is no longer covered ends.
pub(super) fn amend(
    context: &mut Context<'_>,
    amendment: Amendment,
) -> Result<Grant, ContractError> {
    let patient = person::caller(context)?;
    let absent = || error::ABSENT.because("no such grant of the caller");
    let (key, old) = passed::find(context, &amendment.id)?.ok_or_else(absent)?;
    if old.patient != patient.id {
        return Err(absent());
    }
    if old.revoked.is_some() || old.until <= context.now() {
        return Err(error::STATE.because("the grant has ended: give a new one"));
    }
    let mut new =
        changed(&old, amendment).accept(patient.id.clone(), context.now(), "/amendment")?;
    new.created = old.created;
    new.parent = old.parent.clone();
    if new.parent.is_some() && !(is_within(&new, &old) && new.delegate <= old.delegate) {
        let reason = "what was passed on can only be narrowed";
        return Err(error::WIDER.because(reason).at("/amendment"));
    }
    context.put(&key, &new)?;
    passed::trim(context, &patient, &new)?;
    let epoch = lookup::bump_epoch(context, &patient.id)?;
    audit::record(context, &patient, Act::Amend, &new.id, Some(&patient))?;
    context.event(CONSENT_AMENDED, &ConsentChange { grant: new.id.clone(), epoch })?;
    Ok(new)
}

fn changed(old: &Grant, amendment: Amendment) -> NewGrant {
    NewGrant {
        id: old.id.clone(),
        effect: Some(old.effect),
        grantee: old.grantee.clone(),
        verbs: amendment.verbs.unwrap_or_else(|| old.verbs.clone()),
        purposes: amendment.purposes.unwrap_or_else(|| old.purposes.clone()),
        scope: Some(amendment.scope.unwrap_or_else(|| again(&old.scope))),
        from: Some(old.from),
        until: amendment.until.unwrap_or(old.until),
        delegate: amendment.delegate.or(old.delegate),
    }
}

fn again(scope: &Scope) -> NewScope {
    let Scope { records, except_records, tags, except_tags, created_from, created_until } =
        scope.clone();
    NewScope {
        records: Some(records),
        except_records: Some(except_records),
        tags: Some(tags),
        except_tags: Some(except_tags),
        created_from,
        created_until,
    }
}
