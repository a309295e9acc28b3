//! How matches come about and end: the one place that changes request, slot, match and load together.

use carecord_chaincode::{Context, ContractError};
use sha2::{Digest, Sha256};

use crate::{
    appointments::{
        matching::Score,
        model::{Match, Pick, Profile, Request, Slot},
        request, slots, store,
        words::{MatchStatus, RequestStatus, SlotStatus},
    },
    error,
    ids::Id,
    person, policy,
};

/// After how many matches that its patient turned down a request is closed.
pub const DECLINES_MAX: u32 = 3;
/// Most practitioners that a request excludes; the oldest is forgotten first.
pub const EXCLUDED_MAX: usize = 8;

const MATCH_DOMAIN: &[u8] = b"carecord-match-v1";

/// What brought a request and a slot together.
pub(super) enum Origin {
    Batch(Id),
    Pick(Pick),
}

/// Minutes of a slot, rounded up.
pub(super) fn minutes(start: i64, end: i64) -> u32 {
    u32::try_from((end - start + 59) / 60).unwrap_or(u32::MAX)
}

/// Minutes promised by a practitioner on a day.
pub(super) fn load(
    context: &mut Context<'_>,
    practitioner: &Id,
    day: i64,
) -> Result<u32, ContractError> {
    Ok(context.get(&store::load(practitioner, day))?.unwrap_or(0))
}

/// Whose fault it is that a match ended before its visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The practitioner's: the request is bumped.
    Practitioner,
    /// The patient's: the request is closed after [`DECLINES_MAX`].
    Patient,
}

/// Makes a match of an open request and an open slot; the caller counts the load.
pub(super) fn bring_together(
    context: &mut Context<'_>,
    mut request: Request,
    slot: Slot,
    profile: &Profile,
    score: Score,
    origin: Origin,
) -> Result<Match, ContractError> {
    let now = context.now();
    let id = match_id(context.tx_id(), &request.id);
    let (batch, pick) = match origin {
        Origin::Batch(batch) => (Some(batch), None),
        Origin::Pick(pick) => (None, Some(pick)),
    };
    let picked = pick.is_some();
    let made = Match {
        id: id.clone(),
        request: request.id.clone(),
        slot: slot.id.clone(),
        patient: request.patient.clone(),
        home: request.home.clone(),
        practitioner: slot.practitioner.clone(),
        start: slot.start,
        end: slot.end,
        rate: profile.rate,
        score,
        batch,
        pick,
        status: if picked { MatchStatus::Accepted } else { MatchStatus::Offered },
        made: now,
        accepted: picked.then_some(now),
        channel: None,
        arrived: None,
        started: None,
        stopped: None,
    };
    request.status = RequestStatus::Matched;
    request.matched = Some(id);
    request::set_status(context, &request)?;
    slots::set_status(context, slot, SlotStatus::Taken)?;
    let key = store::matched(&made.id);
    context.put(&key, &made)?;
    policy::protect(context, &made.home, &[key])?;
    for person in [&made.patient, &made.practitioner] {
        store::mark(context, &store::agenda(person, made.made, &made.id))?;
    }
    Ok(made)
}

/// 128 bits of a hash: unique, since transaction ids are.
fn match_id(tx_id: &str, request: &Id) -> Id {
    let digest = Sha256::new()
        .chain_update(MATCH_DOMAIN)
        .chain_update(tx_id.as_bytes())
        .chain_update(request.as_str().as_bytes())
        .finalize();
    Id::new(hex::encode(&digest[..16])).expect("16 bytes are 32 hex digits")
}

/// The match that holds a request.
pub(super) fn holding(
    context: &mut Context<'_>,
    request: &Request,
) -> Result<Match, ContractError> {
    let id = request.matched.as_ref();
    let found = match id {
        Some(id) => context.get(&store::matched(id))?,
        None => None,
    };
    found.ok_or_else(|| error::STATE.because("the request has no match"))
}

/// A match of the caller, as patient or as practitioner.
pub(super) fn of_caller(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<(Match, Party), ContractError> {
    let caller = person::caller(context)?;
    let found: Option<Match> = context.get(&store::matched(id))?;
    match found {
        Some(found) if found.patient == caller.id => Ok((found, Party::Patient)),
        Some(found) if found.practitioner == caller.id => Ok((found, Party::Practitioner)),
        _ => Err(error::ABSENT.because("no such match of the caller")),
    }
}

/// Which side of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Patient,
    Practitioner,
}

/// Refuses unless a match is in one of these states.
pub(super) fn expect(found: &Match, states: &[MatchStatus]) -> Result<(), ContractError> {
    if states.contains(&found.status) {
        return Ok(());
    }
    let reason = format!("the match is {}", found.status.as_str());
    Err(error::STATE.because(reason))
}

/// Gives a match's slot and minutes back to its practitioner; a slot that has begun stays used.
pub(super) fn give_back(context: &mut Context<'_>, found: &Match) -> Result<(), ContractError> {
    let Some(slot) = slots::find(context, &found.slot)? else { return Ok(()) };
    let day = store::day(slot.start);
    let left = load(context, &slot.practitioner, day)?;
    let minutes = minutes(slot.start, slot.end);
    context.put(&store::load(&slot.practitioner, day), &left.saturating_sub(minutes))?;
    let status = if slot.start > context.now() { SlotStatus::Open } else { SlotStatus::Used };
    slots::set_status(context, slot, status)
}

/// Marks a slot as used.
pub(super) fn use_up(context: &mut Context<'_>, found: &Match) -> Result<(), ContractError> {
    match slots::find(context, &found.slot)? {
        Some(slot) => slots::set_status(context, slot, SlotStatus::Used),
        None => Ok(()),
    }
}

/// Writes a match in its last state.
pub(super) fn end(
    context: &mut Context<'_>,
    mut found: Match,
    status: MatchStatus,
) -> Result<(), ContractError> {
    found.status = status;
    context.put(&store::matched(&found.id), &found)
}

/// Lets a request wait again after its match ended, or closes it; answers it.
pub(super) fn wait_again(
    context: &mut Context<'_>,
    found: &Match,
    fault: Fault,
) -> Result<Request, ContractError> {
    let absent = || error::STATE.because("the request of the match is gone");
    let mut request = request::find(context, &found.request)?.ok_or_else(absent)?;
    request.matched = None;
    request.status = RequestStatus::Open;
    match fault {
        Fault::Practitioner => request.bumps = request.bumps.saturating_add(1),
        Fault::Patient => request.declines = request.declines.saturating_add(1),
    }
    if request.declines >= DECLINES_MAX {
        request.status = RequestStatus::Closed;
    }
    if !request.excluded.contains(&found.practitioner) {
        request.excluded.push(found.practitioner.clone());
        if request.excluded.len() > EXCLUDED_MAX {
            request.excluded.remove(0);
        }
    }
    request::set_status(context, &request)?;
    Ok(request)
}
