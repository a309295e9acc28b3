//! One account in the book of one transaction: what was read of it, what comes in and goes out, and how it is written.

use carecord_chaincode::{Context, ContractError, codes};

use super::{
    Account, Amount, Currency,
    account::{Row, overflow},
    keys,
};
use crate::{ids::MspId, policy};

/// What one transaction does to one account.
#[derive(Default)]
pub(super) struct Line {
    pub(super) home: Option<MspId>,
    pub(super) settled: Option<Amount>,
    pub(super) existed: bool,
    pub(super) folded: Option<Vec<String>>,
    pub(super) waiting: Amount,
    pub(super) credits: Amount,
    pub(super) debits: Amount,
}

/// A person's rows are under their home and one other organisation, an escrow's under a majority.
fn protect(
    context: &mut Context<'_>,
    account: &Account,
    home: &MspId,
    key: String,
) -> Result<(), ContractError> {
    match account {
        Account::Escrow { .. } => policy::protect_jointly(context, &[key]),
        Account::Person(_) | Account::Burnt => policy::protect(context, home, &[key]),
    }
}

// === impl Line ===

impl Line {
    /// What may still be taken out, as far as it was read.
    pub(super) fn holds(&self) -> Result<Amount, ContractError> {
        let settled = self.settled.unwrap_or(Amount::ZERO);
        let sum = settled.plus(self.waiting).and_then(|sum| sum.plus(self.credits));
        let sum = sum.ok_or_else(overflow)?;
        Ok(sum.minus(self.debits).expect("a debit is checked against what the line holds"))
    }

    pub(super) fn fold(&mut self, rows: Vec<(String, Row)>) -> Result<(), ContractError> {
        let keys = self.folded.get_or_insert_default();
        for (key, row) in rows {
            self.waiting = self.waiting.plus(row.amount).ok_or_else(overflow)?;
            self.home.get_or_insert(row.home);
            keys.push(key);
        }
        Ok(())
    }

    pub(super) fn write(
        self,
        context: &mut Context<'_>,
        account: &Account,
        currency: Currency,
    ) -> Result<(), ContractError> {
        let amount = self.holds()?;
        if self.settled.is_none() && amount == Amount::ZERO {
            return Ok(());
        }
        let unknown = || codes::FAILED.because("an account without a home organisation");
        let home = self.home.ok_or_else(unknown)?;
        for key in self.folded.iter().flatten() {
            context.delete(key)?;
        }
        if self.settled.is_none() {
            let key = keys::incoming(account, currency, context.tx_id());
            context.put(&key, &Row { amount: self.credits, home: home.clone() })?;
            return protect(context, account, &home, key);
        }
        let key = keys::account(account, currency);
        let spent = matches!(account, Account::Escrow { .. }) && amount == Amount::ZERO;
        match (spent, self.existed) {
            (true, true) => context.delete(&key),
            (true, false) => Ok(()),
            (false, existed) => {
                context.put(&key, &Row { amount, home: home.clone() })?;
                if existed { Ok(()) } else { protect(context, account, &home, key) }
            }
        }
    }
}
