//! The double-entry book of one transaction: the one way in which money moves, for this contract and all others.
//!
//! A transaction reads only what was committed before it, so two movements that each read the same account would
//! overwrite each other. A contract therefore opens one [`Book`] per transaction, moves money in it as often as it
//! likes, and writes it once at the end:
//!
//! ```text
//! let mut book = Book::new();
//! book.hold(context, &patient, &Account::escrow(Purpose::Channel, &id), Money { currency, amount })?;
//! book.pay(context, &escrow, &Account::Person(doctor), money)?;
//! book.write(context)?;
//! ```
//!
//! Who may move what is the calling contract's matter; that nothing is created, lost or overdrawn is the book's. Credits
//! are written as rows of their own, which nobody reads, so any number of them fit into one block. A debit reads the
//! settled row, and folds waiting credits in if that row is short.

use std::collections::BTreeMap;

use carecord_chaincode::{Context, ContractError};

use super::{
    Account, Amount, Currency, Movement,
    account::{self, FOLD_MAX, Row, overflow},
    line::Line,
    statement::{self, Entry},
};
use crate::{error, ids::MspId};

/// Some amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    /// Of which currency.
    pub(crate) currency: Currency,
    /// How much.
    pub(crate) amount: Amount,
}

/// What one transaction does to all accounts it touches.
#[must_use = "nothing moves before the book is written"]
#[derive(Default)]
pub(crate) struct Book {
    lines: BTreeMap<(Account, Currency), Line>,
    entries: Vec<Entry>,
}

// === impl Book ===

impl Book {
    /// An empty book.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Tells the home of an account's owner, so that the owner's registration is not read for it.
    ///
    /// What is not read cannot conflict: a contract that must not be held up by somebody who keeps changing their own
    /// registration has noted the home before.
    pub(crate) fn home_is(&mut self, owner: &Account, currency: Currency, home: &MspId) {
        self.line(owner, currency).home.get_or_insert_with(|| home.clone());
    }

    /// Moves money into an escrow.
    pub(crate) fn hold(
        &mut self,
        context: &mut Context<'_>,
        from: &Account,
        escrow: &Account,
        money: Money,
    ) -> Result<(), ContractError> {
        self.transfer(context, from, escrow, money, Movement::Hold)
    }

    /// Pays out of an escrow to whom it was meant for.
    pub(crate) fn pay(
        &mut self,
        context: &mut Context<'_>,
        escrow: &Account,
        to: &Account,
        money: Money,
    ) -> Result<(), ContractError> {
        self.transfer(context, escrow, to, money, Movement::Payout)
    }

    /// Gives money in an escrow back to whose it was.
    pub(crate) fn refund(
        &mut self,
        context: &mut Context<'_>,
        escrow: &Account,
        to: &Account,
        money: Money,
    ) -> Result<(), ContractError> {
        self.transfer(context, escrow, to, money, Movement::Refund)
    }

    /// Moves money from one account to another; nothing at all moves nothing and leaves no trace.
    pub(crate) fn transfer(
        &mut self,
        context: &mut Context<'_>,
        from: &Account,
        to: &Account,
        money: Money,
        movement: Movement,
    ) -> Result<(), ContractError> {
        if money.amount == Amount::ZERO {
            return Ok(());
        }
        self.debit(context, from, money)?;
        let home = self.line(from, money.currency).home.clone();
        self.credit(context, to, money, home)?;
        self.note(context, from, to, money, movement);
        Ok(())
    }

    /// Brings new money into an account; the caller has raised the supply.
    pub(super) fn mint(
        &mut self,
        context: &mut Context<'_>,
        to: &Account,
        money: Money,
    ) -> Result<(), ContractError> {
        self.credit(context, to, money, None)?;
        self.note(context, to, to, money, Movement::Mint);
        Ok(())
    }

    /// Brings what waits in an escrow together, before more is put in.
    ///
    /// A debit folds [`FOLD_MAX`] credits at most, and nobody compacts an escrow: one that is filled many times has to be
    /// gathered each time, or its money could not be taken out any more.
    pub(crate) fn gather(
        &mut self,
        context: &mut Context<'_>,
        escrow: &Account,
        currency: Currency,
    ) -> Result<(), ContractError> {
        let rows = account::incoming(context, escrow, currency, FOLD_MAX)?;
        self.fold(context, escrow, currency, rows)
    }

    /// Folds these waiting credits into the settled row; each is read by its key, so no later credit conflicts.
    pub(super) fn fold(
        &mut self,
        context: &mut Context<'_>,
        account: &Account,
        currency: Currency,
        rows: Vec<(String, Row)>,
    ) -> Result<(), ContractError> {
        self.open(context, account, currency)?;
        self.line(account, currency).fold(rows)
    }

    /// Writes everything; the book is spent.
    pub(crate) fn write(self, context: &mut Context<'_>) -> Result<(), ContractError> {
        for ((account, currency), line) in self.lines {
            line.write(context, &account, currency)?;
        }
        statement::write(context, &self.entries)
    }

    fn debit(
        &mut self,
        context: &mut Context<'_>,
        from: &Account,
        money: Money,
    ) -> Result<(), ContractError> {
        self.open(context, from, money.currency)?;
        let line = self.line(from, money.currency);
        if line.holds()? < money.amount && line.folded.is_none() {
            let rows = account::incoming(context, from, money.currency, FOLD_MAX)?;
            line.fold(rows)?;
        }
        if line.holds()? < money.amount {
            return Err(error::FUNDS.because("the account holds less than the amount"));
        }
        line.debits = line.debits.plus(money.amount).ok_or_else(overflow)?;
        Ok(())
    }

    fn credit(
        &mut self,
        context: &mut Context<'_>,
        to: &Account,
        money: Money,
        payer_home: Option<MspId>,
    ) -> Result<(), ContractError> {
        let home = match self.line(to, money.currency).home.clone() {
            Some(home) => Some(home),
            None => to.home(context)?.or(payer_home),
        };
        let line = self.line(to, money.currency);
        line.home = home;
        line.credits = line.credits.plus(money.amount).ok_or_else(overflow)?;
        Ok(())
    }

    /// Reads the settled row, once.
    fn open(
        &mut self,
        context: &mut Context<'_>,
        account: &Account,
        currency: Currency,
    ) -> Result<(), ContractError> {
        if self.line(account, currency).settled.is_some() {
            return Ok(());
        }
        let row = account::settled(context, account, currency)?;
        let home = match &row.home {
            Some(home) => Some(home.clone()),
            None => account.home(context)?,
        };
        let line = self.line(account, currency);
        line.existed = row.home.is_some();
        line.settled = Some(row.amount);
        line.home = home.or_else(|| line.home.take());
        Ok(())
    }

    fn line(&mut self, account: &Account, currency: Currency) -> &mut Line {
        self.lines.entry((account.clone(), currency)).or_default()
    }

    fn note(
        &mut self,
        context: &Context<'_>,
        from: &Account,
        to: &Account,
        money: Money,
        movement: Movement,
    ) {
        self.entries.push(Entry {
            movement,
            from: (movement != Movement::Mint).then(|| from.text()),
            to: to.text(),
            currency: money.currency,
            amount: money.amount,
            at: context.now(),
            tx: context.tx_id().to_owned(),
        });
    }
}
