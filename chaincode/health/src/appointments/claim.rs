//! Picking: a practitioner takes an open request for one of their slots; the first commit wins.

use carecord_chaincode::{Context, ContractError};

use crate::{
    appointments::{
        conduct,
        facts::{self, Practice},
        matching::{
            Demand, SIDE_MAX, Score, Supply,
            class::{Standing, standing},
            score,
            weigh::claim_points,
        },
        model::{Match, Pick, Request, Slot},
        outcome::{self, Origin},
        request, slots, store,
        words::{PickReason, RequestStatus, SlotStatus, Specialty},
    },
    error,
    events::{MATCH_CHANGED, MatchChange},
    ids::Id,
    person,
};

/// What a request is ranked by for a given slot: class of urgency first, points within it.
type Rank = (Standing, u32);

/// `Claim(requestId, slotId)`: for one of the best requests for the slot.
pub(super) fn claim(
    context: &mut Context<'_>,
    request: Id,
    slot: Id,
) -> Result<Match, ContractError> {
    take(context, &request, &slot, None)
}

/// `ClaimBecause(requestId, slotId, reason)`: for any request; the reason stays with the match.
pub(super) fn claim_because(
    context: &mut Context<'_>,
    request: Id,
    slot: Id,
    reason: PickReason,
) -> Result<Match, ContractError> {
    take(context, &request, &slot, Some(reason))
}

fn take(
    context: &mut Context<'_>,
    request: &Id,
    slot: &Id,
    reason: Option<PickReason>,
) -> Result<Match, ContractError> {
    let practitioner = person::caller(context)?;
    let slot = slots::own(context, &practitioner.id, slot)?;
    let absent = || error::ABSENT.because("no such request").at("/requestId");
    let request = request::find(context, request)?.ok_or_else(absent)?;
    let practice = facts::practice(context, &practitioner.id)?
        .filter(|practice| serves(practice, request.specialty))
        .ok_or_else(|| error::SPECIALTY.because("the request is for another specialty"))?;
    if request.status != RequestStatus::Open || slot.status != SlotStatus::Open {
        return Err(error::STATE.because("the request or the slot is taken"));
    }
    if slot.start <= context.now() {
        return Err(error::STATE.because("the slot has begun"));
    }
    let (points, pick) = judge(context, &request, &slot, &practice, reason)?;
    count_load(context, &slot, &practice)?;
    let origin = Origin::Pick(pick);
    let made = outcome::bring_together(context, request, slot, &practice.profile, points, origin)?;
    context.event(MATCH_CHANGED, &MatchChange { matched: made.id.clone(), status: made.status })?;
    Ok(made)
}

fn serves(practice: &Practice, specialty: Specialty) -> bool {
    practice.specialties.iter().any(|s| *s == specialty || s.covers(specialty))
}

/// Points of the pair and how the pick was made; refused if others come before and no reason is given.
fn judge(
    context: &mut Context<'_>,
    request: &Request,
    slot: &Slot,
    practice: &Practice,
    reason: Option<PickReason>,
) -> Result<(Score, Pick), ContractError> {
    let supply = facts::supply(slot, practice, 0);
    let own = weighed(context, request, &supply)?;
    let (points, own) =
        own.ok_or_else(|| error::STATE.because("the slot does not fit the request"))?;
    let mut better = 0;
    let family = request.specialty.family();
    let span = (0, i64::MAX);
    for id in store::ids_between(context, "apwait", family.as_str(), span, SIDE_MAX)? {
        if id == request.id {
            continue;
        }
        let Some(other) = request::find(context, &id)? else { continue };
        if weighed(context, &other, &supply)?.is_some_and(|(_, rank)| rank > own) {
            better += 1;
        }
    }
    let conduct = conduct::of(context, &slot.practitioner)?;
    let free = conduct::free_picks(&conduct);
    let rank = better + 1;
    if rank > free && reason.is_none() {
        let reason = format!(
            "{better} open requests come before this one for the slot, the pick is free among {free}"
        );
        return Err(error::PICK.because(reason));
    }
    Ok((points, Pick { rank, free, reason: reason.filter(|_| rank > free) }))
}

/// The points and the rank of an open request for a slot; none if it does not fit.
fn weighed(
    context: &mut Context<'_>,
    request: &Request,
    supply: &Supply,
) -> Result<Option<(Score, Rank)>, ContractError> {
    let now = context.now();
    let mut demand: Demand = facts::demand(request, vec![], now);
    // Whether they have met is looked up for feasible requests only.
    if score(&demand, supply).is_none() {
        return Ok(None);
    }
    if store::is_marked(context, &store::met(&request.patient, &supply.practitioner))? {
        demand.seen.push(supply.practitioner.clone());
    }
    let Some(points) = score(&demand, supply) else { return Ok(None) };
    let rank = (standing(demand.urgency, demand.waited), points.total() + claim_points(&demand));
    Ok(Some((points, rank)))
}

fn count_load(
    context: &mut Context<'_>,
    slot: &Slot,
    practice: &Practice,
) -> Result<(), ContractError> {
    let day = store::day(slot.start);
    let before = outcome::load(context, &slot.practitioner, day)?;
    let after = before.saturating_add(outcome::minutes(slot.start, slot.end));
    if after > practice.profile.daily_cap {
        return Err(error::LIMIT.because("the caller's day is full"));
    }
    context.put(&store::load(&slot.practitioner, day), &after)
}

/// Whether a caller may see the open requests of a specialty.
pub(super) fn may_serve(
    context: &mut Context<'_>,
    practitioner: &Id,
    family: Specialty,
) -> Result<bool, ContractError> {
    let practice = facts::practice(context, practitioner)?;
    Ok(practice.is_some_and(|p| p.specialties.iter().any(|s| s.family() == family)))
}
