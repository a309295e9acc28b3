//! Confirming: the patient is bound, and their deposit is in, in one transaction or not at all.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    appointments::{
        answer,
        matching::Pay,
        model::{Deposit, Match, Request},
        outcome::{self, Party},
        request,
        words::MatchStatus,
    },
    channels::{self, NewChannel},
    error,
    ids::Id,
    person,
    token::{Amount, Currency, book::Book},
};

/// How long after its slot a visit's channel can be closed.
pub const SETTLE_SECONDS: i64 = 48 * 3600;

/// `Confirm(matchId, deposit)`: opens the channel out of which the visit is paid.
///
/// The deposit covers at least the visit that was asked for at the practitioner's price. A visit that an insurer pays needs
/// none, and then no channel is opened.
pub(super) fn confirm(
    context: &mut Context<'_>,
    id: Id,
    deposit: Deposit,
) -> Result<Match, ContractError> {
    let (mut found, party) = outcome::of_caller(context, &id)?;
    if party != Party::Patient {
        return Err(error::ABSENT.because("no such match of the caller as patient"));
    }
    outcome::expect(&found, &[MatchStatus::Accepted])?;
    if context.now() >= found.start {
        return Err(error::STATE.because("the slot has begun"));
    }
    let gone = || error::STATE.because("the request of the match is gone");
    let request = request::find(context, &found.request)?.ok_or_else(gone)?;
    check(&found, &request, deposit.amount)?;
    if deposit.amount > Amount::ZERO {
        let payer = person::caller(context)?;
        let mut book = Book::new();
        let new = channel_of(&found, deposit);
        let channel = channels::open_for(context, &mut book, &payer, new)?;
        book.write(context)?;
        found.channel = Some(channel.id);
    }
    answer::set(context, found, MatchStatus::Confirmed)
}

fn check(found: &Match, request: &Request, amount: Amount) -> Result<(), ContractError> {
    let insured = matches!(request.terms.pay, Pay::Insurance { .. });
    let least = Amount(u128::from(found.rate)).times(u64::from(request.terms.minutes));
    let enough = least.is_some_and(|least| amount >= least);
    if enough || (insured && amount == Amount::ZERO) {
        return Ok(());
    }
    let reason = "the deposit is less than the visit that was asked for costs";
    Err(codes::VALUE.because(reason).at("/deposit/amount"))
}

fn channel_of(found: &Match, deposit: Deposit) -> NewChannel {
    NewChannel {
        payee: found.practitioner.clone(),
        mode: deposit.mode,
        currency: Currency::Care,
        rate: Amount(u128::from(found.rate)),
        deposit_payer: deposit.amount,
        deposit_payee: deposit.payee_amount.unwrap_or(Amount::ZERO),
        penalty_bps: None,
        window_seconds: None,
        window_blocks: None,
        expires: found.end.saturating_add(SETTLE_SECONDS),
        appointment: Some(found.id.clone()),
    }
}
