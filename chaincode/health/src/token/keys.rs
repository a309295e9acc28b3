//! Every state key of contract `token`, in one table.
//!
//! | key | value |
//! |---|---|
//! | `tokenconf` | [`super::motion::Settings`] |
//! | `supply` currency | what was ever issued, an [`super::Amount`] |
//! | `motion` id | [`super::motion::Motion`] |
//! | `acct` account, currency | [`super::account::Row`]: what debits are taken from |
//! | `acctin` account, currency, tx | [`super::account::Row`]: one credit that is not folded into `acct` yet |
//! | `acctlog` account, currency, time, tx, number | [`super::statement::Entry`] |
//! | `allow` owner, spender, currency | an [`super::Amount`] |
//! | `hold` id | [`super::hold::Hold`] |
//! | `receipt` id | [`super::receipt::Receipt`] |
//!
//! An account is the text of [`super::account::Account`]: `p:` and a person's id, `e:` with purpose, id and part of an
//! escrow, or `burnt`. No person can be registered under the latter two.

use carecord_chaincode::{Timestamp, key::composite};

use super::{Account, Currency};
use crate::ids::Id;

/// Object type of the credits that wait to be folded.
pub(super) const INCOMING: &str = "acctin";
/// Object type of statements.
pub(super) const LOG: &str = "acctlog";

fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

pub(super) fn settings() -> String {
    build("tokenconf", &[])
}

pub(super) fn supply(currency: Currency) -> String {
    build("supply", &[currency.as_str()])
}

pub(super) fn motion(id: &Id) -> String {
    build("motion", &[id.as_str()])
}

pub(super) fn account(account: &Account, currency: Currency) -> String {
    build("acct", &[&account.text(), currency.as_str()])
}

pub(super) fn incoming(account: &Account, currency: Currency, tx_id: &str) -> String {
    build(INCOMING, &[&account.text(), currency.as_str(), tx_id])
}

/// By time to the nanosecond, so that a statement stands in the order of the signers' clocks.
pub(super) fn log(
    account: &str,
    currency: Currency,
    at: Timestamp,
    tx_id: &str,
    number: usize,
) -> String {
    let seconds = crate::store::padded(u64::try_from(at.seconds).unwrap_or(0));
    let time = format!("{seconds}{:09}", at.nanos.clamp(0, 999_999_999));
    build(LOG, &[account, currency.as_str(), &time, tx_id, &format!("{number:04}")])
}

pub(super) fn allowance(owner: &Id, spender: &Id, currency: Currency) -> String {
    build("allow", &[owner.as_str(), spender.as_str(), currency.as_str()])
}

pub(super) fn hold(id: &Id) -> String {
    build("hold", &[id.as_str()])
}

pub(super) fn receipt(id: &Id) -> String {
    build("receipt", &[id.as_str()])
}
