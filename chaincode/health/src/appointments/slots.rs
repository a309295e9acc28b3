//! Slots: published and taken back by their practitioner.

use carecord_chaincode::{Argument, Context, ContractError, Schema, codes, parse_json, serde_json};

use crate::{
    appointments::{
        model::{NewSlot, Slot},
        profile, store,
        words::{SlotStatus, Specialty},
    },
    error,
    events::{SLOT_WITHDRAWN, SLOTS_PUBLISHED, SlotChange},
    ids::Id,
    person,
};

/// Most slots that one call publishes.
pub const PUBLISHED_MAX: usize = 100;
/// Longest slot.
const SLOT_SECONDS_MAX: i64 = 8 * 3600;
/// Shortest slot.
const SLOT_SECONDS_MIN: i64 = 5 * 60;
/// How far ahead slots can be published.
const AHEAD_SECONDS_MAX: i64 = 366 * 24 * 3600;

/// A list of slots as one argument.
#[derive(Debug)]
pub(super) struct NewSlots(Vec<NewSlot>);

impl Schema for NewSlots {
    fn schema() -> serde_json::Value {
        Vec::<NewSlot>::schema()
    }
}

impl Argument for NewSlots {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        parse_json(raw, name).map(Self)
    }
}

/// `PublishSlots(slots)`: in order of time, none overlapping another of the practitioner.
pub(super) fn publish(context: &mut Context<'_>, slots: NewSlots) -> Result<(), ContractError> {
    let practitioner = person::caller(context)?;
    let families = families(context, &practitioner.id)?;
    let NewSlots(slots) = slots;
    check(&slots, context.now())?;
    check_calendar(context, &practitioner.id, &slots)?;
    let count = u32::try_from(slots.len()).expect("at most a hundred");
    let first = slots[0].id.clone();
    for NewSlot { id, start, end, mode } in slots {
        if context.bytes(&store::slot(&id))?.is_some() {
            return Err(error::TAKEN.because("a slot id is taken").at("/slots"));
        }
        let slot = Slot {
            id,
            practitioner: practitioner.id.clone(),
            org: practitioner.msp.clone(),
            start,
            end,
            mode,
            families: families.clone(),
            status: SlotStatus::Open,
        };
        store::mark(context, &store::calendar(&slot.practitioner, slot.start, &slot.id))?;
        set_status(context, slot, SlotStatus::Open)?;
    }
    let practitioner = practitioner.id;
    context.event(SLOTS_PUBLISHED, &SlotChange { practitioner, slot: first, count })
}

/// The pools of a practitioner's slots; a profile and a specialty are needed to have any.
fn families(context: &mut Context<'_>, practitioner: &Id) -> Result<Vec<Specialty>, ContractError> {
    if profile::find(context, practitioner)?.is_none() {
        return Err(error::STATE.because("the caller has no profile: set one first"));
    }
    let mut families: Vec<Specialty> =
        profile::specialties(context, practitioner)?.into_iter().map(Specialty::family).collect();
    families.sort_unstable();
    families.dedup();
    if families.is_empty() {
        return Err(
            error::SPECIALTY.because("no organisation vouches for a specialty of the caller")
        );
    }
    Ok(families)
}

fn check(slots: &[NewSlot], now: i64) -> Result<(), ContractError> {
    let refuse = |reason: String, index: usize| {
        Err(codes::VALUE.because(reason).at(format!("/slots/{index}")))
    };
    if slots.is_empty() || slots.len() > PUBLISHED_MAX {
        return Err(codes::VALUE.because("a call publishes 1 to 100 slots").at("/slots"));
    }
    for (index, slot) in slots.iter().enumerate() {
        let length = slot.end.saturating_sub(slot.start);
        if !(SLOT_SECONDS_MIN..=SLOT_SECONDS_MAX).contains(&length) {
            return refuse("a slot lasts 5 minutes to 8 hours".to_owned(), index);
        }
        if slot.start <= now || slot.start > now.saturating_add(AHEAD_SECONDS_MAX) {
            return refuse("a slot begins in the future, within a year".to_owned(), index);
        }
        if index > 0 && slot.start < slots[index - 1].end {
            return refuse("slots stand in order of time without overlap".to_owned(), index);
        }
        if slots[..index].iter().any(|other| other.id == slot.id) {
            return refuse("a slot id stands twice".to_owned(), index);
        }
    }
    Ok(())
}

/// No new slot overlaps one that the practitioner has already.
fn check_calendar(
    context: &mut Context<'_>,
    practitioner: &Id,
    slots: &[NewSlot],
) -> Result<(), ContractError> {
    let from = slots[0].start - SLOT_SECONDS_MAX;
    let until = slots[slots.len() - 1].end;
    let limit = CALENDAR_MAX + 1;
    let span = (from, until);
    let known = store::ids_between(context, "apcalendar", practitioner.as_str(), span, limit)?;
    if known.len() > CALENDAR_MAX {
        return Err(error::LIMIT.because("too many slots of the caller in that time"));
    }
    for id in known {
        let Some(other) = find(context, &id)? else { continue };
        if let Some(at) = slots.iter().position(|s| s.start < other.end && other.start < s.end) {
            let reason = "the slot overlaps another one of the caller";
            return Err(error::STATE.because(reason).at(format!("/slots/{at}")));
        }
    }
    Ok(())
}

/// Most slots of a practitioner that one look at the calendar reads.
pub(super) const CALENDAR_MAX: usize = 5000;

/// `WithdrawSlot(slotId)`.
pub(super) fn withdraw(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let practitioner = person::caller(context)?;
    let slot = own(context, &practitioner.id, &id)?;
    if slot.status != SlotStatus::Open {
        return Err(error::STATE.because("only an open slot can be withdrawn"));
    }
    context.delete(&store::calendar(&slot.practitioner, slot.start, &slot.id))?;
    set_status(context, slot, SlotStatus::Withdrawn)?;
    let practitioner = practitioner.id;
    context.event(SLOT_WITHDRAWN, &SlotChange { practitioner, slot: id, count: 1 })
}

/// A practitioner's own slot.
pub(super) fn own(
    context: &mut Context<'_>,
    practitioner: &Id,
    id: &Id,
) -> Result<Slot, ContractError> {
    let slot = find(context, id)?.filter(|slot| slot.practitioner == *practitioner);
    slot.ok_or_else(|| error::ABSENT.because("no such slot of the caller"))
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Slot>, ContractError> {
    context.get(&store::slot(id))
}

/// Writes a slot in a state, and whether its pools list it.
pub(super) fn set_status(
    context: &mut Context<'_>,
    mut slot: Slot,
    status: SlotStatus,
) -> Result<(), ContractError> {
    slot.status = status;
    for family in &slot.families {
        let key = store::free(*family, slot.start, &slot.id);
        match status {
            SlotStatus::Open => store::mark(context, &key)?,
            _ => context.delete(&key)?,
        }
    }
    context.put(&store::slot(&slot.id), &slot)
}
