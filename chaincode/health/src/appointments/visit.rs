//! The visit itself: arrival, begin, end, and nobody there.

use carecord_chaincode::{Context, ContractError};

use crate::{
    appointments::{
        answer, conduct,
        model::Match,
        outcome::{self, Fault, Party},
        request, store,
        words::{MatchStatus, RequestStatus},
    },
    error,
    events::{MATCH_CHANGED, MatchChange},
    ids::Id,
};

/// How long before the slot a patient can check in.
pub const EARLY_SECONDS: i64 = 30 * 60;
/// How long one waits for the other side; longer than a signer's clock may be off.
pub const GRACE_SECONDS: i64 = 30 * 60;

/// `CheckIn(matchId)`: the patient is there.
pub(super) fn check_in(context: &mut Context<'_>, id: Id) -> Result<Match, ContractError> {
    let (mut found, party) = outcome::of_caller(context, &id)?;
    only(party, Party::Patient)?;
    outcome::expect(&found, &[MatchStatus::Confirmed])?;
    let now = context.now();
    if now < found.start - EARLY_SECONDS || now >= found.end {
        return Err(
            error::STATE.because("check-in is open from half an hour before the slot to its end")
        );
    }
    found.arrived = Some(now);
    answer::set(context, found, MatchStatus::CheckedIn)
}

/// `Start(matchId)`: the practitioner begins.
pub(super) fn start(context: &mut Context<'_>, id: Id) -> Result<Match, ContractError> {
    let (mut found, party) = outcome::of_caller(context, &id)?;
    only(party, Party::Practitioner)?;
    outcome::expect(&found, &[MatchStatus::CheckedIn])?;
    found.started = Some(context.now());
    answer::set(context, found, MatchStatus::Running)
}

/// `Stop(matchId)`: either side ends it.
pub(super) fn stop(context: &mut Context<'_>, id: Id) -> Result<Match, ContractError> {
    let (mut found, _) = outcome::of_caller(context, &id)?;
    outcome::expect(&found, &[MatchStatus::Running])?;
    let now = context.now();
    if found.started.is_some_and(|started| now < started) {
        return Err(error::STATE.because("the visit cannot end before it began"));
    }
    found.stopped = Some(now);
    store::mark(context, &store::met(&found.patient, &found.practitioner))?;
    outcome::use_up(context, &found)?;
    close(context, &found, RequestStatus::Served)?;
    answer::set(context, found, MatchStatus::Done)
}

/// `NoShow(matchId)`: the other side did not come.
///
/// The practitioner may say so of a patient who has not checked in; the patient of a practitioner who has not begun, and then the
/// request waits again.
pub(super) fn no_show(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let (found, party) = outcome::of_caller(context, &id)?;
    let (awaited, status) = match party {
        Party::Practitioner => (MatchStatus::Confirmed, MatchStatus::PatientAbsent),
        Party::Patient => (MatchStatus::CheckedIn, MatchStatus::DoctorAbsent),
    };
    outcome::expect(&found, &[awaited])?;
    let since = found.arrived.unwrap_or(found.start).max(found.start);
    if context.now() < since + GRACE_SECONDS {
        return Err(error::STATE.because("half an hour has not passed yet"));
    }
    outcome::use_up(context, &found)?;
    match party {
        Party::Practitioner => close(context, &found, RequestStatus::Closed)?,
        Party::Patient => {
            conduct::note_absence(context, &found.practitioner)?;
            outcome::wait_again(context, &found, Fault::Practitioner)?;
        }
    }
    let change = MatchChange { matched: found.id.clone(), status };
    outcome::end(context, found, status)?;
    context.event(MATCH_CHANGED, &change)
}

fn only(party: Party, wanted: Party) -> Result<(), ContractError> {
    if party == wanted {
        return Ok(());
    }
    Err(error::ABSENT.because("no such match of the caller in this part"))
}

fn close(
    context: &mut Context<'_>,
    found: &Match,
    status: RequestStatus,
) -> Result<(), ContractError> {
    let Some(mut request) = request::find(context, &found.request)? else { return Ok(()) };
    request.status = status;
    request::set_status(context, &request)
}
