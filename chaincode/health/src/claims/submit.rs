//! Handing a claim in, and appealing against what was decided on it.

use std::collections::BTreeSet;

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    audit::{self, Act},
    claims::{
        Authorisation, Claim, Enrolment, Plan, encounters,
        events::CLAIM_CHANGED,
        keys,
        opening::{self, Kind, MemberSecret},
        outcome::ClaimLines,
    },
    consent::{
        decision::{Facts, Question, Reader, decide},
        lookup,
    },
    error,
    ids::{Commitment, Id},
    model::{Record, Subject},
    person, policy, store,
    vocabulary::{ClaimStatus, Decision, Flag, Purpose, Role, Verb},
};

/// Most authorisations that a claim refers to.
pub const AUTHORISATIONS_MAX: usize = 20;
/// How long after a decision it can be appealed against.
pub const APPEAL_SECONDS_MAX: i64 = 180 * 24 * 3600;

json_object! {
    /// A claim as a provider hands it in.
    pub struct NewClaim {
        /// Chosen by the client.
        pub id: Id,
        /// The member's place in the plan.
        pub enrolment: Id,
        /// The sealed record with codes and diagnoses.
        pub record: Id,
        /// The commitment to the lines.
        pub lines: Commitment,
        /// The encounter behind it.
        pub encounter: Option<Id>,
        /// The authorisations that it refers to.
        pub authorisations: Option<Vec<Id>>,
    }
}

json_object! {
    /// An appeal against a decision.
    pub struct NewAppeal {
        /// The claim.
        pub claim: Id,
        /// The commitment to the grounds, which are kept elsewhere.
        pub grounds: Commitment,
        /// The commitment to corrected lines; only the provider may give it.
        pub lines: Option<Commitment>,
        /// The authorisations that it refers to now; only the provider may give them.
        pub authorisations: Option<Vec<Id>>,
    }
}

/// `Submit(claim)`; transient `claim` and `member`.
pub(super) fn submit(context: &mut Context<'_>, new: NewClaim) -> Result<Claim, ContractError> {
    let practitioner = person::caller(context)?;
    let absent = || error::ABSENT.because("no such enrolment or record, or no consent to claim");
    let enrolment: Enrolment = context.get(&keys::enrolment(&new.enrolment))?.ok_or_else(absent)?;
    let plan: Plan = context.get(&keys::plan(&enrolment.plan))?.ok_or_else(absent)?;
    let patient = person::find(context, &enrolment.member)?.ok_or_else(absent)?;
    if !claimable(context, &practitioner, &enrolment, &plan, &new.record)? {
        return Err(absent());
    }
    let key = keys::claim(&new.id);
    super::untaken(context, &key, "/claim/id")?;
    let authorisations = new.authorisations.unwrap_or_default();
    check_authorisations(context, &authorisations, &enrolment, &practitioner)?;
    let lines: ClaimLines = opening::open(context, "claim", Kind::Claim, &new.lines)?;
    let encounter = new.encounter.as_ref();
    let flags = encounters::flags(context, &practitioner, &patient.id, encounter, &lines)?;
    mark_services(context, &new.id, &enrolment, &practitioner, &lines)?;
    let claim = Claim {
        id: new.id,
        enrolment: enrolment.id,
        plan: plan.id,
        patient: patient.id.clone(),
        insurer: plan.insurer,
        provider: practitioner.msp.clone(),
        practitioner: practitioner.id.clone(),
        record: new.record,
        lines: new.lines,
        encounter: new.encounter,
        authorisations,
        flags,
        status: ClaimStatus::Submitted,
        round: 0,
        outcome: None,
        appeal: None,
        remitted: None,
        billed: None,
        submitted: context.now(),
        decided: None,
    };
    context.put(&key, &claim)?;
    policy::protect_both(context, &claim.insurer, &claim.provider, &[key])?;
    for index in [
        keys::claim_of_patient(&claim.patient, &claim.id),
        keys::claim_of_insurer(&claim.insurer, &claim.id),
        keys::claim_of_provider(&claim.provider, &claim.id),
    ] {
        context.put_bytes(&index, store::MARK)?;
    }
    audit::record(context, &practitioner, Act::Claim, &claim.id, Some(&patient))?;
    context.event(CLAIM_CHANGED, &super::change(&claim))?;
    Ok(claim)
}

/// `Appeal(appeal)`; transient `claim` and `member` with corrected lines.
pub(super) fn appeal(context: &mut Context<'_>, new: NewAppeal) -> Result<Claim, ContractError> {
    let caller = person::caller(context)?;
    let absent = || error::ABSENT.because("no such claim of the caller");
    let key = keys::claim(&new.claim);
    let mut claim: Claim = context.get(&key)?.ok_or_else(absent)?;
    let provider = caller.role == Role::Practitioner && caller.msp == claim.provider;
    if !provider && caller.id != claim.patient {
        return Err(absent());
    }
    if claim.status != ClaimStatus::Adjudicated {
        return Err(error::STATE.because("there is no decision to appeal against"));
    }
    let decided = claim.decided.unwrap_or(claim.submitted);
    if context.now() > decided.saturating_add(APPEAL_SECONDS_MAX) {
        return Err(error::STATE.because("an appeal comes within 180 days of the decision"));
    }
    if !provider && (new.lines.is_some() || new.authorisations.is_some()) {
        return Err(codes::VALUE.because("only the provider corrects a claim").at("/appeal/lines"));
    }
    let enrolment: Enrolment =
        context.get(&keys::enrolment(&claim.enrolment))?.ok_or_else(absent)?;
    if let Some(authorisations) = new.authorisations {
        check_authorisations(context, &authorisations, &enrolment, &caller)?;
        claim.authorisations = authorisations;
    }
    if let Some(commitment) = new.lines {
        let lines: ClaimLines = opening::open(context, "claim", Kind::Claim, &commitment)?;
        correct(context, &mut claim, &enrolment, &caller, &lines)?;
        claim.lines = commitment;
    }
    claim.appeal = Some(new.grounds);
    claim.status = ClaimStatus::Appealed;
    context.put(&key, &claim)?;
    let patient = person::find(context, &claim.patient)?;
    audit::record(context, &caller, Act::Claim, &claim.id, patient.as_ref())?;
    context.event(CLAIM_CHANGED, &super::change(&claim))?;
    Ok(claim)
}

/// Corrected lines stand in the same benefit year, since it is that year's sums that the first decision changed.
fn correct(
    context: &mut Context<'_>,
    claim: &mut Claim,
    enrolment: &Enrolment,
    provider: &Subject,
    lines: &ClaimLines,
) -> Result<(), ContractError> {
    let before: ClaimLines = opening::open(context, "before", Kind::Claim, &claim.lines)?;
    if before.year() != lines.year() {
        return Err(codes::VALUE
            .because("a corrected claim stays in its benefit year")
            .at("/claim"));
    }
    let patient = claim.patient.clone();
    let practitioner = person::find(context, &claim.practitioner)?;
    let practitioner = practitioner.unwrap_or_else(|| provider.clone());
    let encounter = claim.encounter.clone();
    let found = encounters::flags(context, &practitioner, &patient, encounter.as_ref(), lines)?;
    let overlap = claim.flags.contains(&Flag::Overlap).then_some(Flag::Overlap);
    claim.flags = found.into_iter().chain(overlap).collect();
    let dropped: Vec<Commitment> = {
        let secret: MemberSecret =
            opening::open(context, "member", Kind::Member, &enrolment.secret)?;
        let kept = marks(&secret, provider, lines);
        marks(&secret, provider, &before).into_iter().filter(|mark| !kept.contains(mark)).collect()
    };
    for mark in dropped {
        context.delete(&keys::once(&mark))?;
    }
    let claim_id = claim.id.clone();
    mark_services(context, &claim_id, enrolment, provider, lines)
}

/// Whether the record is the member's, from the caller's organisation, and the patient lets the insurer read it to pay.
fn claimable(
    context: &mut Context<'_>,
    practitioner: &Subject,
    enrolment: &Enrolment,
    plan: &Plan,
    record: &Id,
) -> Result<bool, ContractError> {
    let record: Option<Record> = context.get(&store::record(record))?;
    let Some(record) = record else { return Ok(false) };
    if record.owner != enrolment.member || record.org != practitioner.msp {
        return Ok(false);
    }
    let groups = lookup::groups_of(context, &plan.clerk, &record.owner)?;
    let (id, msp) = (plan.clerk.clone(), plan.insurer.clone());
    let reader = Reader { id, role: Role::Insurer, msp, groups };
    // Read, so that a withdrawal that is ordered first makes the claim invalid.
    lookup::epoch(context, &record.owner)?;
    let grants = lookup::grants_for(context, &record.owner, &reader)?;
    let (owner, facts, now) = (&record.owner, Facts::from(&record), context.now());
    let (verb, purpose) = (Verb::Read, Purpose::Payment);
    let question = Question { reader: &reader, owner, record: &facts, verb, purpose, now };
    Ok(decide(&question, &grants).decision == Decision::Permit)
}

fn check_authorisations(
    context: &mut Context<'_>,
    ids: &[Id],
    enrolment: &Enrolment,
    provider: &Subject,
) -> Result<(), ContractError> {
    if ids.len() > AUTHORISATIONS_MAX {
        let reason = "a claim refers to at most 20 authorisations";
        return Err(codes::VALUE.because(reason).at("/authorisations"));
    }
    for id in ids {
        let found: Option<Authorisation> = context.get(&keys::authorisation(id))?;
        let fits = |a: &Authorisation| a.enrolment == enrolment.id && a.provider == provider.msp;
        if !found.as_ref().is_some_and(fits) {
            let reason = "no such authorisation of the provider for this member";
            return Err(error::ABSENT.because(reason).at("/authorisations"));
        }
    }
    Ok(())
}

/// Writes a mark for each service; one that another claim has written makes this claim a duplicate.
fn mark_services(
    context: &mut Context<'_>,
    claim: &Id,
    enrolment: &Enrolment,
    provider: &Subject,
    lines: &ClaimLines,
) -> Result<(), ContractError> {
    lines.check()?;
    if lines.from < enrolment.from || lines.until > enrolment.until {
        return Err(error::STATE.because("the member is not covered on all days of service"));
    }
    let secret: MemberSecret = opening::open(context, "member", Kind::Member, &enrolment.secret)?;
    let marks = marks(&secret, provider, lines);
    if marks.len() < lines.lines.len() {
        let reason = "a service stands on two lines: give it as several units";
        return Err(codes::VALUE.because(reason).at("/claim/lines"));
    }
    for mark in marks {
        let key = keys::once(&mark);
        match context.get::<Id>(&key)? {
            Some(other) if other != *claim => {
                return Err(error::TAKEN
                    .because("a service was claimed before")
                    .at("/claim/lines"));
            }
            Some(_) => {}
            None => {
                context.put(&key, claim)?;
                policy::protect_both(context, &enrolment.insurer, &provider.msp, &[key])?;
            }
        }
    }
    Ok(())
}

fn marks(secret: &MemberSecret, provider: &Subject, lines: &ClaimLines) -> BTreeSet<Commitment> {
    let (from, until) = (lines.from, lines.until);
    let mark = |tag| opening::service_mark(secret, &provider.msp, tag, from, until);
    lines.lines.iter().map(|line| mark(&line.tag)).collect()
}
