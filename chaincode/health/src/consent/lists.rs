//! Who has what from whom.

use std::collections::BTreeMap;

use carecord_chaincode::{Argument, Context, ContractError, codes, json_object, serde_json};

use crate::{
    consent::{
        decision::{Facts, Question, Reader, decide, purposes_of},
        grant::{Grant, GrantRef, Grantee},
        groups,
        lookup::{self, GRANTS_PER_GRANTEE_MAX},
    },
    error,
    ids::Id,
    model::Subject,
    page::{self, Page},
    person,
    records::{self, TAGS_MAX},
    store,
    vocabulary::{Decision, Effect, Verb},
};

/// Most people of one organisation that a grant to the organisation is resolved to.
const MEMBERS_MAX: usize = 10_000;

json_object! {
    /// Somebody to whom a data key is to be wrapped; their key is to be checked with [`crate::keys::verify`].
    pub struct Recipient {
        /// The person.
        pub subject: Id,
        /// Their current encryption key, signed by themselves.
        pub key: crate::keys::EncryptionKey,
    }
}

/// A list of tags as one argument.
#[derive(Debug)]
pub(super) struct Tags(Vec<Id>);

impl carecord_chaincode::Schema for Tags {
    fn schema() -> serde_json::Value {
        Vec::<Id>::schema()
    }
}

impl Argument for Tags {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        carecord_chaincode::parse_json(raw, name).map(Self)
    }
}

/// `Recipients(patientId, tags)`: the patient, and everyone who could read such a record now.
pub(super) fn recipients(
    context: &mut Context<'_>,
    patient: Id,
    tags: Tags,
) -> Result<Vec<Recipient>, ContractError> {
    let author = person::caller(context)?;
    if tags.0.len() > TAGS_MAX {
        return Err(codes::VALUE.because("a record has at most 16 tags").at("/tags"));
    }
    // An id that no record and no grant has: the draft is judged by its tags alone.
    let id = Id::new("0".repeat(32)).expect("32 hex digits");
    let draft = Facts { id, tags: tags.0, created: context.now(), withdrawn: false };
    let owner = records::writable_patient(context, &author, &patient, &draft)?;
    let mut people = candidates(context, &owner.id)?;
    people.insert(owner.id.clone(), owner);
    let grants = all_grants(context, &patient)?;
    let now = context.now();
    let reads = |subject: &Subject, reader: &Reader| {
        purposes_of(subject.role).iter().any(|&purpose| {
            let (owner, record) = (&patient, &draft);
            let question = Question { reader, owner, record, verb: Verb::Read, purpose, now };
            decide(&question, &grants).decision == Decision::Permit
        })
    };
    let mut recipients = Vec::new();
    for subject in people.into_values().filter(|subject| subject.active) {
        let reader = lookup::reader(context, &subject, &patient)?;
        if reads(&subject, &reader) {
            let key = subject.encryption_key.filter(|key| key.revoked.is_none());
            recipients.extend(key.map(|key| Recipient { subject: subject.id, key }));
        }
    }
    Ok(recipients)
}

fn candidates(
    context: &mut Context<'_>,
    patient: &Id,
) -> Result<BTreeMap<Id, Subject>, ContractError> {
    let mut people = BTreeMap::new();
    let mut orgs = Vec::new();
    for grant in all_grants(context, patient)? {
        if grant.effect == Effect::Deny || grant.revoked.is_some() {
            continue;
        }
        match grant.grantee {
            Grantee::Subject { subject } => {
                people.extend(person::find(context, &subject)?.map(|s| (s.id.clone(), s)));
            }
            Grantee::Org { org } | Grantee::Role { org, .. } => orgs.push(org),
            Grantee::Group { group } => {
                for linked in groups::members(context, patient, &group)? {
                    people.extend(person::find(context, &linked)?.map(|s| (s.id.clone(), s)));
                }
            }
        }
    }
    orgs.sort();
    orgs.dedup();
    for org in orgs {
        let members = page::index(context, "member", &[org.as_str()], "", MEMBERS_MAX)?;
        for member in members.items.into_iter().flatten().filter_map(Id::new) {
            people.extend(person::find(context, &member)?.map(|s| (s.id.clone(), s)));
        }
    }
    Ok(people)
}

fn all_grants(context: &mut Context<'_>, patient: &Id) -> Result<Vec<Grant>, ContractError> {
    let limit = GRANTS_PER_GRANTEE_MAX;
    let entries = context.composite_range("grant", &[patient.as_str()], limit + 1)?;
    if entries.len() > limit {
        return Err(error::LIMIT.because("the patient has too many grants to resolve at once"));
    }
    entries
        .iter()
        .map(|e| serde_json::from_slice(&e.value))
        .collect::<Result<_, _>>()
        .map_err(|e| codes::FAILED.because(e.to_string()))
}

/// `ListMine(after, limit)`.
pub(super) fn mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Grant>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "grant", &[patient.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for attributes in &listed.items {
        if let [grantee, id] = attributes.as_slice()
            && let Some(id) = Id::new(id.as_str())
        {
            items.extend(context.get::<Grant>(&store::grant(&patient.id, grantee, &id))?);
        }
    }
    Ok(Page { items, next: listed.next })
}

/// `ListForMe(after, limit)`.
pub(super) fn for_me(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Grant>, ContractError> {
    let reader = person::caller(context)?;
    let limit = page::limit(limit)?;
    let tag = Grantee::Subject { subject: reader.id }.tag();
    let listed = page::index(context, "granted", &[&tag], &after, limit)?;
    let mut items = Vec::new();
    for id in listed.items.iter().filter_map(|a| Id::new(a.last()?.as_str())) {
        let Some(found) = context.get::<GrantRef>(&store::grant_ref(&id))? else { continue };
        let grant: Option<Grant> =
            context.get(&store::grant(&found.patient, &found.grantee, &id))?;
        let now = context.now();
        items.extend(grant.filter(|g| {
            g.effect == Effect::Permit && g.revoked.is_none() && g.from <= now && now < g.until
        }));
    }
    Ok(Page { items, next: listed.next })
}

/// The patients who granted something to a reader, in person, through their organisation or
/// through a group, sorted.
pub(crate) fn granting_patients(
    context: &mut Context<'_>,
    person: &Subject,
    limit: usize,
) -> Result<Vec<Id>, ContractError> {
    let linked = page::index(context, "links", &[person.id.as_str()], "", limit)?;
    let first = |a: &Vec<String>| Id::new(a.first()?.as_str());
    let mut patients: std::collections::BTreeSet<Id> =
        linked.items.iter().filter_map(first).collect();
    let (id, role, msp) = (person.id.clone(), person.role, person.msp.clone());
    let reader = Reader { id, role, msp, groups: vec![] };
    for grantee in lookup::grantees_of(&reader) {
        let listed = page::index(context, "granted", &[&grantee.tag()], "", limit)?;
        patients.extend(listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())));
    }
    Ok(patients.into_iter().collect())
}
