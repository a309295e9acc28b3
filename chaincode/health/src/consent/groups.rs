//! Groups: people whom a patient grants something together, such as a care team.
//!
//! A group is a random id of the patient's and has no name here; it is whoever is linked to it. A link lies in two
//! indexes that mirror each other: who is in a patient's group, and in which groups of whose a person is.

use carecord_chaincode::{Context, ContractError, json_object};

use crate::{
    audit::{self, Act},
    consent::lookup::{self, GROUPS_MAX},
    error,
    events::{CONSENT_LINKED, CONSENT_UNLINKED, ConsentChange},
    ids::Id,
    model::Subject,
    page::{self, Page},
    person, policy, store,
};

/// Most people in one group.
pub const MEMBERS_MAX: usize = 256;

json_object! {
    /// Somebody in a group.
    pub struct Linked {
        /// The group.
        pub group: Id,
        /// Who is in it.
        pub subject: Id,
    }
}

/// `Link(groupId, subjectId)`.
pub(super) fn link(context: &mut Context<'_>, group: Id, subject: Id) -> Result<(), ContractError> {
    let patient = person::caller(context)?;
    if person::find(context, &subject)?.is_none() {
        return Err(error::ABSENT.because("no such person").at("/subjectId"));
    }
    if subject == patient.id {
        let reason = "a patient needs no link to themselves";
        return Err(carecord_chaincode::codes::VALUE.because(reason).at("/subjectId"));
    }
    let (of_group, of_person) = keys(&patient, &group, &subject);
    if context.bytes(&of_group)?.is_some() {
        return Err(error::TAKEN.because("the person is in the group already"));
    }
    if members(context, &patient.id, &group)?.len() >= MEMBERS_MAX
        || lookup::groups_of(context, &subject, &patient.id)?.len() >= GROUPS_MAX
    {
        return Err(error::LIMIT.because("the group is full, or the person is in too many"));
    }
    context.put_bytes(&of_group, store::MARK)?;
    context.put_bytes(&of_person, store::MARK)?;
    policy::protect(context, &patient.msp, &[of_group, of_person])?;
    finish(context, &patient, &group, Act::Link, CONSENT_LINKED)
}

/// `Unlink(groupId, subjectId)`.
pub(super) fn unlink(
    context: &mut Context<'_>,
    group: Id,
    subject: Id,
) -> Result<(), ContractError> {
    let patient = person::caller(context)?;
    let (of_group, of_person) = keys(&patient, &group, &subject);
    if context.bytes(&of_group)?.is_none() {
        return Err(error::ABSENT.because("no such person in a group of the caller"));
    }
    context.delete(&of_group)?;
    context.delete(&of_person)?;
    finish(context, &patient, &group, Act::Unlink, CONSENT_UNLINKED)
}

/// `ListLinks(after, limit)`.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Linked>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "linked", &[patient.id.as_str()], &after, limit)?;
    let linked = |attributes: &Vec<String>| {
        let [group, subject] = attributes.as_slice() else { return None };
        Some(Linked { group: Id::new(group)?, subject: Id::new(subject)? })
    };
    Ok(Page { items: listed.items.iter().filter_map(linked).collect(), next: listed.next })
}

/// Who is in a patient's group.
pub(super) fn members(
    context: &mut Context<'_>,
    patient: &Id,
    group: &Id,
) -> Result<Vec<Id>, ContractError> {
    let prefix = [patient.as_str(), group.as_str()];
    let listed = page::index(context, "linked", &prefix, "", MEMBERS_MAX)?;
    Ok(listed.items.into_iter().flatten().filter_map(Id::new).collect())
}

fn keys(patient: &Subject, group: &Id, subject: &Id) -> (String, String) {
    (store::linked(&patient.id, group, subject), store::links(subject, &patient.id, group))
}

/// A link can take something away too, when the group is forbidden something: both ways count as a withdrawal.
fn finish(
    context: &mut Context<'_>,
    patient: &Subject,
    group: &Id,
    act: Act,
    event: &str,
) -> Result<(), ContractError> {
    let epoch = lookup::bump_epoch(context, &patient.id)?;
    audit::record(context, patient, act, group, Some(patient))?;
    context.event(event, &ConsentChange { grant: group.clone(), epoch })
}
