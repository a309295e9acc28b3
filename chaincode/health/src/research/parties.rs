//! Taking part: offered, accepted with consent and reward in one, declined, left.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Party, PartyStatus, Place, Study,
    duo::{self, Consented},
    events::{PlaceChange, STUDY_ACCEPTED, STUDY_PLACE_CHANGED},
    keys, studies,
};
use crate::{
    consent::{self, Grantee, NewGrant, NewScope},
    error,
    ids::Id,
    page::{self, Page},
    person, policy, store,
    token::{Account, book::Book},
    vocabulary::{Purpose, Role, Verb},
};

/// How long an offer can be accepted.
pub const OFFER_SECONDS: i64 = 30 * 24 * 3600;

json_object! {
    /// A patient's acceptance.
    pub struct Acceptance {
        /// The study.
        pub study: Id,
        /// What the patient consents to.
        pub r#use: Consented,
        /// The id of the grant that it becomes, chosen by the client.
        pub grant: Id,
    }
}

/// `Offer(studyId, patientId, place)`: by a practitioner where the patient is at home, or by the patient.
pub(super) fn offer(
    context: &mut Context<'_>,
    study: Id,
    patient: Id,
    place: u32,
) -> Result<Party, ContractError> {
    let caller = person::caller(context)?;
    let study = studies::running(context, &study)?;
    let absent = || error::ABSENT.because("no such patient, or none of the caller's home");
    let patient = person::patient(context, &patient)?.ok_or_else(absent)?;
    let at_home = caller.role == Role::Practitioner && caller.msp == patient.msp;
    if caller.id != patient.id && !at_home {
        return Err(absent());
    }
    if place >= study.places {
        return Err(codes::VALUE.because("the study has no such place").at("/place"));
    }
    free(context, &study, place)?;
    let key = keys::party(&study.id, &patient.id);
    match context.get::<Party>(&key)?.map(|party| party.status) {
        None | Some(PartyStatus::Declined | PartyStatus::Expired) => {}
        Some(_) => {
            let reason = "the patient has, or had, a place in the study";
            return Err(error::TAKEN.because(reason).at("/patientId"));
        }
    }
    let party = Party {
        study: study.id.clone(),
        patient: patient.id.clone(),
        place,
        by: caller.id,
        until: context.now().saturating_add(OFFER_SECONDS).min(study.until),
        status: PartyStatus::Offered,
        r#use: None,
        grant: None,
        accepted: None,
        ended: None,
    };
    context.put(&key, &party)?;
    let place_key = keys::place(&study.id, place);
    context.put(&place_key, &Place { patient: patient.id.clone(), paid: false })?;
    context.put_bytes(&keys::of(&patient.id, &study.id), store::MARK)?;
    policy::protect(context, &patient.msp, &[key, place_key])?;
    announce(context, STUDY_PLACE_CHANGED, &party)?;
    Ok(party)
}

/// Frees a place whose offer nobody answered in time; refuses one that is taken.
fn free(context: &mut Context<'_>, study: &Study, place: u32) -> Result<(), ContractError> {
    let taken = || error::TAKEN.because("the place is taken").at("/place");
    let Some(held) = context.get::<Place>(&keys::place(&study.id, place))? else { return Ok(()) };
    let key = keys::party(&study.id, &held.patient);
    let mut party: Party = context.get(&key)?.ok_or_else(taken)?;
    if held.paid || party.status != PartyStatus::Offered || context.now() < party.until {
        return Err(taken());
    }
    party.status = PartyStatus::Expired;
    context.put(&key, &party)
}

/// `Accept(acceptance)`: consent and reward, both or neither, once.
pub(super) fn accept(
    context: &mut Context<'_>,
    acceptance: Acceptance,
) -> Result<Party, ContractError> {
    let patient = person::caller(context)?;
    let study = studies::running(context, &acceptance.study)?;
    let (key, mut party) = offered(context, &study.id, &patient.id)?;
    if context.now() >= party.until {
        return Err(error::STATE.because("the offer is over"));
    }
    acceptance.r#use.check()?;
    if !duo::covers(&acceptance.r#use, &study.r#use) {
        let reason = "the consent does not cover what the study does";
        return Err(codes::VALUE.because(reason).at("/acceptance/use"));
    }
    let grant = NewGrant {
        id: acceptance.grant.clone(),
        effect: None,
        grantee: Grantee::Role { role: Role::Researcher, org: study.sponsor.clone() },
        verbs: vec![Verb::Read],
        purposes: vec![Purpose::Research],
        scope: Some(only_tagged(&study.id)),
        from: None,
        until: study.until,
        delegate: None,
    };
    consent::give(context, &patient, grant)?;
    let mut book = Book::new();
    let to = Account::Person(patient.id.clone());
    let (escrow, reward) = (studies::escrow(&study.id, party.place), studies::reward(&study));
    book.pay(context, &escrow, &to, reward)?;
    book.write(context)?;
    let place = Place { patient: patient.id, paid: true };
    context.put(&keys::place(&study.id, party.place), &place)?;
    party.status = PartyStatus::Accepted;
    party.r#use = Some(acceptance.r#use);
    party.grant = Some(acceptance.grant);
    party.accepted = Some(context.now());
    context.put(&key, &party)?;
    announce(context, STUDY_ACCEPTED, &party)?;
    Ok(party)
}

/// `Decline(studyId)`.
pub(super) fn decline(context: &mut Context<'_>, study: Id) -> Result<Party, ContractError> {
    let patient = person::caller(context)?;
    let (key, mut party) = offered(context, &study, &patient.id)?;
    party.status = PartyStatus::Declined;
    party.ended = Some(context.now());
    context.put(&key, &party)?;
    context.delete(&keys::place(&study, party.place))?;
    announce(context, STUDY_PLACE_CHANGED, &party)?;
    Ok(party)
}

/// `Withdraw(studyId)`: ends the grant, so nothing is opened or collected from the next block on.
pub(super) fn withdraw(context: &mut Context<'_>, study: Id) -> Result<Party, ContractError> {
    let patient = person::caller(context)?;
    let key = keys::party(&study, &patient.id);
    let found: Option<Party> = context.get(&key)?;
    let mut party = found.ok_or_else(no_part)?;
    if party.status != PartyStatus::Accepted {
        return Err(error::STATE.because("the caller does not take part"));
    }
    if let Some(grant) = &party.grant {
        consent::end(context, &patient, grant)?;
    }
    party.status = PartyStatus::Withdrawn;
    party.ended = Some(context.now());
    context.put(&key, &party)?;
    announce(context, STUDY_PLACE_CHANGED, &party)?;
    Ok(party)
}

/// `ListMine(after, limit)`: the studies that the calling patient has to do with.
pub(super) fn mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Party>, ContractError> {
    let patient = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, keys::OF, &[patient.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for study in listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())) {
        items.extend(context.get::<Party>(&keys::party(&study, &patient.id))?);
    }
    Ok(Page { items, next: listed.next })
}

fn offered(
    context: &mut Context<'_>,
    study: &Id,
    patient: &Id,
) -> Result<(String, Party), ContractError> {
    let key = keys::party(study, patient);
    let party: Party = context.get(&key)?.ok_or_else(no_part)?;
    if party.status != PartyStatus::Offered {
        return Err(error::STATE.because("the caller has answered already, or too late"));
    }
    Ok((key, party))
}

fn only_tagged(study: &Id) -> NewScope {
    NewScope {
        records: None,
        except_records: None,
        tags: Some(vec![study.clone()]),
        except_tags: None,
        created_from: None,
        created_until: None,
    }
}

fn no_part() -> ContractError {
    error::ABSENT.because("no such study, or nothing offered to the caller")
}

fn announce(context: &mut Context<'_>, event: &str, party: &Party) -> Result<(), ContractError> {
    context.event(event, &PlaceChange { study: party.study.clone(), place: party.place })
}
