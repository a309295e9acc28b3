//! Plans, members, and what is asked before a service is given.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    claims::{
        Authorisation, Enrolment, Plan, calendar,
        events::{CLAIM_PLAN_CHANGED, ThingChange},
        keys,
        terms::Terms,
    },
    error,
    ids::{Commitment, Id, MspId},
    model::Org,
    person, policy, store,
    vocabulary::{Decision, OrgKind},
};

/// Most organisations in a plan's network.
pub const NETWORK_MAX: usize = 1_000;

json_object! {
    /// A plan as an insurer registers it.
    pub struct NewPlan {
        /// Chosen by the client.
        pub id: Id,
        /// What everybody sees.
        pub terms: Terms,
        /// The commitment to the schedule.
        pub schedule: Commitment,
        /// The organisations whose providers are in the network, sorted.
        pub network: Vec<MspId>,
    }
}

json_object! {
    /// A member as an insurer enrols them.
    pub struct NewEnrolment {
        /// Chosen by the client.
        pub id: Id,
        /// The plan.
        pub plan: Id,
        /// The patient.
        pub member: Id,
        /// The commitment to the member's secret.
        pub secret: Commitment,
        /// The first day that is covered, days since 1970.
        pub from: i64,
        /// The last day that is covered.
        pub until: i64,
    }
}

json_object! {
    /// What a provider asks to be authorised.
    pub struct NewAuthorisation {
        /// Chosen by the client.
        pub id: Id,
        /// For which member.
        pub enrolment: Id,
        /// The commitment to the service.
        pub service: Commitment,
    }
}

json_object! {
    /// Whether a provider's services to a member are covered today.
    pub struct Eligibility {
        /// Whether today is a covered day.
        pub covered: bool,
        /// Whether the caller's organisation is in the network.
        pub in_network: bool,
        /// The plan.
        pub plan: Id,
        /// The commitment to its schedule.
        pub schedule: Commitment,
    }
}

/// `RegisterPlan(plan)`.
pub(super) fn register(context: &mut Context<'_>, new: NewPlan) -> Result<Plan, ContractError> {
    let clerk = person::caller(context)?;
    new.terms.check()?;
    if new.network.len() > NETWORK_MAX || !new.network.windows(2).all(|pair| pair[0] < pair[1]) {
        let reason = "a network has at most 1000 organisations, sorted, each once";
        return Err(codes::VALUE.because(reason).at("/plan/network"));
    }
    for msp in &new.network {
        let org: Option<Org> = context.get(&store::org(msp))?;
        if org.is_none_or(|org| org.kind != OrgKind::Hospital) {
            let reason = "an organisation of the network is no registered hospital";
            return Err(error::ABSENT.because(reason).at("/plan/network"));
        }
    }
    let key = keys::plan(&new.id);
    super::untaken(context, &key, "/plan/id")?;
    let NewPlan { id, terms, schedule, network } = new;
    let plan = Plan {
        id,
        insurer: clerk.msp.clone(),
        clerk: clerk.id,
        terms,
        schedule,
        network,
        registered: context.now(),
    };
    context.put(&key, &plan)?;
    policy::protect(context, &clerk.msp, &[key])?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id: plan.id.clone() })?;
    Ok(plan)
}

/// `Enroll(enrolment)`: nothing is told of the member by it, and nothing is claimed without their consent.
pub(super) fn enroll(
    context: &mut Context<'_>,
    new: NewEnrolment,
) -> Result<Enrolment, ContractError> {
    let clerk = person::caller(context)?;
    let absent =
        || error::ABSENT.because("no such plan of the caller's insurer, or no such patient");
    let plan: Plan = context.get(&keys::plan(&new.plan))?.ok_or_else(absent)?;
    if plan.insurer != clerk.msp {
        return Err(absent());
    }
    person::patient(context, &new.member)?.ok_or_else(absent)?;
    if new.until < new.from || new.from < calendar::DAY_MIN || new.until > calendar::DAY_MAX {
        let reason = "the cover ends before it begins, or is not from 1900 to 9999";
        return Err(codes::VALUE.because(reason).at("/enrolment/until"));
    }
    let key = keys::enrolment(&new.id);
    super::untaken(context, &key, "/enrolment/id")?;
    let NewEnrolment { id, plan, member, secret, from, until } = new;
    let (insurer, registered) = (clerk.msp.clone(), context.now());
    let enrolment = Enrolment { id, plan, insurer, member, secret, from, until, registered };
    context.put(&key, &enrolment)?;
    policy::protect(context, &clerk.msp, &[key])?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id: enrolment.id.clone() })?;
    Ok(enrolment)
}

/// `CheckEligibility(enrolmentId)`: the id is random, and known to whom member or insurer gave it.
pub(super) fn check_eligibility(
    context: &mut Context<'_>,
    id: Id,
) -> Result<Eligibility, ContractError> {
    let caller = person::caller(context)?;
    let absent = || error::ABSENT.because("no such enrolment");
    let enrolment: Enrolment = context.get(&keys::enrolment(&id))?.ok_or_else(absent)?;
    let plan: Plan = context.get(&keys::plan(&enrolment.plan))?.ok_or_else(absent)?;
    let today = calendar::day(context.now());
    Ok(Eligibility {
        covered: (enrolment.from..=enrolment.until).contains(&today),
        in_network: plan.network.contains(&caller.msp),
        plan: plan.id,
        schedule: plan.schedule,
    })
}

/// `PriorAuth(authorisation)`.
pub(super) fn prior_auth(
    context: &mut Context<'_>,
    new: NewAuthorisation,
) -> Result<Authorisation, ContractError> {
    let practitioner = person::caller(context)?;
    let absent = || error::ABSENT.because("no such enrolment");
    let enrolment: Enrolment = context.get(&keys::enrolment(&new.enrolment))?.ok_or_else(absent)?;
    let key = keys::authorisation(&new.id);
    super::untaken(context, &key, "/authorisation/id")?;
    let authorisation = Authorisation {
        id: new.id,
        enrolment: new.enrolment,
        insurer: enrolment.insurer.clone(),
        provider: practitioner.msp.clone(),
        practitioner: practitioner.id,
        service: new.service,
        decision: None,
        until: None,
        asked: context.now(),
    };
    context.put(&key, &authorisation)?;
    policy::protect_both(context, &enrolment.insurer, &practitioner.msp, &[key])?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id: authorisation.id.clone() })?;
    Ok(authorisation)
}

/// `DecidePriorAuth(authorisationId, decision, until)`.
pub(super) fn decide_prior_auth(
    context: &mut Context<'_>,
    id: Id,
    decision: Decision,
    until: i64,
) -> Result<Authorisation, ContractError> {
    let clerk = person::caller(context)?;
    let absent = || error::ABSENT.because("no such authorisation");
    let key = keys::authorisation(&id);
    let mut authorisation: Authorisation = context.get(&key)?.ok_or_else(absent)?;
    if authorisation.insurer != clerk.msp {
        return Err(absent());
    }
    if authorisation.decision.is_some() {
        return Err(error::STATE.because("the authorisation is decided already"));
    }
    if until > calendar::DAY_MAX {
        return Err(codes::VALUE.because("the day lies after the year 9999").at("/until"));
    }
    authorisation.until = (decision == Decision::Permit).then_some(until);
    authorisation.decision = Some(decision);
    context.put(&key, &authorisation)?;
    context.event(CLAIM_PLAN_CHANGED, &ThingChange { id })?;
    Ok(authorisation)
}
