//! Payment plans: what a patient owes an insurer, paid in instalments.
//!
//! The insurer has advanced the patient's part of claims, or asks for premiums; it proposes a plan, the patient accepts.
//! The instalments add up to principal and fee exactly. One that is paid after its days of grace costs the late fee as well,
//! whether somebody has marked it or not. After three late ones the insurer may ask for the whole rest.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    claims::{
        Claim,
        events::{CLAIM_PAYMENT, ThingChange},
        instalments::{INSTALMENTS_MAX, Instalment, in_default, instalments, is_late, owed},
        keys, lists,
        opening::{self, Kind},
        outcome::Outcome,
        remit::{check_list, currency_of, pay, too_much},
        terms::AMOUNT_MAX,
    },
    error,
    ids::{Commitment, Id, MspId},
    model::Subject,
    page::{self, Page},
    person, policy, store,
    token::{Amount, Currency, receipt},
    vocabulary::{ClaimStatus, PlanStatus},
};

/// Longest grace, and longest interval between two instalments, in days.
pub const DAYS_MAX: u32 = 366;

json_object! {
    /// A payment plan as an insurer proposes it; amounts in minor units.
    pub struct NewPaymentPlan {
        /// Chosen by the client.
        pub id: Id,
        /// Who is to pay.
        pub patient: Id,
        /// The claims whose patient's part the principal is; empty for anything else.
        pub claims: Vec<Id>,
        /// In which currency.
        pub currency: Currency,
        /// What is owed.
        pub principal: u64,
        /// What the plan costs beside it.
        pub fee: u64,
        /// What each late instalment costs beside its amount.
        pub late_fee: u64,
        /// How many days after its day an instalment is not late yet, at least 1.
        pub grace_days: u32,
        /// When the first is due, seconds since 1970.
        pub first_due: i64,
        /// Days between two instalments.
        pub interval_days: u32,
        /// How many instalments.
        pub count: u32,
    }
}

json_object! {
    /// A payment plan.
    pub struct PaymentPlan {
        /// As proposed.
        pub terms: NewPaymentPlan,
        /// The insurer.
        pub insurer: MspId,
        /// Who proposed it, and is paid.
        pub creditor: Id,
        /// How far it has come.
        pub status: PlanStatus,
        /// In the order in which they are due.
        pub instalments: Vec<Instalment>,
    }
}

json_object! {
    /// The payment of one instalment.
    pub struct Payment {
        /// The plan.
        pub plan: Id,
        /// Which instalment, from 1.
        pub number: u32,
        /// How much is paid, the late fee included.
        pub amount: u64,
        /// The receipt, for money outside the ledger.
        pub receipt: Option<Id>,
    }
}

/// `CreatePlan(plan)`; transient `outcomes` of its claims.
pub(super) fn create(
    context: &mut Context<'_>,
    new: NewPaymentPlan,
) -> Result<PaymentPlan, ContractError> {
    let creditor = person::caller(context)?;
    let absent = || error::ABSENT.because("no such patient").at("/plan/patient");
    let patient = person::patient(context, &new.patient)?.ok_or_else(absent)?;
    let instalments = check(context.now(), &new)?;
    let key = keys::payment_plan(&new.id);
    super::untaken(context, &key, "/plan/id")?;
    bill(context, &creditor, &new)?;
    let plan = PaymentPlan {
        terms: new,
        insurer: creditor.msp.clone(),
        creditor: creditor.id,
        status: PlanStatus::Proposed,
        instalments,
    };
    let id = &plan.terms.id;
    context.put(&key, &plan)?;
    policy::protect(context, &patient.msp, &[key])?;
    context.put_bytes(&keys::payment_plan_of_patient(&patient.id, id), store::MARK)?;
    context.put_bytes(&keys::payment_plan_of_insurer(&creditor.msp, id), store::MARK)?;
    announce(context, id)?;
    Ok(plan)
}

fn check(now: i64, new: &NewPaymentPlan) -> Result<Vec<Instalment>, ContractError> {
    let refuse =
        |reason: &str, field: &str| Err(codes::VALUE.because(reason).at(format!("/plan/{field}")));
    if new.principal == 0 || [new.principal, new.fee, new.late_fee].iter().any(|a| *a > AMOUNT_MAX)
    {
        return refuse("nothing is owed, or an amount is too large", "principal");
    }
    if !(1..=INSTALMENTS_MAX).contains(&new.count) {
        return refuse("a plan has 1 to 120 instalments", "count");
    }
    let days = 1..=DAYS_MAX;
    if !days.contains(&new.grace_days) || !days.contains(&new.interval_days) {
        return refuse("grace and interval have 1 to 366 days", "graceDays");
    }
    if new.first_due <= now {
        return refuse("the first instalment is due in the future", "firstDue");
    }
    if new.currency == Currency::Credit {
        return refuse("credits are not given to others", "currency");
    }
    let total = new.principal + new.fee;
    instalments(total, new.count, new.first_due, new.interval_days).ok_or_else(too_much)
}

/// Notes on the claims that the patient's part of them is in a plan; it has to be what the plan asks for.
fn bill(
    context: &mut Context<'_>,
    creditor: &Subject,
    new: &NewPaymentPlan,
) -> Result<(), ContractError> {
    if new.claims.is_empty() {
        return Ok(());
    }
    check_list(&new.claims, "/plan/claims")?;
    let mut claims: Vec<Claim> = Vec::with_capacity(new.claims.len());
    for id in &new.claims {
        let (_, claim) = super::claim_of(context, id, creditor)?;
        let decided = claim.status == ClaimStatus::Adjudicated;
        if claim.patient != new.patient || !decided || claim.billed.is_some() {
            let reason = "a claim is not the patient's, not decided, or in another plan";
            return Err(error::STATE.because(reason).at("/plan/claims"));
        }
        claims.push(claim);
    }
    if currency_of(context, &claims)? != new.currency {
        return Err(codes::VALUE
            .because("the claims are in another currency")
            .at("/plan/currency"));
    }
    let decided: Vec<Commitment> = claims.iter().filter_map(|c| c.outcome.clone()).collect();
    let outcomes: Vec<Outcome> = opening::open_each(context, "outcomes", Kind::Outcome, &decided)?;
    let owed = outcomes.iter().try_fold(0u64, |sum, o| sum.checked_add(o.totals.patient));
    if owed != Some(new.principal) {
        let reason = "the principal is not the patient's part of the claims";
        return Err(codes::VALUE.because(reason).at("/plan/principal"));
    }
    for mut claim in claims {
        claim.billed = claim.outcome.clone();
        context.put(&keys::claim(&claim.id), &claim)?;
    }
    Ok(())
}

/// `AcceptPlan(planId)`.
pub(super) fn accept(context: &mut Context<'_>, id: Id) -> Result<PaymentPlan, ContractError> {
    let (key, mut plan) = proposed_to_caller(context, &id)?;
    plan.status = PlanStatus::Active;
    context.put(&key, &plan)?;
    announce(context, &id)?;
    Ok(plan)
}

/// `DeclinePlan(planId)`: the claims can then be put into another one.
pub(super) fn decline(context: &mut Context<'_>, id: Id) -> Result<PaymentPlan, ContractError> {
    let (key, mut plan) = proposed_to_caller(context, &id)?;
    plan.status = PlanStatus::Declined;
    for id in &plan.terms.claims {
        let key = keys::claim(id);
        if let Some(mut claim) = context.get::<Claim>(&key)? {
            claim.billed = None;
            context.put(&key, &claim)?;
        }
    }
    context.put(&key, &plan)?;
    announce(context, &id)?;
    Ok(plan)
}

fn proposed_to_caller(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<(String, PaymentPlan), ContractError> {
    let patient = person::caller(context)?;
    let key = keys::payment_plan(id);
    let found: Option<PaymentPlan> = context.get(&key)?;
    let found = found.filter(|plan| plan.terms.patient == patient.id);
    let plan = found.ok_or_else(|| error::ABSENT.because("no such plan of the caller"))?;
    if plan.status != PlanStatus::Proposed {
        return Err(error::STATE.because("the plan is not waiting for an answer"));
    }
    Ok((key, plan))
}

/// `PayInstallment(payment)`: the next one, exactly, once.
pub(super) fn pay_installment(
    context: &mut Context<'_>,
    payment: Payment,
) -> Result<PaymentPlan, ContractError> {
    let patient = person::caller(context)?;
    let key = keys::payment_plan(&payment.plan);
    let found: Option<PaymentPlan> = context.get(&key)?;
    let found = found.filter(|plan| plan.terms.patient == patient.id);
    let mut plan = found.ok_or_else(|| error::ABSENT.because("no such plan of the caller"))?;
    if !matches!(plan.status, PlanStatus::Active | PlanStatus::Defaulted) {
        return Err(error::STATE.because("nothing is due under the plan"));
    }
    let next = plan.instalments.iter().position(|i| i.paid.is_none());
    let next = next.ok_or_else(|| error::STATE.because("all is paid"))?;
    if u32::try_from(next + 1).ok() != Some(payment.number) {
        let reason = format!("instalment {} is the next to be paid", next + 1);
        return Err(error::STATE.because(reason).at("/payment/number"));
    }
    let due = receipt::Due {
        payer: &patient.id,
        payee: &plan.creditor,
        currency: plan.terms.currency,
        amount: Amount(u128::from(payment.amount)),
        purpose: &payment.plan,
    };
    let paid = pay(context, &due, payment.receipt.as_ref(), "/payment/receipt")?;
    let instalment = &mut plan.instalments[next];
    // A receipt says when it was paid, signed by both sides; without one a mark stands.
    let marked = payment.receipt.is_none() && instalment.late;
    instalment.late = marked || is_late(instalment, plan.terms.grace_days, paid);
    let owed = owed(instalment, instalment.late, plan.terms.late_fee).ok_or_else(too_much)?;
    if payment.amount != owed {
        let reason = format!("{owed} are to be paid for this instalment now");
        return Err(codes::VALUE.because(reason).at("/payment/amount"));
    }
    instalment.paid = Some(paid);
    if plan.instalments.iter().all(|i| i.paid.is_some()) {
        plan.status = PlanStatus::Paid;
    }
    context.put(&key, &plan)?;
    announce(context, &payment.plan)?;
    Ok(plan)
}

/// `MarkLate(planId, number)`.
pub(super) fn mark_late(
    context: &mut Context<'_>,
    id: Id,
    number: u32,
) -> Result<PaymentPlan, ContractError> {
    let (key, mut plan) = running_of_caller(context, &id)?;
    let (now, grace) = (context.now(), plan.terms.grace_days);
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let found = at.and_then(|at| plan.instalments.get_mut(at));
    let instalment =
        found.ok_or_else(|| codes::VALUE.because("no instalment of this number").at("/number"))?;
    if instalment.paid.is_some() || instalment.late || !is_late(instalment, grace, now) {
        return Err(error::STATE.because("the instalment is paid, marked, or still in time"));
    }
    instalment.late = true;
    context.put(&key, &plan)?;
    announce(context, &id)?;
    Ok(plan)
}

/// `Default(planId)`: the whole rest is due now.
pub(super) fn default(context: &mut Context<'_>, id: Id) -> Result<PaymentPlan, ContractError> {
    let (key, mut plan) = running_of_caller(context, &id)?;
    if plan.status == PlanStatus::Defaulted || !in_default(&plan.instalments) {
        return Err(error::STATE.because("fewer than three instalments are late"));
    }
    plan.status = PlanStatus::Defaulted;
    let now = context.now();
    for instalment in plan.instalments.iter_mut().filter(|i| i.paid.is_none()) {
        instalment.due = instalment.due.min(now);
    }
    context.put(&key, &plan)?;
    announce(context, &id)?;
    Ok(plan)
}

fn running_of_caller(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<(String, PaymentPlan), ContractError> {
    let clerk = person::caller(context)?;
    let key = keys::payment_plan(id);
    let found: Option<PaymentPlan> = context.get(&key)?;
    let found = found.filter(|plan| plan.insurer == clerk.msp);
    let plan =
        found.ok_or_else(|| error::ABSENT.because("no such plan of the caller's insurer"))?;
    if !matches!(plan.status, PlanStatus::Active | PlanStatus::Defaulted) {
        return Err(error::STATE.because("nothing is due under the plan"));
    }
    Ok((key, plan))
}

/// `PaymentPlan(planId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<PaymentPlan, ContractError> {
    let caller = person::caller(context)?;
    let found: Option<PaymentPlan> = context.get(&keys::payment_plan(&id))?;
    let found = found.filter(|p| p.terms.patient == caller.id || p.insurer == caller.msp);
    found.ok_or_else(|| error::ABSENT.because("no such plan of the caller"))
}

/// `PaymentPlans(after, limit)`.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<PaymentPlan>, ContractError> {
    let caller = person::caller(context)?;
    let limit = page::limit(limit)?;
    let (kind, whose) = lists::side(&caller);
    let listed = page::index(context, keys::PAYMENT_PLAN_OF, &[kind, &whose], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for id in listed.items.iter().filter_map(|a| Id::new(a.first()?.as_str())) {
        items.extend(context.get::<PaymentPlan>(&keys::payment_plan(&id))?);
    }
    Ok(Page { items, next: listed.next })
}

fn announce(context: &mut Context<'_>, id: &Id) -> Result<(), ContractError> {
    context.event(CLAIM_PAYMENT, &ThingChange { id: id.clone() })
}
