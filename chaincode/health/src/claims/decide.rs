//! Adjudicating a claim on the ledger: both parties' peers run the same function over what the commitments open to.

use std::collections::BTreeSet;

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    audit::{self, Act},
    claims::{
        Authorisation, Claim, Plan, Sums,
        adjudication::{self, Facts, Overflow, accumulate, take_back},
        calendar,
        events::CLAIM_CHANGED,
        keys,
        opening::{self, AuthorisedService, Kind, Salts},
        outcome::{Accumulators, ClaimLines, Outcome},
        terms::Schedule,
    },
    error,
    ids::Id,
    person, policy,
    vocabulary::{ClaimStatus, Decision},
};

/// The transient fields of `Adjudicate`: what the commitments open to, and fresh salts.
pub const ADJUDICATE_TRANSIENT: &[&str] =
    &["claim", "schedule", "accumulators", "authorisations", "outcome", "salts"];

/// `Adjudicate(claimId)`.
pub(super) fn adjudicate(context: &mut Context<'_>, id: Id) -> Result<Claim, ContractError> {
    let clerk = person::caller(context)?;
    let (key, mut claim) = super::claim_of(context, &id, &clerk)?;
    if claim.status == ClaimStatus::Adjudicated {
        return Err(error::STATE.because("the claim is adjudicated already"));
    }
    let plan: Plan = context
        .get(&keys::plan(&claim.plan))?
        .ok_or_else(|| error::ABSENT.because("no such plan"))?;
    let lines: ClaimLines = opening::open(context, "claim", Kind::Claim, &claim.lines)?;
    let schedule: Schedule = opening::open(context, "schedule", Kind::Schedule, &plan.schedule)?;
    schedule.check()?;
    let salts: Salts = opening::plain(context, "salts")?;
    let sums_key = keys::sums(&claim.enrolment, lines.year());
    let sums: Option<Sums> = context.get(&sums_key)?;
    let before = before(context, &claim, sums.as_ref())?;
    let authorised = authorised(context, &claim, &lines)?;
    let facts = facts(&claim, &plan, &lines, salts.outcome, authorised);
    let outcome = adjudication::adjudicate(
        adjudication::Plan { terms: &plan.terms, schedule: &schedule },
        facts,
        &lines.lines,
        &before,
    )
    .map_err(overflow)?;
    let after = accumulate(&before, &outcome, salts.accumulators).map_err(overflow)?;

    claim.round = outcome.round;
    claim.outcome = Some(opening::seal(Kind::Outcome, &outcome)?.1);
    claim.status = ClaimStatus::Adjudicated;
    claim.decided = Some(context.now());
    context.put(&key, &claim)?;
    let count = sums.as_ref().map_or(0, |sums| sums.count) + 1;
    let paid = opening::seal(Kind::Accumulators, &after)?.1;
    context.put(&sums_key, &Sums { paid, count })?;
    policy::protect(context, &claim.insurer, &[sums_key])?;
    let patient = person::find(context, &claim.patient)?;
    audit::record(context, &clerk, Act::Adjudicate, &claim.id, patient.as_ref())?;
    context.event(CLAIM_CHANGED, &super::change(&claim))?;
    Ok(claim)
}

/// What is known of a claim beside its lines; the same for whoever adjudicates it again.
pub fn facts(
    claim: &Claim,
    plan: &Plan,
    lines: &ClaimLines,
    salt: Id,
    authorised: BTreeSet<Id>,
) -> Facts {
    let last_day = lines.until.saturating_add(i64::from(plan.terms.filing_days));
    Facts {
        claim: claim.id.clone(),
        round: claim.round + 1,
        salt,
        in_network: plan.network.contains(&claim.provider),
        late: calendar::day(claim.submitted) > last_day,
        authorised,
    }
}

/// What the member had paid before this claim: without what an earlier decision on it has added.
fn before(
    context: &mut Context<'_>,
    claim: &Claim,
    sums: Option<&Sums>,
) -> Result<Accumulators, ContractError> {
    let Some(sums) = sums else {
        let salt = Id::new("0".repeat(32)).expect("32 hex digits");
        return Ok(Accumulators { salt, deductible: 0, out_of_pocket: 0 });
    };
    let now: Accumulators = opening::open(context, "accumulators", Kind::Accumulators, &sums.paid)?;
    let Some(earlier) = &claim.outcome else { return Ok(now) };
    let earlier: Outcome = opening::open(context, "outcome", Kind::Outcome, earlier)?;
    take_back(&now, &earlier).map_err(overflow)
}

/// The services that were authorised for the days of service.
fn authorised(
    context: &mut Context<'_>,
    claim: &Claim,
    lines: &ClaimLines,
) -> Result<BTreeSet<Id>, ContractError> {
    let mut permits = Vec::new();
    let mut commitments = Vec::new();
    for id in &claim.authorisations {
        let found: Option<Authorisation> = context.get(&keys::authorisation(id))?;
        let Some(found) = found else { continue };
        let in_time = found.until.is_some_and(|until| lines.until <= until);
        permits.push(found.decision == Some(Decision::Permit) && in_time);
        commitments.push(found.service);
    }
    let services: Vec<AuthorisedService> =
        opening::open_each(context, "authorisations", Kind::Authorisation, &commitments)?;
    let permitted = services.into_iter().zip(permits).filter(|(_, permit)| *permit);
    Ok(permitted.map(|(service, _)| service.tag).collect())
}

pub(super) fn overflow(error: Overflow) -> ContractError {
    codes::VALUE.because(error.to_string())
}
