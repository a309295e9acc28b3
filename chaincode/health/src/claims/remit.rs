//! Paying providers: many claims with one payment, so that no sum tells of a single claim.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    claims::{
        Claim, Plan,
        events::{CLAIM_PAYMENT, ThingChange},
        keys,
        opening::{self, Kind},
        outcome::Outcome,
    },
    error,
    ids::{Commitment, Id, MspId},
    model::Subject,
    person, policy,
    token::{
        Account, Amount, Currency, Movement,
        book::{Book, Money},
        receipt,
    },
    vocabulary::ClaimStatus,
};

/// Most claims of one remittance or payment plan.
pub const CLAIMS_MAX: usize = 50;

json_object! {
    /// A remittance as an insurer makes it.
    pub struct NewRemittance {
        /// Chosen by the client.
        pub id: Id,
        /// What is paid: claims of one practitioner in one currency.
        pub claims: Vec<Id>,
        /// The receipt of the payment, if the currency is none of the ledger.
        pub receipt: Option<Id>,
    }
}

json_object! {
    /// A payment of an insurer to a practitioner for claims.
    pub struct Remittance {
        /// Its id.
        pub id: Id,
        /// The insurer.
        pub insurer: MspId,
        /// Who paid.
        pub clerk: Id,
        /// Who was paid.
        pub practitioner: Id,
        /// For what.
        pub claims: Vec<Id>,
        /// In which currency.
        pub currency: Currency,
        /// How much in all.
        pub total: Amount,
        /// The receipt, for money outside the ledger.
        pub receipt: Option<Id>,
        /// When, seconds since 1970.
        pub at: i64,
    }
}

/// `Remit(remittance)`; transient `outcomes` and, for claims that were paid before, `paid`.
///
/// Of a claim that was paid before an appeal only the rest is paid; what was paid too much is not taken back here.
pub(super) fn remit(
    context: &mut Context<'_>,
    new: NewRemittance,
) -> Result<Remittance, ContractError> {
    let clerk = person::caller(context)?;
    let key = keys::remittance(&new.id);
    super::untaken(context, &key, "/remittance/id")?;
    let claims = payable(context, &clerk, &new.claims)?;
    let first = claims.first().ok_or_else(|| {
        codes::VALUE.because("a remittance is for 1 to 50 claims").at("/remittance/claims")
    })?;
    let (practitioner, provider) = (first.practitioner.clone(), first.provider.clone());
    if claims.iter().any(|claim| claim.practitioner != practitioner) {
        let reason = "a remittance is for the claims of one practitioner";
        return Err(codes::VALUE.because(reason).at("/remittance/claims"));
    }
    let currency = currency_of(context, &claims)?;
    let total = Amount(u128::from(unpaid(context, &claims)?));
    let due = receipt::Due {
        payer: &clerk.id,
        payee: &practitioner,
        currency,
        amount: total,
        purpose: &new.id,
    };
    pay(context, &due, new.receipt.as_ref(), "/remittance/receipt")?;
    for mut claim in claims {
        claim.remitted = claim.outcome.clone();
        context.put(&keys::claim(&claim.id), &claim)?;
    }
    let remittance = Remittance {
        id: new.id,
        insurer: clerk.msp.clone(),
        clerk: clerk.id,
        practitioner,
        claims: new.claims,
        currency,
        total,
        receipt: new.receipt,
        at: context.now(),
    };
    context.put(&key, &remittance)?;
    policy::protect_both(context, &clerk.msp, &provider, &[key])?;
    context.event(CLAIM_PAYMENT, &ThingChange { id: remittance.id.clone() })?;
    Ok(remittance)
}

/// Claims on the caller's insurer that are decided, not flagged, and not paid as they are decided now.
fn payable(
    context: &mut Context<'_>,
    clerk: &Subject,
    ids: &[Id],
) -> Result<Vec<Claim>, ContractError> {
    check_list(ids, "/remittance/claims")?;
    let mut claims = Vec::with_capacity(ids.len());
    for id in ids {
        let (_, claim) = super::claim_of(context, id, clerk)?;
        let refuse = |reason: &str| Err(error::STATE.because(reason).at("/remittance/claims"));
        if claim.status != ClaimStatus::Adjudicated {
            return refuse("a claim is not decided");
        }
        if !claim.flags.is_empty() {
            return refuse("a claim is flagged");
        }
        if claim.remitted == claim.outcome {
            return refuse("a claim is paid already");
        }
        claims.push(claim);
    }
    Ok(claims)
}

/// What the insurer owes for claims, less what was paid for them before.
fn unpaid(context: &mut Context<'_>, claims: &[Claim]) -> Result<u64, ContractError> {
    let decided: Vec<Commitment> = claims.iter().filter_map(|c| c.outcome.clone()).collect();
    let earlier: Vec<Commitment> = claims.iter().filter_map(|c| c.remitted.clone()).collect();
    let outcomes: Vec<Outcome> = opening::open_each(context, "outcomes", Kind::Outcome, &decided)?;
    let paid: Vec<Outcome> = opening::open_each(context, "paid", Kind::Outcome, &earlier)?;
    let mut total: u64 = 0;
    for outcome in &outcomes {
        let before = paid.iter().find(|paid| paid.claim == outcome.claim);
        let before = before.map_or(0, |paid| paid.totals.insurer);
        let rest = outcome.totals.insurer.saturating_sub(before);
        total = total.checked_add(rest).ok_or_else(too_much)?;
    }
    Ok(total)
}

/// The currency that the plans of all these claims have.
pub(super) fn currency_of(
    context: &mut Context<'_>,
    claims: &[Claim],
) -> Result<Currency, ContractError> {
    let mut found = None;
    for claim in claims {
        let plan: Option<Plan> = context.get(&keys::plan(&claim.plan))?;
        let plan = plan.ok_or_else(|| error::ABSENT.because("no such plan"))?;
        if found.replace(plan.terms.currency).is_some_and(|c| c != plan.terms.currency) {
            return Err(codes::VALUE.because("the claims are in several currencies"));
        }
    }
    found.ok_or_else(|| codes::VALUE.because("no claims"))
}

/// Moves money of the ledger, or takes the receipt of other money; answers when it was paid, seconds since 1970.
pub(super) fn pay(
    context: &mut Context<'_>,
    due: &receipt::Due<'_>,
    receipt: Option<&Id>,
    at: &str,
) -> Result<i64, ContractError> {
    if due.amount == Amount::ZERO && receipt.is_none() {
        return Ok(context.now());
    }
    if !due.currency.is_on_ledger() {
        let missing = || codes::VALUE.because("money outside the ledger needs a receipt").at(at);
        return Ok(receipt::spend(context, receipt.ok_or_else(missing)?, due)?.receipt.paid);
    }
    if receipt.is_some() {
        return Err(codes::VALUE.because("money of the ledger has no receipt").at(at));
    }
    due.currency.check_transferable()?;
    let money = Money { currency: due.currency, amount: due.amount };
    let (from, to) = (Account::Person(due.payer.clone()), Account::Person(due.payee.clone()));
    let mut book = Book::new();
    book.transfer(context, &from, &to, money, Movement::Transfer)?;
    book.write(context)?;
    Ok(context.now())
}

/// Refuses lists that are too long or name something twice.
pub(super) fn check_list(ids: &[Id], at: &str) -> Result<(), ContractError> {
    let mut sorted: Vec<&Id> = ids.iter().collect();
    sorted.sort();
    sorted.dedup();
    if ids.len() > CLAIMS_MAX || sorted.len() < ids.len() {
        let reason = "at most 50 claims, each once";
        return Err(codes::VALUE.because(reason).at(at));
    }
    Ok(())
}

pub(super) fn too_much() -> ContractError {
    codes::VALUE.because("the amounts add up to more than can be counted")
}
