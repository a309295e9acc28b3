//! Encounters that both sides have signed, and what about a claim looks like fraud.
//!
//! | flag | set by | when |
//! |---|---|---|
//! | `unsigned` | `Submit` | the claim names no encounter, or one that the patient has not confirmed |
//! | `meter` | `Submit` | the lines charge more minutes than the encounter had, or than its payment channel has invoiced; begun minutes count in full |
//! | `overlap` | `ReportOverlap` | the practitioner signed another encounter that overlaps this one |
//!
//! A flag keeps a claim from being paid until the insurer has cleared it; it decides nothing else.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    channels,
    claims::{
        Claim, Encounter,
        events::{CLAIM_CHANGED, CLAIM_PLAN_CHANGED, ThingChange},
        keys,
        opening::{self, Kind},
        outcome::{ClaimLines, EncounterFacts, Line},
    },
    error,
    ids::{Commitment, Id},
    model::Subject,
    person, policy,
    vocabulary::Flag,
};

const MINUTE_SECONDS: u64 = 60;

/// `SignEncounter(encounterId, patientId, facts)`: the practitioner's signature.
pub(super) fn sign(
    context: &mut Context<'_>,
    id: Id,
    patient: Id,
    facts: Commitment,
) -> Result<Encounter, ContractError> {
    let practitioner = person::caller(context)?;
    let patient = person::patient(context, &patient)?;
    let patient =
        patient.ok_or_else(|| error::ABSENT.because("no such patient").at("/patientId"))?;
    let key = keys::encounter(&id);
    super::untaken(context, &key, "/encounterId")?;
    let encounter = Encounter {
        id,
        practitioner: practitioner.id,
        provider: practitioner.msp,
        patient: patient.id,
        facts,
        signed: context.now(),
        confirmed: None,
    };
    context.put(&key, &encounter)?;
    policy::protect(context, &patient.msp, &[key])?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id: encounter.id.clone() })?;
    Ok(encounter)
}

/// `ConfirmEncounter(encounterId)`: the patient's signature.
pub(super) fn confirm(context: &mut Context<'_>, id: Id) -> Result<Encounter, ContractError> {
    let patient = person::caller(context)?;
    let key = keys::encounter(&id);
    let found: Option<Encounter> = context.get(&key)?;
    let found = found.filter(|encounter| encounter.patient == patient.id);
    let mut encounter =
        found.ok_or_else(|| error::ABSENT.because("no such encounter of the caller"))?;
    if encounter.confirmed.is_some() {
        return Err(error::STATE.because("the encounter is confirmed already"));
    }
    encounter.confirmed = Some(context.now());
    context.put(&key, &encounter)?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id })?;
    Ok(encounter)
}

/// `ReportOverlap(claimId, encounterId)`: the insurer shows that the practitioner was elsewhere at the same time.
pub(super) fn report_overlap(
    context: &mut Context<'_>,
    claim: Id,
    other: Id,
) -> Result<Claim, ContractError> {
    let clerk = person::caller(context)?;
    let (key, mut claim) = super::claim_of(context, &claim, &clerk)?;
    let lines: ClaimLines = opening::open(context, "claim", Kind::Claim, &claim.lines)?;
    let absent = || error::ABSENT.because("no such other encounter of the practitioner");
    let encounter: Encounter = context.get(&keys::encounter(&other))?.ok_or_else(absent)?;
    if claim.encounter.as_ref() == Some(&other) || encounter.practitioner != claim.practitioner {
        return Err(absent());
    }
    let other: EncounterFacts = opening::open(context, "other", Kind::Encounter, &encounter.facts)?;
    let own = lines.encounter.ok_or_else(|| {
        codes::VALUE.because("the claim names no encounter").at("/claim/encounter")
    })?;
    if !overlap(&own, &other) {
        return Err(error::OPENING.because("the encounters do not overlap"));
    }
    if !claim.flags.contains(&Flag::Overlap) {
        claim.flags.push(Flag::Overlap);
    }
    context.put(&key, &claim)?;
    context.event(CLAIM_CHANGED, &super::change(&claim))?;
    Ok(claim)
}

/// `ClearFlags(claimId)`.
pub(super) fn clear_flags(context: &mut Context<'_>, claim: Id) -> Result<Claim, ContractError> {
    let clerk = person::caller(context)?;
    let (key, mut claim) = super::claim_of(context, &claim, &clerk)?;
    if claim.flags.is_empty() {
        return Err(error::STATE.because("the claim has no flags"));
    }
    claim.flags.clear();
    context.put(&key, &claim)?;
    context.event(CLAIM_CHANGED, &super::change(&claim))?;
    Ok(claim)
}

/// The flags of a claim when it is handed in; refuses an encounter that is not the caller's with this patient.
pub(super) fn flags(
    context: &mut Context<'_>,
    practitioner: &Subject,
    patient: &Id,
    encounter: Option<&Id>,
    lines: &ClaimLines,
) -> Result<Vec<Flag>, ContractError> {
    let Some(id) = encounter else { return Ok(vec![Flag::Unsigned]) };
    let absent = || error::ABSENT.because("no such encounter of the caller with the patient");
    let encounter: Encounter = context.get(&keys::encounter(id))?.ok_or_else(absent)?;
    if encounter.practitioner != practitioner.id || encounter.patient != *patient {
        return Err(absent());
    }
    let facts = lines.encounter.as_ref().ok_or_else(|| {
        codes::VALUE
            .because("the claim names an encounter and not its facts")
            .at("/claim/encounter")
    })?;
    let (_, commitment) = opening::seal(Kind::Encounter, facts)?;
    if commitment != encounter.facts {
        let reason = "the encounter's facts are not those that practitioner and patient signed";
        return Err(error::OPENING.because(reason).at("/claim/encounter"));
    }
    let unsigned = encounter.confirmed.is_none().then_some(Flag::Unsigned);
    let metered = metered(context, facts)?;
    let meter = exceeds_meter(&lines.lines, facts, metered).then_some(Flag::Meter);
    Ok([unsigned, meter].into_iter().flatten().collect())
}

/// What the payment channel of an encounter has invoiced, in seconds; nothing if it is not this practitioner's or has
/// invoiced nothing. None if no channel is named.
fn metered(
    context: &mut Context<'_>,
    facts: &EncounterFacts,
) -> Result<Option<u64>, ContractError> {
    let Some(id) = &facts.channel else { return Ok(None) };
    let channel = channels::find(context, id)?.filter(|c| c.payee == facts.practitioner);
    let invoice = channel.and_then(|channel| channel.invoice);
    Ok(Some(invoice.map_or(0, |invoice| invoice.meter_seconds)))
}

/// Whether lines charge more minutes than an encounter had, or than was metered; a begun minute counts.
pub fn exceeds_meter(lines: &[Line], facts: &EncounterFacts, metered: Option<u64>) -> bool {
    let charged: u64 = lines.iter().map(|line| u64::from(line.minutes)).sum();
    let lasted = u64::try_from(facts.until.saturating_sub(facts.from)).unwrap_or(0);
    let seconds = metered.map_or(lasted, |metered| metered.min(lasted));
    charged > seconds.div_ceil(MINUTE_SECONDS)
}

/// Whether one practitioner was in two encounters at once.
pub fn overlap(a: &EncounterFacts, b: &EncounterFacts) -> bool {
    a.practitioner == b.practitioner && a.from < b.until && b.from < a.until
}
