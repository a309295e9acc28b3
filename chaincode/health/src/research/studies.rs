//! Publishing a study with its rewards set apart, the ethics board's answer, and the end.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Place, Study, StudyStatus,
    duo::Intended,
    events::{STUDY_CHANGED, StudyChange},
    keys,
};
use crate::{
    error,
    ids::{Commitment, Id, MspId},
    model::Org,
    page::{self, Page},
    person, policy, store,
    token::{
        Account, Amount, Currency, Purpose,
        book::{Book, Money},
    },
    vocabulary::Decision,
};

/// Most places of a study.
pub const PLACES_MAX: u32 = 500;
/// The smallest count that may be told.
pub const SMALLEST_MIN: u32 = 11;
/// Longest study: ten years.
pub const LIFE_SECONDS_MAX: i64 = 10 * 366 * 24 * 3600;

json_object! {
    /// A study as a researcher publishes it.
    pub struct NewStudy {
        /// Chosen by the client.
        pub id: Id,
        /// The organisation whose ethics board decides, another one than the researcher's.
        pub ethics: MspId,
        /// The commitment to the protocol.
        pub protocol: Commitment,
        /// What it uses data for.
        pub r#use: Intended,
        /// In which currency patients are paid.
        pub currency: Currency,
        /// What each gets.
        pub reward: Amount,
        /// How many can take part.
        pub places: u32,
        /// Counts below this are told as 0; 11 if left out.
        pub smallest: Option<u32>,
        /// Until when, not including, seconds since 1970.
        pub until: i64,
    }
}

/// `PublishStudy(study)`: the reward of each place is set apart, in an escrow of its own.
pub(super) fn publish(context: &mut Context<'_>, new: NewStudy) -> Result<Study, ContractError> {
    let researcher = person::caller(context)?;
    check(context.now(), &new)?;
    let absent = || error::ABSENT.because("no such organisation").at("/study/ethics");
    let ethics: Org = context.get(&store::org(&new.ethics))?.ok_or_else(absent)?;
    if ethics.msp == researcher.msp {
        let reason = "the ethics board is another organisation's";
        return Err(codes::VALUE.because(reason).at("/study/ethics"));
    }
    let key = keys::study(&new.id);
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the study id is taken").at("/study/id"));
    }
    let study = Study {
        id: new.id,
        researcher: researcher.id,
        sponsor: researcher.msp,
        ethics: new.ethics,
        protocol: new.protocol,
        r#use: new.r#use,
        currency: new.currency,
        reward: new.reward,
        places: new.places,
        smallest: new.smallest.unwrap_or(SMALLEST_MIN),
        until: new.until,
        status: StudyStatus::Proposed,
        published: context.now(),
    };
    let mut book = Book::new();
    let sponsor = Account::Person(study.researcher.clone());
    for place in 0..study.places {
        book.hold(context, &sponsor, &escrow(&study.id, place), reward(&study))?;
    }
    book.write(context)?;
    write(context, &study)?;
    policy::protect_both(context, &study.sponsor, &study.ethics, &[key])?;
    Ok(study)
}

fn check(now: i64, new: &NewStudy) -> Result<(), ContractError> {
    let refuse =
        |reason: &str, field: &str| Err(codes::VALUE.because(reason).at(format!("/study/{field}")));
    new.r#use.check()?;
    new.currency.check_on_ledger("/study/currency")?;
    if !(1..=PLACES_MAX).contains(&new.places) {
        return refuse("a study has 1 to 500 places", "places");
    }
    if new.smallest.is_some_and(|smallest| smallest < SMALLEST_MIN) {
        return refuse("counts below 11 are never told", "smallest");
    }
    if new.until <= now || new.until.saturating_sub(now) > LIFE_SECONDS_MAX {
        return refuse("a study ends after now and within ten years", "until");
    }
    Ok(())
}

/// `Approve(studyId, decision)`: permit or deny, by the ethics board.
pub(super) fn approve(
    context: &mut Context<'_>,
    id: Id,
    decision: Decision,
) -> Result<Study, ContractError> {
    let member = person::caller(context)?;
    let found = find(context, &id)?.filter(|study| study.ethics == member.msp);
    let mut study = found.ok_or_else(absent)?;
    if study.status != StudyStatus::Proposed {
        return Err(error::STATE.because("the ethics board has decided already"));
    }
    study.status = match decision {
        Decision::Permit => StudyStatus::Approved,
        Decision::Deny => StudyStatus::Rejected,
    };
    write(context, &study)?;
    Ok(study)
}

/// `Settle(studyId)`: the rewards that nobody earned go back, once the study is over or rejected.
pub(super) fn settle(context: &mut Context<'_>, id: Id) -> Result<Study, ContractError> {
    let researcher = person::caller(context)?;
    let found = find(context, &id)?.filter(|study| study.researcher == researcher.id);
    let mut study = found.ok_or_else(absent)?;
    let over = match study.status {
        StudyStatus::Rejected => true,
        StudyStatus::Proposed | StudyStatus::Approved => context.now() >= study.until,
        StudyStatus::Settled => false,
    };
    if !over {
        return Err(error::STATE.because("the study is not over, or settled already"));
    }
    let paid = paid_places(context, &study)?;
    let mut book = Book::new();
    let sponsor = Account::Person(study.researcher.clone());
    for place in (0..study.places).filter(|place| !paid.contains(place)) {
        book.refund(context, &escrow(&study.id, place), &sponsor, reward(&study))?;
    }
    book.write(context)?;
    study.status = StudyStatus::Settled;
    write(context, &study)?;
    Ok(study)
}

fn paid_places(context: &mut Context<'_>, study: &Study) -> Result<Vec<u32>, ContractError> {
    let mut paid = Vec::new();
    for number in 0..study.places {
        let place: Option<Place> = context.get(&keys::place(&study.id, number))?;
        paid.extend(place.filter(|place| place.paid).map(|_| number));
    }
    Ok(paid)
}

/// `Get(studyId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Study, ContractError> {
    person::caller(context)?;
    find(context, &id)?.ok_or_else(absent)
}

/// `List(after, limit)`.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Study>, ContractError> {
    person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, keys::STUDY, &[], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for id in listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())) {
        items.extend(find(context, &id)?);
    }
    Ok(Page { items, next: listed.next })
}

/// A study by id.
pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Study>, ContractError> {
    context.get(&keys::study(id))
}

/// A study in which patients take part now.
pub(super) fn running(context: &mut Context<'_>, id: &Id) -> Result<Study, ContractError> {
    let study = find(context, id)?.ok_or_else(absent)?;
    if study.status != StudyStatus::Approved || context.now() >= study.until {
        return Err(error::STATE.because("the study is not approved, or over"));
    }
    Ok(study)
}

/// Where the reward of a place lies.
pub(super) fn escrow(study: &Id, place: u32) -> Account {
    Account::escrow_part(Purpose::Research, study, place)
}

pub(super) fn reward(study: &Study) -> Money {
    Money { currency: study.currency, amount: study.reward }
}

pub(super) fn absent() -> ContractError {
    error::ABSENT.because("no such study, or none of the caller's")
}

fn write(context: &mut Context<'_>, study: &Study) -> Result<(), ContractError> {
    context.put(&keys::study(&study.id), study)?;
    context.event(STUDY_CHANGED, &StudyChange { study: study.id.clone() })
}
