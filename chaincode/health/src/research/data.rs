//! What studies get: contributions of those who take part, and counts that are never small.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Answer, Contribution, Party, PartyStatus, Search,
    events::{STUDY_CHANGED, StudyChange},
    keys, studies,
};
use crate::{
    error,
    ids::{Commitment, Id},
    model::{Record, RecordStatus},
    page::{self, Page},
    person, store,
};

/// Most searches for a study: each tells something.
pub const SEARCHES_MAX: u64 = 100;

json_object! {
    /// A question to the hospitals.
    pub struct NewSearch {
        /// Chosen by the client.
        pub id: Id,
        /// For which study.
        pub study: Id,
        /// The commitment to the question.
        pub query: Commitment,
    }
}

/// `Contribute(studyId, recordId)`: by whoever added the de-identified record.
pub(super) fn contribute(
    context: &mut Context<'_>,
    study: Id,
    record: Id,
) -> Result<Contribution, ContractError> {
    let author = person::caller(context)?;
    let study = studies::running(context, &study)?;
    let absent = || error::ABSENT.because("no such record of the caller's for this study");
    let record: Record = context.get(&store::record(&record))?.ok_or_else(absent)?;
    let own = record.author == author.id && record.tags.contains(&study.id);
    let party: Option<Party> = context.get(&keys::party(&study.id, &record.owner))?;
    if !own || party.is_none_or(|party| party.status != PartyStatus::Accepted) {
        return Err(absent());
    }
    let key = keys::data(&study.id, &record.id);
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the record is contributed already").at("/recordId"));
    }
    let contribution = Contribution {
        study: study.id.clone(),
        record: record.id,
        patient: record.owner,
        at: context.now(),
    };
    context.put(&key, &contribution)?;
    context.event(STUDY_CHANGED, &StudyChange { study: study.id })?;
    Ok(contribution)
}

/// `Collect(studyId, after, limit)`: the records of those who take part now; they are opened with `records:Open`.
pub(super) fn collect(
    context: &mut Context<'_>,
    study: Id,
    after: String,
    limit: u32,
) -> Result<Page<Contribution>, ContractError> {
    let researcher = person::caller(context)?;
    let limit = page::limit(limit)?;
    let found = studies::find(context, &study)?.filter(|study| study.sponsor == researcher.msp);
    let study = found.ok_or_else(studies::absent)?;
    let listed = page::index(context, keys::DATA, &[study.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for record in listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())) {
        let found: Option<Contribution> = context.get(&keys::data(&study.id, &record))?;
        let Some(contribution) = found else { continue };
        if collectable(context, &contribution)? {
            items.push(contribution);
        }
    }
    Ok(Page { items, next: listed.next })
}

fn collectable(
    context: &mut Context<'_>,
    contribution: &Contribution,
) -> Result<bool, ContractError> {
    let party: Option<Party> =
        context.get(&keys::party(&contribution.study, &contribution.patient))?;
    let record: Option<Record> = context.get(&store::record(&contribution.record))?;
    let takes_part = party.is_some_and(|party| party.status == PartyStatus::Accepted);
    Ok(takes_part && record.is_some_and(|r| !r.hidden && r.status == RecordStatus::Active))
}

/// `Search(search)`: counted, since every answer tells something.
pub(super) fn search(context: &mut Context<'_>, new: NewSearch) -> Result<Search, ContractError> {
    let researcher = person::caller(context)?;
    let study = studies::running(context, &new.study)?;
    if study.sponsor != researcher.msp {
        return Err(studies::absent());
    }
    let (key, count_key) = (keys::search(&new.id), keys::searched(&study.id));
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the search id is taken").at("/search/id"));
    }
    let count: u64 = context.get(&count_key)?.unwrap_or(0);
    if count >= SEARCHES_MAX {
        return Err(error::LIMIT.because("a study has 100 searches"));
    }
    let search = Search { id: new.id, study: study.id, query: new.query, at: context.now() };
    context.put(&count_key, &(count + 1))?;
    context.put(&key, &search)?;
    context.event(STUDY_CHANGED, &StudyChange { study: search.study.clone() })?;
    Ok(search)
}

/// `AnswerSearch(searchId, count)`: once for each hospital, and never a small count.
pub(super) fn answer(
    context: &mut Context<'_>,
    id: Id,
    count: u64,
) -> Result<Answer, ContractError> {
    let practitioner = person::caller(context)?;
    let absent = || error::ABSENT.because("no such search");
    let search: Search = context.get(&keys::search(&id))?.ok_or_else(absent)?;
    let study = studies::running(context, &search.study)?;
    if count != 0 && count < u64::from(study.smallest) {
        let reason = format!("a count below {} is told as 0", study.smallest);
        return Err(codes::VALUE.because(reason).at("/count"));
    }
    let key = keys::answer(&id, &practitioner.msp);
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the hospital has answered already"));
    }
    let answer = Answer { msp: practitioner.msp, count, at: context.now() };
    context.put(&key, &answer)?;
    context.event(STUDY_CHANGED, &StudyChange { study: study.id })?;
    Ok(answer)
}

/// `Answers(searchId, after, limit)`.
pub(super) fn answers(
    context: &mut Context<'_>,
    id: Id,
    after: String,
    limit: u32,
) -> Result<Page<Answer>, ContractError> {
    let researcher = person::caller(context)?;
    let limit = page::limit(limit)?;
    let search: Search = context.get(&keys::search(&id))?.ok_or_else(studies::absent)?;
    let study = studies::find(context, &search.study)?;
    study.filter(|study| study.sponsor == researcher.msp).ok_or_else(studies::absent)?;
    let listed = page::index(context, keys::ANSWER, &[id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for msp in listed.items.iter().filter_map(|a| crate::ids::MspId::new(a.first()?.as_str())) {
        items.extend(context.get::<Answer>(&keys::answer(&id, &msp))?);
    }
    Ok(Page { items, next: listed.next })
}
