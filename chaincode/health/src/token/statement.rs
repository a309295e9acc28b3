//! What happened on an account: one entry per movement and side, never changed afterwards.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{Account, Amount, Currency, Movement, keys};
use crate::{
    page::{self, Page},
    person,
};

json_object! {
    /// One movement of money.
    pub struct Entry {
        /// What kind of movement.
        pub movement: Movement,
        /// Out of which account: `p:` and a person's id, or `e:` and what an escrow is for; absent for new money.
        pub from: Option<String>,
        /// Into which account; `burnt` for what was destroyed.
        pub to: String,
        /// Of which currency.
        pub currency: Currency,
        /// How much.
        pub amount: Amount,
        /// The time of the transaction, seconds since 1970.
        pub at: i64,
        /// The transaction.
        pub tx: String,
    }
}

/// `Statement(currency, after, limit)`.
pub(super) fn statement(
    context: &mut Context<'_>,
    currency: Currency,
    after: String,
    limit: u32,
) -> Result<Page<Entry>, ContractError> {
    let owner = person::caller(context)?;
    currency.check_on_ledger("/currency")?;
    let account = Account::Person(owner.id).text();
    let prefix = [account.as_str(), currency.as_str()];
    let listed = page::index(context, keys::LOG, &prefix, &after, page::limit(limit)?)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for attributes in &listed.items {
        let rest: Vec<&str> =
            prefix.into_iter().chain(attributes.iter().map(String::as_str)).collect();
        let key = carecord_chaincode::key::composite(keys::LOG, &rest)?;
        let entry: Option<Entry> = context.get(&key)?;
        items.push(entry.ok_or_else(|| codes::FAILED.because("a listed entry is not there"))?);
    }
    Ok(Page { items, next: listed.next })
}

/// Writes the entries of one transaction under the accounts of people on either side.
pub(super) fn write(context: &mut Context<'_>, entries: &[Entry]) -> Result<(), ContractError> {
    for (number, entry) in entries.iter().enumerate() {
        let sides = [entry.from.as_ref(), Some(&entry.to)];
        let people = sides.into_iter().flatten().filter(|account| account.starts_with("p:"));
        for account in people {
            let at = context.stub().timestamp();
            let key = keys::log(account, entry.currency, at, &entry.tx, number);
            context.put(&key, entry)?;
        }
    }
    Ok(())
}
