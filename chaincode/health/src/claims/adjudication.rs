//! Adjudication: a pure function from plan, claim and what the member has paid so far to who pays what.
//!
//! Lines are taken in the order in which they stand on the claim. For each, the first row that fits ends it:
//!
//! | # | case | who pays the charge | reason |
//! |---|---|---|---|
//! | 1 | the claim was handed in too late | nobody: the provider writes it off | `late` |
//! | 2 | service or diagnosis is excluded | the patient | `excluded` |
//! | 3 | the schedule does not name the service, and such services are not covered | the patient | `notCovered` |
//! | 4 | the provider is outside the network, and nothing is covered there | the patient | `outside` |
//! | 5 | the service needs an authorisation and has none | nobody: written off | `unauthorised` |
//! | 6 | otherwise | shared, as below | `covered` |
//!
//! Row 6: the *allowed* amount is the schedule's for these units, at most the charge. What the charge exceeds it by is
//! written off within the network, and the patient's outside it (`aboveAllowed`). Of the allowed amount the patient pays
//!
//! 1. the copay (`copay`);
//! 2. of the rest, what is missing to the deductible, if it applies to the service (`deductible`);
//! 3. of what then remains, the plan's share in basis points, rounded half to even (`coinsurance`).
//!
//! If the three exceed what is missing to the out-of-pocket maximum, the excess is taken off again, from the
//! coinsurance first, then the deductible, then the copay (`maximum`). The insurer pays the allowed amount less what the
//! patient pays of it: the remainder of each rounding is the insurer's, on each line, and no sum is ever rounded. What is
//! uncovered or above the allowed amount counts towards neither accumulator.

use std::collections::BTreeSet;

use crate::{
    claims::{
        outcome::{Accumulators, Line, LineOutcome, Outcome, Totals},
        rounding::share,
        terms::{Schedule, Service, Terms},
    },
    ids::Id,
    vocabulary::{Reason, Unscheduled},
};

/// What is known of a claim beside its lines.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which claim.
    pub claim: Id,
    /// 1 for the first adjudication, one more after each appeal.
    pub round: u32,
    /// Makes the outcome's commitment unguessable.
    pub salt: Id,
    /// Whether the provider is in the plan's network.
    pub in_network: bool,
    /// Whether it was handed in too late.
    pub late: bool,
    /// Tags of the services that were authorised.
    pub authorised: BTreeSet<Id>,
}

/// A plan as adjudication needs it.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What everybody sees.
    pub terms: &'a Terms,
    /// What insurer and providers share.
    pub schedule: &'a Schedule,
}

/// What a member has paid before a line.
#[derive(Clone, Copy, Debug)]
struct Paid {
    deductible: u64,
    out_of_pocket: u64,
}

/// The sums do not fit, which checked input never leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("amounts of the claim add up to more than can be counted")]
pub struct Overflow;

/// Adjudicates the lines of a claim.
pub fn adjudicate(
    plan: Plan<'_>,
    facts: Facts,
    lines: &[Line],
    before: &Accumulators,
) -> Result<Outcome, Overflow> {
    let start = Paid { deductible: before.deductible, out_of_pocket: before.out_of_pocket };
    let mut paid = start;
    let mut outcomes = Vec::with_capacity(lines.len());
    for line in lines {
        let outcome = adjudicate_line(plan, &facts, line, paid);
        let cost = outcome.copay.checked_add(outcome.deductible).ok_or(Overflow)?;
        let cost = cost.checked_add(outcome.coinsurance).ok_or(Overflow)?;
        paid.deductible = paid.deductible.checked_add(outcome.deductible).ok_or(Overflow)?;
        paid.out_of_pocket = paid.out_of_pocket.checked_add(cost).ok_or(Overflow)?;
        outcomes.push(outcome);
    }
    let totals = totals(&outcomes).ok_or(Overflow)?;
    let Facts { claim, round, salt, .. } = facts;
    Ok(Outcome {
        salt,
        claim,
        round,
        lines: outcomes,
        totals,
        deductible: paid.deductible - start.deductible,
        out_of_pocket: paid.out_of_pocket - start.out_of_pocket,
    })
}

/// What a member has paid after a claim; `salt` is fresh.
pub fn accumulate(
    before: &Accumulators,
    outcome: &Outcome,
    salt: Id,
) -> Result<Accumulators, Overflow> {
    let deductible = before.deductible.checked_add(outcome.deductible).ok_or(Overflow)?;
    let out_of_pocket = before.out_of_pocket.checked_add(outcome.out_of_pocket).ok_or(Overflow)?;
    Ok(Accumulators { salt, deductible, out_of_pocket })
}

/// What a member had paid without a claim that is adjudicated anew.
pub fn take_back(now: &Accumulators, outcome: &Outcome) -> Result<Accumulators, Overflow> {
    let deductible = now.deductible.checked_sub(outcome.deductible).ok_or(Overflow)?;
    let out_of_pocket = now.out_of_pocket.checked_sub(outcome.out_of_pocket).ok_or(Overflow)?;
    Ok(Accumulators { salt: now.salt.clone(), deductible, out_of_pocket })
}

fn adjudicate_line(plan: Plan<'_>, facts: &Facts, line: &Line, paid: Paid) -> LineOutcome {
    let Plan { terms, schedule } = plan;
    let service = schedule.service(&line.tag);
    if facts.late {
        return written_off(line, Reason::Late);
    }
    if service.is_some_and(|s| s.excluded) || schedule.excludes(&line.diagnoses) {
        return uncovered(line, Reason::Excluded);
    }
    if service.is_none() && terms.unscheduled == Unscheduled::None {
        return uncovered(line, Reason::NotCovered);
    }
    let bps = if facts.in_network { Some(terms.coinsurance_bps) } else { terms.outside_bps };
    let Some(bps) = bps else { return uncovered(line, Reason::Outside) };
    if service.is_some_and(|s| s.authorisation) && !facts.authorised.contains(&line.tag) {
        return written_off(line, Reason::Unauthorised);
    }
    covered(terms, facts, line, service, bps, paid)
}

fn covered(
    terms: &Terms,
    facts: &Facts,
    line: &Line,
    service: Option<&Service>,
    bps: u32,
    paid: Paid,
) -> LineOutcome {
    let mut out = blank(line, Reason::Covered);
    out.allowed = service.map_or(line.charge, |s| allowed(s, line));
    let above = line.charge - out.allowed;
    if facts.in_network {
        out.write_off = above;
    } else {
        out.uncovered = above;
    }
    out.copay = service.map_or(0, |s| s.copay).min(out.allowed);
    let rest = out.allowed - out.copay;
    let missing = terms.deductible.saturating_sub(paid.deductible);
    let applies = service.is_none_or(|s| s.deductible);
    out.deductible = if applies { rest.min(missing) } else { 0 };
    out.coinsurance = share(rest - out.deductible, bps);
    let shares = [
        (above, Reason::AboveAllowed),
        (out.copay, Reason::Copay),
        (out.deductible, Reason::Deductible),
        (out.coinsurance, Reason::Coinsurance),
    ];
    out.reasons.extend(shares.into_iter().filter(|(amount, _)| *amount > 0).map(|(_, r)| r));
    if let Some(max) = terms.out_of_pocket_max {
        cap(&mut out, max.saturating_sub(paid.out_of_pocket));
    }
    let cost = out.copay + out.deductible + out.coinsurance;
    out.insurer = out.allowed - cost;
    out.patient = cost + out.uncovered;
    out
}

/// Takes off what the patient's parts exceed `most` by: coinsurance, then deductible, then copay.
fn cap(out: &mut LineOutcome, most: u64) {
    let mut excess = (out.copay + out.deductible + out.coinsurance).saturating_sub(most);
    if excess == 0 {
        return;
    }
    out.reasons.push(Reason::Maximum);
    for part in [&mut out.coinsurance, &mut out.deductible, &mut out.copay] {
        let off = excess.min(*part);
        *part -= off;
        excess -= off;
    }
}

fn allowed(service: &Service, line: &Line) -> u64 {
    let most = u128::from(service.allowed) * u128::from(line.units);
    u64::try_from(most.min(u128::from(line.charge))).unwrap_or(line.charge)
}

fn uncovered(line: &Line, reason: Reason) -> LineOutcome {
    let charge = line.charge;
    LineOutcome { uncovered: charge, patient: charge, ..blank(line, reason) }
}

fn written_off(line: &Line, reason: Reason) -> LineOutcome {
    LineOutcome { write_off: line.charge, ..blank(line, reason) }
}

fn blank(line: &Line, reason: Reason) -> LineOutcome {
    LineOutcome {
        submitted: line.charge,
        allowed: 0,
        copay: 0,
        deductible: 0,
        coinsurance: 0,
        uncovered: 0,
        patient: 0,
        insurer: 0,
        write_off: 0,
        reasons: vec![reason],
    }
}

fn totals(lines: &[LineOutcome]) -> Option<Totals> {
    let sum = |part: fn(&LineOutcome) -> u64| {
        lines.iter().try_fold(0u64, |sum, line| sum.checked_add(part(line)))
    };
    Some(Totals {
        submitted: sum(|line| line.submitted)?,
        insurer: sum(|line| line.insurer)?,
        patient: sum(|line| line.patient)?,
        write_off: sum(|line| line.write_off)?,
    })
}
