//! What holders do with their own money.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Account, Amount, Currency, Movement,
    account::{self, FOLD_MAX},
    book::{Book, Money},
    keys,
};
use crate::{
    error,
    events::{TOKEN_CHANGED, TokenChange},
    ids::Id,
    model::Subject,
    person, policy,
    vocabulary::Role,
};

json_object! {
    /// What lies in an account.
    pub struct Balance {
        /// Which currency.
        pub currency: Currency,
        /// How much, waiting credits included.
        pub amount: Amount,
    }
}

json_object! {
    /// One credit that is not folded yet.
    pub struct Waiting {
        /// The transaction that made it.
        pub tx: String,
        /// How much.
        pub amount: Amount,
    }
}

json_object! {
    /// What an owner lets somebody else take.
    pub struct NewAllowance {
        /// Who may take it.
        pub spender: Id,
        /// Which currency.
        pub currency: Currency,
        /// How much is allowed now, as the owner believes; otherwise the call is refused, so that nobody spends twice.
        pub expected: Amount,
        /// How much is allowed from now on.
        pub amount: Amount,
    }
}

json_object! {
    /// A transfer out of somebody else's account.
    pub struct TransferFrom {
        /// Whose money.
        pub from: Id,
        /// Who gets it.
        pub to: Id,
        /// Which currency.
        pub currency: Currency,
        /// How much.
        pub amount: Amount,
    }
}

json_object! {
    /// Which waiting credits to fold.
    pub struct Fold {
        /// Which currency.
        pub currency: Currency,
        /// The transactions that made them, as `Incoming` tells.
        pub transactions: Vec<String>,
    }
}

/// `Transfer(to, currency, amount)`.
pub(super) fn transfer(
    context: &mut Context<'_>,
    to: Id,
    currency: Currency,
    amount: Amount,
) -> Result<(), ContractError> {
    let owner = person::caller(context)?;
    currency.check_transferable()?;
    check_amount(amount, "/amount")?;
    give(context, &owner.id, &to, Money { currency, amount })
}

/// `TransferFrom(transfer)`.
pub(super) fn transfer_from(
    context: &mut Context<'_>,
    transfer: TransferFrom,
) -> Result<(), ContractError> {
    let spender = person::caller(context)?;
    let TransferFrom { from, to, currency, amount } = transfer;
    currency.check_transferable()?;
    check_amount(amount, "/transfer/amount")?;
    let key = keys::allowance(&from, &spender.id, currency);
    let allowed: Option<Amount> = context.get(&key)?;
    let absent = || error::ABSENT.because("no such owner, or nothing that the caller may take");
    let left = allowed
        .ok_or_else(absent)?
        .minus(amount)
        .ok_or_else(|| error::FUNDS.because("the owner allows less than the amount"))?;
    let owner = person::find(context, &from)?.filter(|owner| owner.active);
    owner.ok_or_else(absent)?;
    context.put(&key, &left)?;
    give(context, &from, &to, Money { currency, amount })
}

fn give(context: &mut Context<'_>, from: &Id, to: &Id, money: Money) -> Result<(), ContractError> {
    if from == to {
        return Err(codes::VALUE.because("a transfer goes to somebody else").at("/to"));
    }
    holder(context, to)?;
    let (from, to) = (Account::Person(from.clone()), Account::Person(to.clone()));
    let mut book = Book::new();
    book.transfer(context, &from, &to, money, Movement::Transfer)?;
    book.write(context)?;
    changed(context)
}

/// `Burn(currency, amount)`.
pub(super) fn burn(
    context: &mut Context<'_>,
    currency: Currency,
    amount: Amount,
) -> Result<(), ContractError> {
    let owner = person::caller(context)?;
    currency.check_on_ledger("/currency")?;
    check_amount(amount, "/amount")?;
    let mut book = Book::new();
    let money = Money { currency, amount };
    book.transfer(context, &Account::Person(owner.id), &Account::Burnt, money, Movement::Burn)?;
    book.write(context)?;
    changed(context)
}

/// `Approve(allowance)`.
pub(super) fn approve(context: &mut Context<'_>, new: NewAllowance) -> Result<(), ContractError> {
    let owner = person::caller(context)?;
    new.currency.check_transferable()?;
    if new.spender == owner.id {
        return Err(codes::VALUE.because("the spender is somebody else").at("/allowance/spender"));
    }
    holder(context, &new.spender)?;
    let key = keys::allowance(&owner.id, &new.spender, new.currency);
    let now: Option<Amount> = context.get(&key)?;
    if now.unwrap_or_default() != new.expected {
        return Err(error::STATE.because("another amount is allowed now"));
    }
    context.put(&key, &new.amount)?;
    policy::protect(context, &owner.msp, &[key])?;
    changed(context)
}

/// `Compact(fold)`.
pub(super) fn compact(context: &mut Context<'_>, fold: Fold) -> Result<(), ContractError> {
    let owner = person::caller(context)?;
    fold_into(context, &Account::Person(owner.id), &fold)
}

/// `CompactBurnt(fold)`.
pub(super) fn compact_burnt(context: &mut Context<'_>, fold: Fold) -> Result<(), ContractError> {
    person::admin_org(context)?;
    fold_into(context, &Account::Burnt, &fold)
}

/// `Burnt(currency, limit)`.
pub(super) fn burnt(
    context: &mut Context<'_>,
    currency: Currency,
    limit: u32,
) -> Result<Vec<Waiting>, ContractError> {
    waiting(context, &Account::Burnt, currency, limit)
}

fn fold_into(
    context: &mut Context<'_>,
    account: &Account,
    fold: &Fold,
) -> Result<(), ContractError> {
    fold.currency.check_on_ledger("/fold/currency")?;
    if fold.transactions.is_empty() || fold.transactions.len() > FOLD_MAX {
        let reason = format!("between 1 and {FOLD_MAX} credits are folded at once");
        return Err(codes::VALUE.because(reason).at("/fold/transactions"));
    }
    let mut rows = std::collections::BTreeMap::new();
    for (place, tx) in fold.transactions.iter().enumerate() {
        let at = || format!("/fold/transactions/{place}");
        if tx.len() != 64 || !tx.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(codes::VALUE.because("expected a transaction id").at(at()));
        }
        let key = keys::incoming(account, fold.currency, tx);
        let row = context.get(&key)?;
        let row = row.ok_or_else(|| error::ABSENT.because("no such waiting credit").at(at()))?;
        rows.insert(key, row);
    }
    let mut book = Book::new();
    book.fold(context, account, fold.currency, rows.into_iter().collect())?;
    book.write(context)?;
    changed(context)
}

/// `Incoming(currency, limit)`.
pub(super) fn incoming(
    context: &mut Context<'_>,
    currency: Currency,
    limit: u32,
) -> Result<Vec<Waiting>, ContractError> {
    let owner = person::caller(context)?;
    waiting(context, &Account::Person(owner.id), currency, limit)
}

fn waiting(
    context: &mut Context<'_>,
    account: &Account,
    currency: Currency,
    limit: u32,
) -> Result<Vec<Waiting>, ContractError> {
    currency.check_on_ledger("/currency")?;
    let limit = crate::page::limit(limit)?;
    let rows = account::incoming(context, account, currency, limit)?;
    let mut waiting = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let (_, attributes) = carecord_chaincode::key::split(&key)?;
        let tx = attributes.last().copied().unwrap_or_default().to_owned();
        waiting.push(Waiting { tx, amount: row.amount });
    }
    Ok(waiting)
}

/// `BalanceOf(subjectId, currency)`.
pub(super) fn balance_of(
    context: &mut Context<'_>,
    id: Id,
    currency: Currency,
) -> Result<Balance, ContractError> {
    let caller = person::caller(context)?;
    currency.check_on_ledger("/currency")?;
    let absent = || error::ABSENT.because("no such account, or none that the caller may see");
    let owner = person::find(context, &id)?.ok_or_else(absent)?;
    let audits = caller.role == Role::Auditor && caller.msp == owner.msp;
    if owner.id != caller.id && !audits {
        return Err(absent());
    }
    let amount = account::total(context, &Account::Person(id), currency)?;
    Ok(Balance { currency, amount })
}

/// `TotalSupply(currency)`.
pub(super) fn total_supply(
    context: &mut Context<'_>,
    currency: Currency,
) -> Result<Balance, ContractError> {
    currency.check_on_ledger("/currency")?;
    let issued: Option<Amount> = context.get(&keys::supply(currency))?;
    let burnt = account::total(context, &Account::Burnt, currency)?;
    let left = issued.unwrap_or_default().minus(burnt);
    let amount = left.ok_or_else(|| codes::FAILED.because("more was burnt than issued"))?;
    Ok(Balance { currency, amount })
}

/// A registered, active person who can have an account.
pub(crate) fn holder(context: &mut Context<'_>, id: &Id) -> Result<Subject, ContractError> {
    let found = person::find(context, id)?.filter(|s| s.active && s.role != Role::Auditor);
    found.ok_or_else(|| error::ABSENT.because("no such person"))
}

pub(super) fn check_amount(amount: Amount, at: &str) -> Result<(), ContractError> {
    if amount == Amount::ZERO {
        return Err(codes::VALUE.because("an amount of nothing").at(at));
    }
    Ok(())
}

fn changed(context: &mut Context<'_>) -> Result<(), ContractError> {
    context.event(TOKEN_CHANGED, &TokenChange { motion: None, done: true })
}
