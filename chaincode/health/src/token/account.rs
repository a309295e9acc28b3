//! Accounts, and how one is read: a settled row that debits are taken from, and rows of credits that wait.

use carecord_chaincode::{Context, ContractError, json_object, key::composite_bounds};

use super::{Amount, Currency, keys};
use crate::{
    error,
    ids::{Id, MspId},
    person,
};

/// Most waiting credits that a debit folds in; beyond them `Compact` has to be called first.
pub const FOLD_MAX: usize = 100;

/// Most waiting credits that are summed up for a balance.
pub const WAITING_MAX: usize = 10_000;

/// For what a contract keeps money apart.
#[allow(dead_code, reason = "the contracts that keep money apart come one after the other")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// `token:Hold`.
    Hold,
    /// A payment channel's deposits.
    Channel,
    /// An appointment's deposit outside a channel.
    Appointment,
    /// Rewards of a study.
    Research,
    /// A claim's or a payment plan's money.
    Claim,
    /// A storage quota's money.
    Storage,
}

/// Where money lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Account {
    /// A person's own.
    Person(Id),
    /// Kept apart by a contract; only code of that contract moves it.
    Escrow {
        /// By which contract.
        purpose: Purpose,
        /// The thing that it is kept for.
        id: Id,
        /// Part of that thing's money: parts can be paid out in one block without conflict.
        part: u32,
    },
    /// What was destroyed.
    Burnt,
}

json_object! {
    /// One row of an account.
    pub struct Row {
        /// What it holds.
        pub amount: Amount,
        /// The organisation whose peer must endorse changes of it, with one other.
        pub home: MspId,
    }
}

/// What an account's rows held when they were read.
pub(super) struct Settled {
    pub(super) amount: Amount,
    /// Absent if there is no settled row yet.
    pub(super) home: Option<MspId>,
}

// === impl Purpose ===

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Channel => "channel",
            Self::Appointment => "appointment",
            Self::Research => "research",
            Self::Claim => "claim",
            Self::Storage => "storage",
        }
    }
}

// === impl Account ===

impl Account {
    /// The first or only part of what is kept for a thing.
    pub(crate) fn escrow(purpose: Purpose, id: &Id) -> Self {
        Self::escrow_part(purpose, id, 0)
    }

    /// One of several parts, for things whose money is paid out to many at once.
    pub(crate) fn escrow_part(purpose: Purpose, id: &Id, part: u32) -> Self {
        Self::Escrow { purpose, id: id.clone(), part }
    }

    /// How it stands in keys and statements.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Person(id) => format!("p:{id}"),
            Self::Escrow { purpose, id, part } => format!("e:{}:{id}:{part}", purpose.word()),
            Self::Burnt => "burnt".to_owned(),
        }
    }

    /// The home organisation of a person's account; none for the others.
    pub(super) fn home(&self, context: &mut Context<'_>) -> Result<Option<MspId>, ContractError> {
        let Self::Person(id) = self else { return Ok(None) };
        let owner = person::find(context, id)?;
        let owner = owner.ok_or_else(|| error::ABSENT.because("no such person"))?;
        Ok(Some(owner.msp))
    }
}

/// The settled row.
pub(super) fn settled(
    context: &mut Context<'_>,
    account: &Account,
    currency: Currency,
) -> Result<Settled, ContractError> {
    let row: Option<Row> = context.get(&keys::account(account, currency))?;
    Ok(match row {
        Some(row) => Settled { amount: row.amount, home: Some(row.home) },
        None => Settled { amount: Amount::ZERO, home: None },
    })
}

/// Waiting credits, in the order of their keys, at most `limit`: key and row of each.
pub(super) fn incoming(
    context: &mut Context<'_>,
    account: &Account,
    currency: Currency,
    limit: usize,
) -> Result<Vec<(String, Row)>, ContractError> {
    let (start, end) = composite_bounds(keys::INCOMING, &[&account.text(), currency.as_str()])?;
    let found = context.stub().range(&start, &end, limit)?;
    let mut rows = Vec::with_capacity(found.len());
    for entry in found {
        let row: Row = serde_json::from_slice(&entry.value).map_err(|_| {
            carecord_chaincode::codes::FAILED.because("an account's row cannot be read")
        })?;
        rows.push((entry.key, row));
    }
    Ok(rows)
}

/// Everything that lies in an account, if at most [`WAITING_MAX`] credits wait.
pub(super) fn total(
    context: &mut Context<'_>,
    account: &Account,
    currency: Currency,
) -> Result<Amount, ContractError> {
    let mut sum = settled(context, account, currency)?.amount;
    let waiting = incoming(context, account, currency, WAITING_MAX + 1)?;
    if waiting.len() > WAITING_MAX {
        return Err(error::LIMIT.because("too many credits wait: fold them with Compact first"));
    }
    for (_, row) in waiting {
        sum = sum.plus(row.amount).ok_or_else(overflow)?;
    }
    Ok(sum)
}

pub(super) fn overflow() -> ContractError {
    carecord_chaincode::codes::VALUE.because("the amount does not fit into 128 bits")
}
