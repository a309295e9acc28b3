//! The two sides of a match say yes or no.

use carecord_chaincode::{Context, ContractError};

use crate::{
    appointments::{
        conduct,
        model::Match,
        outcome::{self, Fault, Party},
        store,
        words::MatchStatus,
    },
    error,
    events::{MATCH_CHANGED, MatchChange},
    ids::Id,
};

/// How long each side has to answer; who lets it pass is at fault for what follows.
pub const ANSWER_SECONDS: i64 = 24 * 3600;

/// `Accept(matchId)`: the practitioner is willing.
pub(super) fn accept(context: &mut Context<'_>, id: Id) -> Result<Match, ContractError> {
    let (mut found, party) = outcome::of_caller(context, &id)?;
    if party != Party::Practitioner {
        return Err(error::ABSENT.because("no such match of the caller as practitioner"));
    }
    outcome::expect(&found, &[MatchStatus::Offered])?;
    let now = context.now();
    if now >= found.start {
        return Err(error::STATE.because("the slot has begun"));
    }
    found.accepted = Some(now);
    set(context, found, MatchStatus::Accepted)
}

/// `Decline(matchId)`: one of the two does not want it.
pub(super) fn decline(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let (found, party) = outcome::of_caller(context, &id)?;
    let fault = match party {
        Party::Practitioner => {
            outcome::expect(&found, &[MatchStatus::Offered])?;
            Fault::Practitioner
        }
        Party::Patient => {
            outcome::expect(&found, &[MatchStatus::Offered, MatchStatus::Accepted])?;
            let unanswered = found.status == MatchStatus::Offered
                && context.now() >= (found.made + ANSWER_SECONDS).min(found.start);
            if unanswered { Fault::Practitioner } else { Fault::Patient }
        }
    };
    undo(context, found, fault, MatchStatus::Declined)
}

/// `Release(matchId)`: the practitioner gives back what they had accepted, at the cost of their free choice.
///
/// No cost if the patient let the time for confirming pass.
pub(super) fn release(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let (found, party) = outcome::of_caller(context, &id)?;
    if party != Party::Practitioner {
        return Err(error::ABSENT.because("no such match of the caller as practitioner"));
    }
    outcome::expect(&found, &[MatchStatus::Accepted, MatchStatus::Confirmed])?;
    let now = context.now();
    let waited = found.accepted.unwrap_or(found.made) + ANSWER_SECONDS;
    let unconfirmed = found.status == MatchStatus::Accepted && now >= waited.min(found.start);
    if !unconfirmed && now >= found.start {
        return Err(error::STATE.because("the slot has begun"));
    }
    if unconfirmed {
        return undo(context, found, Fault::Patient, MatchStatus::Released);
    }
    conduct::note_release(context, &found.practitioner)?;
    undo(context, found, Fault::Practitioner, MatchStatus::Released)
}

fn undo(
    context: &mut Context<'_>,
    found: Match,
    fault: Fault,
    status: MatchStatus,
) -> Result<(), ContractError> {
    outcome::give_back(context, &found)?;
    outcome::wait_again(context, &found, fault)?;
    let change = MatchChange { matched: found.id.clone(), status };
    outcome::end(context, found, status)?;
    context.event(MATCH_CHANGED, &change)
}

/// Writes a match in a state and announces it.
pub(super) fn set(
    context: &mut Context<'_>,
    mut found: Match,
    status: MatchStatus,
) -> Result<Match, ContractError> {
    found.status = status;
    context.put(&store::matched(&found.id), &found)?;
    context.event(MATCH_CHANGED, &MatchChange { matched: found.id.clone(), status })?;
    Ok(found)
}

/// `GetMatch(matchId)`: to its two sides.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Match, ContractError> {
    Ok(outcome::of_caller(context, &id)?.0)
}
