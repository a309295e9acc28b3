//! Requests: somebody asks a patient for a grant, and the patient approves or rejects.

use carecord_chaincode::{Context, ContractError, json_object};

use crate::{
    audit::{self, Act},
    consent::{
        functions::write,
        grant::{Grant, Grantee, NewGrant, NewScope},
        lookup,
    },
    error,
    events::{CONSENT_GRANTED, CONSENT_REJECTED, CONSENT_REQUESTED, ConsentChange},
    ids::Id,
    model::Subject,
    page::{self, Page},
    person, policy, store,
    vocabulary::{Purpose, Verb},
};

/// Most requests of one person that one patient has not answered.
pub const OPEN_REQUESTS_MAX: usize = 4;

json_object! {
    /// What somebody asks a patient for.
    pub struct NewRequest {
        /// Chosen by the client; the grant that comes of it has the same id.
        pub id: Id,
        /// Who is asked.
        pub patient: Id,
        /// What the caller wants to do.
        pub verbs: Vec<Verb>,
        /// For which purposes.
        pub purposes: Vec<Purpose>,
        /// About which records; about all if left out.
        pub scope: Option<NewScope>,
        /// From when, seconds since 1970; from now if left out.
        pub from: Option<i64>,
        /// Until when, not including, seconds since 1970.
        pub until: i64,
        /// How many times in a row it may be passed on.
        pub delegate: Option<u32>,
    }
}

/// `Request(request)`: answers the grant that would come of it.
pub(super) fn request(context: &mut Context<'_>, new: NewRequest) -> Result<Grant, ContractError> {
    let caller = person::caller(context)?;
    let absent = || error::ABSENT.because("no such patient").at("/request/patient");
    let patient = person::patient(context, &new.patient)?.ok_or_else(absent)?;
    if patient.id == caller.id {
        return Err(absent());
    }
    let grant = wanted(&caller, new).accept(patient.id.clone(), context.now(), "/request")?;
    let taken = context.bytes(&store::request_ref(&grant.id))?.is_some()
        || context.bytes(&store::grant_ref(&grant.id))?.is_some();
    if taken {
        return Err(error::TAKEN.because("the request id is taken").at("/request/id"));
    }
    let prefix = [patient.id.as_str(), caller.id.as_str()];
    let open = page::index(context, "request", &prefix, "", OPEN_REQUESTS_MAX)?;
    if open.items.len() >= OPEN_REQUESTS_MAX {
        return Err(error::LIMIT.because("the patient has not answered earlier requests"));
    }
    let key = store::request(&patient.id, &caller.id, &grant.id);
    context.put(&key, &grant)?;
    context.put(&store::request_ref(&grant.id), &key_parts(&patient.id, &caller.id))?;
    policy::protect(context, &patient.msp, &[key])?;
    audit::record(context, &caller, Act::Request, &grant.id, Some(&patient))?;
    let epoch = lookup::epoch(context, &patient.id)?;
    context.event(CONSENT_REQUESTED, &ConsentChange { grant: grant.id.clone(), epoch })?;
    Ok(grant)
}

/// `Approve(requestId)`.
pub(super) fn approve(context: &mut Context<'_>, id: Id) -> Result<Grant, ContractError> {
    let patient = person::caller(context)?;
    let mut grant = take(context, &patient, &id)?;
    if context.now() >= grant.until {
        return Err(error::STATE.because("what was asked for would have ended already"));
    }
    grant.created = context.now();
    grant.from = grant.from.max(grant.created);
    write(context, &patient, &grant, "/request")?;
    audit::record(context, &patient, Act::Grant, &grant.id, Some(&patient))?;
    let epoch = lookup::epoch(context, &patient.id)?;
    context.event(CONSENT_GRANTED, &ConsentChange { grant: id, epoch })?;
    Ok(grant)
}

/// `Reject(requestId)`.
pub(super) fn reject(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let patient = person::caller(context)?;
    take(context, &patient, &id)?;
    audit::record(context, &patient, Act::Reject, &id, Some(&patient))?;
    let epoch = lookup::epoch(context, &patient.id)?;
    context.event(CONSENT_REJECTED, &ConsentChange { grant: id, epoch })
}

/// `ListRequests(after, limit)`: what the calling patient is asked for.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Grant>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "request", &[patient.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for attributes in &listed.items {
        if let [who, id] = attributes.as_slice()
            && let (Some(who), Some(id)) = (Id::new(who), Id::new(id))
        {
            items.extend(context.get::<Grant>(&store::request(&patient.id, &who, &id))?);
        }
    }
    Ok(Page { items, next: listed.next })
}

/// Removes an open request to this patient.
fn take(context: &mut Context<'_>, patient: &Subject, id: &Id) -> Result<Grant, ContractError> {
    let absent = || error::ABSENT.because("no such request to the caller");
    let reference = store::request_ref(id);
    let parts: Vec<Id> = context.get(&reference)?.ok_or_else(absent)?;
    let [asked, who] = parts.as_slice() else { return Err(absent()) };
    if *asked != patient.id {
        return Err(absent());
    }
    let key = store::request(asked, who, id);
    let grant: Grant = context.get(&key)?.ok_or_else(absent)?;
    context.delete(&key)?;
    context.delete(&reference)?;
    Ok(grant)
}

fn key_parts(patient: &Id, caller: &Id) -> Vec<Id> {
    vec![patient.clone(), caller.clone()]
}

fn wanted(caller: &Subject, new: NewRequest) -> NewGrant {
    NewGrant {
        id: new.id,
        effect: None,
        grantee: Grantee::Subject { subject: caller.id.clone() },
        verbs: new.verbs,
        purposes: new.purposes,
        scope: new.scope,
        from: new.from,
        until: new.until,
        delegate: new.delegate,
    }
}
