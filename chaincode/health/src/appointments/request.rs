//! Requests: made, amended and taken back by their patient.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    appointments::{
        matching::{Pay, score::DISTANCE},
        model::{NewRequest, Request, Terms},
        outcome, profile, store,
        words::{MatchStatus, RequestStatus},
    },
    error,
    events::{APPOINTMENT_REQUESTED, REQUEST_CLOSED, RequestChange},
    ids::Id,
    person, policy,
};

/// Most open and matched requests of a patient.
pub const OPEN_MAX: usize = 10;
/// Most requests of a patient that are looked through for open ones.
pub const KEPT_MAX: usize = 1000;
/// Most periods of a request.
const PERIODS_MAX: usize = 32;
/// Most entries of another list of a request.
const LISTED_MAX: usize = 16;
/// Longest visit, minutes.
const MINUTES_MAX: u32 = 8 * 60;

/// `Request(request)`.
pub(super) fn request(
    context: &mut Context<'_>,
    new: NewRequest,
) -> Result<Request, ContractError> {
    let patient = person::caller(context)?;
    if !(1..=4).contains(&new.urgency) {
        return Err(codes::VALUE.because("urgency is 1 to 4").at("/request/urgency"));
    }
    check(context, &new.terms, "/request/terms")?;
    if context.bytes(&store::request(&new.id))?.is_some() {
        return Err(error::TAKEN.because("the request id is taken").at("/request/id"));
    }
    check_limits(context, &patient.id, &new)?;
    let now = context.now();
    let NewRequest { id, specialty, urgency, terms, condition } = new;
    let request = Request {
        id,
        patient: patient.id,
        home: patient.msp,
        specialty,
        urgency,
        terms,
        condition,
        status: RequestStatus::Open,
        matched: None,
        bumps: 0,
        declines: 0,
        excluded: vec![],
        created: now,
    };
    let key = store::request(&request.id);
    store::mark(context, &store::mine(&request.patient, now, &request.id))?;
    set_status(context, &request)?;
    policy::protect(context, &request.home, &[key])?;
    let change = RequestChange { request: request.id.clone(), bumps: 0 };
    context.event(APPOINTMENT_REQUESTED, &change)?;
    Ok(request)
}

/// One patient cannot fill a pool: few requests at a time, one for each specialty.
fn check_limits(
    context: &mut Context<'_>,
    patient: &Id,
    new: &NewRequest,
) -> Result<(), ContractError> {
    let all = (0, i64::MAX);
    let kept = store::ids_between(context, "apmine", patient.as_str(), all, KEPT_MAX)?;
    if kept.len() == KEPT_MAX {
        return Err(error::LIMIT.because("the caller has made too many requests"));
    }
    let mut open = 0;
    for id in kept {
        let Some(request) = find(context, &id)? else { continue };
        if !matches!(request.status, RequestStatus::Open | RequestStatus::Matched) {
            continue;
        }
        open += 1;
        if request.specialty == new.specialty {
            let reason = "the caller has an open request for this specialty";
            return Err(error::STATE.because(reason).at("/request/specialty"));
        }
    }
    if open >= OPEN_MAX {
        return Err(error::LIMIT.because("the caller has too many open requests"));
    }
    Ok(())
}

fn check(context: &mut Context<'_>, terms: &Terms, at: &str) -> Result<(), ContractError> {
    check_values(terms, context.now(), at)?;
    let insurer = match &terms.pay {
        Pay::Insurance { insurance } => Some(insurance),
        Pay::Budget { .. } => None,
    };
    profile::check_orgs(context, insurer.into_iter(), &format!("{at}/pay"))?;
    let reach = terms.reach.iter().map(|reach| &reach.org);
    profile::check_orgs(context, reach, &format!("{at}/reach"))
}

fn check_values(terms: &Terms, now: i64, at: &str) -> Result<(), ContractError> {
    let refuse = |reason: &str, field: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("{at}/{field}")))
    };
    let periods = &terms.periods;
    if periods.is_empty() || periods.len() > PERIODS_MAX {
        return refuse("a request has 1 to 32 periods", "periods");
    }
    if periods.iter().any(|p| p.start < 0 || p.end <= p.start || p.end <= now) {
        return refuse("a period ends after its start and after now", "periods");
    }
    if periods.windows(2).any(|pair| pair[1].start < pair[0].end) {
        return refuse("periods stand in order of time without overlap", "periods");
    }
    if !(1..=MINUTES_MAX).contains(&terms.minutes) {
        return refuse("a visit takes 1 to 480 minutes", "minutes");
    }
    for (length, field) in [
        (terms.languages.len(), "languages"),
        (terms.prefs.len(), "prefs"),
        (terms.reach.len(), "reach"),
    ] {
        if length > LISTED_MAX {
            return refuse("a list has more than 16 entries", field);
        }
    }
    if terms.reach.iter().any(|reach| reach.bucket as usize >= DISTANCE.len()) {
        return refuse("a distance is 0, 1 or 2", "reach");
    }
    Ok(())
}

/// `Amend(requestId, terms)`: an open request's terms; waiting goes on.
pub(super) fn amend(
    context: &mut Context<'_>,
    id: Id,
    terms: Terms,
) -> Result<Request, ContractError> {
    let mut request = own(context, &id)?;
    check(context, &terms, "/terms")?;
    if request.status != RequestStatus::Open {
        return Err(error::STATE.because("only an open request can be amended"));
    }
    request.terms = terms;
    context.put(&store::request(&id), &request)?;
    Ok(request)
}

/// `Cancel(requestId)`: also undoes its match, until the patient has checked in.
pub(super) fn cancel(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let mut request = own(context, &id)?;
    match request.status {
        RequestStatus::Open => {}
        RequestStatus::Matched => {
            let found = outcome::holding(context, &request)?;
            let before_visit =
                [MatchStatus::Offered, MatchStatus::Accepted, MatchStatus::Confirmed];
            if !before_visit.contains(&found.status) {
                return Err(error::STATE.because("the visit has begun"));
            }
            outcome::give_back(context, &found)?;
            outcome::end(context, found, MatchStatus::Cancelled)?;
        }
        RequestStatus::Served | RequestStatus::Closed => {
            return Err(error::STATE.because("the request is over"));
        }
    }
    request.status = RequestStatus::Closed;
    request.matched = None;
    set_status(context, &request)?;
    context.event(REQUEST_CLOSED, &RequestChange { request: id, bumps: request.bumps })
}

/// The caller's own request.
fn own(context: &mut Context<'_>, id: &Id) -> Result<Request, ContractError> {
    let patient = person::caller(context)?;
    let request = find(context, id)?.filter(|request| request.patient == patient.id);
    request.ok_or_else(|| error::ABSENT.because("no such request of the caller"))
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Request>, ContractError> {
    context.get(&store::request(id))
}

/// Writes a request, and whether its pool lists it.
pub(super) fn set_status(
    context: &mut Context<'_>,
    request: &Request,
) -> Result<(), ContractError> {
    let key = store::wait(request.specialty.family(), request.created, &request.id);
    match request.status {
        RequestStatus::Open => store::mark(context, &key)?,
        _ => context.delete(&key)?,
    }
    context.put(&store::request(&request.id), request)
}
