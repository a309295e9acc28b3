//! From what the ledger holds to what matching looks at.

use std::collections::BTreeMap;

use carecord_chaincode::{Context, ContractError, key::split};

use crate::{
    appointments::{
        matching::{Demand, Supply, weigh::LOAD_MAX},
        model::{Profile, Request, Slot},
        outcome, profile, store,
        words::Specialty,
    },
    ids::Id,
};

/// Most practitioners whom a patient has seen that count as continuity.
const MET_MAX: usize = 64;

/// A request as it waits at `now`; `seen` are practitioners who know the patient.
pub(super) fn demand(request: &Request, seen: Vec<Id>, now: i64) -> Demand {
    let terms = request.terms.clone();
    Demand {
        id: request.id.clone(),
        specialty: request.specialty,
        urgency: request.urgency,
        waited: u64::try_from(now.saturating_sub(request.created)).unwrap_or(0),
        bumps: request.bumps,
        periods: terms.periods,
        languages: terms.languages,
        mode: terms.mode,
        minutes: terms.minutes,
        pay: terms.pay,
        prefs: terms.prefs,
        reach: terms.reach,
        seen,
        excluded: request.excluded.clone(),
    }
}

/// The practitioners whom a patient has seen.
pub(super) fn seen(context: &mut Context<'_>, patient: &Id) -> Result<Vec<Id>, ContractError> {
    let entries = context.composite_range("apmet", &[patient.as_str()], MET_MAX)?;
    let mut seen = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (_, attributes) = split(&entry.key)?;
        seen.extend(attributes.last().and_then(|id| Id::new(*id)));
    }
    Ok(seen)
}

/// How one practitioner works.
#[derive(Clone)]
pub(super) struct Practice {
    pub(super) profile: Profile,
    pub(super) specialties: Vec<Specialty>,
}

/// A practitioner's profile and specialties; none without either.
pub(super) fn practice(
    context: &mut Context<'_>,
    practitioner: &Id,
) -> Result<Option<Practice>, ContractError> {
    let Some(profile) = profile::find(context, practitioner)? else { return Ok(None) };
    let specialties = profile::specialties(context, practitioner)?;
    Ok((!specialties.is_empty()).then_some(Practice { profile, specialties }))
}

/// A slot as it is offered by a practitioner who has promised `assigned` minutes on its day.
pub(super) fn supply(slot: &Slot, practice: &Practice, assigned: u32) -> Supply {
    let cap = practice.profile.daily_cap.max(1);
    let load = u64::from(LOAD_MAX) * u64::from(assigned) / u64::from(cap);
    Supply {
        id: slot.id.clone(),
        practitioner: slot.practitioner.clone(),
        org: slot.org.clone(),
        start: slot.start,
        end: slot.end,
        mode: slot.mode,
        specialties: practice.specialties.clone(),
        languages: practice.profile.languages.clone(),
        in_network: practice.profile.in_network.clone(),
        rate: practice.profile.rate,
        load: u32::try_from(load).unwrap_or(LOAD_MAX).min(LOAD_MAX),
    }
}

/// Practices and loads that were looked up already, and how full each day would get.
#[derive(Default)]
pub(super) struct Known {
    practices: BTreeMap<Id, Option<Practice>>,
    assigned: BTreeMap<(Id, i64), u32>,
    admitted: BTreeMap<(Id, i64), u32>,
}

// === impl Known ===

impl Known {
    /// A slot as supply; none if its practitioner may not serve, or their day is full with the slots admitted before it.
    ///
    /// Slots are asked for in order of time, so the earlier ones of a day are those that the cap lets in.
    pub(super) fn admit(
        &mut self,
        context: &mut Context<'_>,
        slot: &Slot,
    ) -> Result<Option<Supply>, ContractError> {
        let practitioner = &slot.practitioner;
        if !self.practices.contains_key(practitioner) {
            let practice = practice(context, practitioner)?;
            self.practices.insert(practitioner.clone(), practice);
        }
        let Some(practice) = self.practices[practitioner].clone() else { return Ok(None) };
        let day = (practitioner.clone(), store::day(slot.start));
        let assigned = match self.assigned.get(&day) {
            Some(assigned) => *assigned,
            None => outcome::load(context, practitioner, day.1)?,
        };
        self.assigned.insert(day.clone(), assigned);
        let full = self.admitted.entry(day).or_insert(assigned);
        let after = full.saturating_add(outcome::minutes(slot.start, slot.end));
        if after > practice.profile.daily_cap {
            return Ok(None);
        }
        *full = after;
        Ok(Some(supply(slot, &practice, assigned)))
    }
}
