//! Escrow between two people: the owner sets money apart for somebody, who gets it when the owner says so.
//!
//! | who | may, before `until` | may, from `until` on |
//! |---|---|---|
//! | owner | pay it to the beneficiary | pay it, or take it back |
//! | beneficiary | give it back | give it back |

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Account, Amount, Currency, Purpose,
    book::{Book, Money},
    functions::{check_amount, holder},
    keys,
};
use crate::{
    error,
    events::{TOKEN_CHANGED, TokenChange},
    ids::Id,
    person, policy,
    vocabulary::vocabulary,
};

vocabulary! {
    /// What becomes of money that was set apart.
    Release {
        /// The beneficiary gets it.
        Pay = "pay",
        /// The owner gets it back.
        Refund = "refund",
    }
}

json_object! {
    /// Money to be set apart.
    pub struct NewHold {
        /// Chosen by the client.
        pub id: Id,
        /// For whom.
        pub beneficiary: Id,
        /// Which currency.
        pub currency: Currency,
        /// How much.
        pub amount: Amount,
        /// From when on the owner may take it back, seconds since 1970.
        pub until: i64,
    }
}

json_object! {
    /// Money set apart.
    pub struct Hold {
        /// Its id.
        pub id: Id,
        /// Whose it was.
        pub owner: Id,
        /// For whom.
        pub beneficiary: Id,
        /// Which currency.
        pub currency: Currency,
        /// How much.
        pub amount: Amount,
        /// From when on the owner may take it back, seconds since 1970.
        pub until: i64,
        /// What became of it; absent while it waits.
        pub released: Option<Release>,
    }
}

/// `Hold(hold)`.
pub(super) fn hold(context: &mut Context<'_>, new: NewHold) -> Result<Hold, ContractError> {
    let owner = person::caller(context)?;
    new.currency.check_transferable()?;
    check_amount(new.amount, "/hold/amount")?;
    if new.until <= context.now() {
        return Err(codes::VALUE.because("the time is over already").at("/hold/until"));
    }
    if new.beneficiary == owner.id {
        return Err(codes::VALUE
            .because("it is set apart for somebody else")
            .at("/hold/beneficiary"));
    }
    holder(context, &new.beneficiary)?;
    let key = keys::hold(&new.id);
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the id is taken").at("/hold/id"));
    }
    let NewHold { id, beneficiary, currency, amount, until } = new;
    let hold = Hold { id, owner: owner.id, beneficiary, currency, amount, until, released: None };
    let mut book = Book::new();
    let escrow = Account::escrow(Purpose::Hold, &hold.id);
    let money = Money { currency, amount };
    book.hold(context, &Account::Person(hold.owner.clone()), &escrow, money)?;
    book.write(context)?;
    context.put(&key, &hold)?;
    policy::protect(context, &owner.msp, &[key])?;
    context.event(TOKEN_CHANGED, &TokenChange { motion: None, done: true })?;
    Ok(hold)
}

/// `ReleaseHold(holdId, release)`.
pub(super) fn release(
    context: &mut Context<'_>,
    id: Id,
    release: Release,
) -> Result<Hold, ContractError> {
    let caller = person::caller(context)?;
    let absent = || error::ABSENT.because("no such hold of the caller");
    let mut hold: Hold = context.get(&keys::hold(&id))?.ok_or_else(absent)?;
    let owns = caller.id == hold.owner;
    if !owns && caller.id != hold.beneficiary {
        return Err(absent());
    }
    if hold.released.is_some() {
        return Err(error::STATE.because("the money was released already"));
    }
    let may = match release {
        Release::Pay => owns,
        Release::Refund => !owns || context.now() >= hold.until,
    };
    if !may {
        return Err(error::STATE.because("not by this side, or not yet"));
    }
    let escrow = Account::escrow(Purpose::Hold, &id);
    let money = Money { currency: hold.currency, amount: hold.amount };
    let mut book = Book::new();
    match release {
        Release::Pay => {
            book.pay(context, &escrow, &Account::Person(hold.beneficiary.clone()), money)?;
        }
        Release::Refund => {
            book.refund(context, &escrow, &Account::Person(hold.owner.clone()), money)?;
        }
    }
    book.write(context)?;
    hold.released = Some(release);
    context.put(&keys::hold(&id), &hold)?;
    context.event(TOKEN_CHANGED, &TokenChange { motion: None, done: true })?;
    Ok(hold)
}
