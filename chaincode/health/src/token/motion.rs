//! What needs the administrators of two organisations: the rules of the token, and new money.
//!
//! The first call records what is moved; the same call by an administrator of another organisation carries it out. Two
//! different organisations are never both the beneficiary's, so one of them always is not.

use carecord_chaincode::{Argument, Context, ContractError, codes, json_object};
use sha2::{Digest, Sha256};

use super::{
    Account, Amount, Currency,
    book::{Book, Money},
    keys,
};
use crate::{
    error,
    events::{TOKEN_CHANGED, TokenChange},
    ids::{Commitment, Id, MspId},
    person, policy,
};

/// How long a motion waits for its second organisation: 7 days.
pub const MOTION_SECONDS_MAX: i64 = 7 * 24 * 3600;
/// Organisations that must agree.
const APPROVALS: usize = 2;

json_object! {
    /// The rules of the token, fixed once for a channel.
    pub struct NewSettings {
        /// Of the motion; chosen by the client.
        pub id: Id,
        /// 128 random bits that tell this network from all others of the same channel name; payment channels sign them.
        pub network: Id,
        /// The most CARE that is ever issued.
        pub care_cap: Amount,
        /// The most CREDIT that is ever issued.
        pub credit_cap: Amount,
    }
}

json_object! {
    /// The rules of the token.
    pub struct Settings {
        /// See [`NewSettings::network`].
        pub network: Id,
        /// The most CARE that is ever issued.
        pub care_cap: Amount,
        /// The most CREDIT that is ever issued.
        pub credit_cap: Amount,
    }
}

json_object! {
    /// New money for one person.
    pub struct NewMoney {
        /// Of the motion; chosen by the client.
        pub id: Id,
        /// Who gets it.
        pub to: Id,
        /// Which currency.
        pub currency: Currency,
        /// How much.
        pub amount: Amount,
    }
}

json_object! {
    /// How far a motion has come.
    pub struct Motion {
        /// Its id.
        pub id: Id,
        /// SHA-256 of what is moved.
        pub content: Commitment,
        /// The organisations whose administrators agreed.
        pub approvals: Vec<MspId>,
        /// When the first one did, seconds since 1970.
        pub moved: i64,
        /// Whether it was carried out.
        pub done: bool,
    }
}

/// `Init(settings)`.
pub(super) fn init(context: &mut Context<'_>, new: NewSettings) -> Result<Motion, ContractError> {
    if find(context)?.is_some() {
        return Err(error::STATE.because("the token is set up already"));
    }
    let motion = approve(context, &new.id, &new)?;
    if motion.done {
        let NewSettings { network, care_cap, credit_cap, .. } = new;
        let key = keys::settings();
        context.put(&key, &Settings { network, care_cap, credit_cap })?;
        protect(context, &motion, key)?;
    }
    Ok(motion)
}

/// `Mint(mint)`.
pub(super) fn mint(context: &mut Context<'_>, new: NewMoney) -> Result<Motion, ContractError> {
    person::admin_org(context)?;
    new.currency.check_on_ledger("/mint/currency")?;
    if new.amount == Amount::ZERO {
        return Err(codes::VALUE.because("nothing is to be issued").at("/mint/amount"));
    }
    let settings = settings(context)?;
    let motion = approve(context, &new.id, &new)?;
    if motion.done {
        issue(context, &settings, &new, &motion)?;
    }
    Ok(motion)
}

fn issue(
    context: &mut Context<'_>,
    settings: &Settings,
    new: &NewMoney,
    motion: &Motion,
) -> Result<(), ContractError> {
    let key = keys::supply(new.currency);
    let before: Option<Amount> = context.get(&key)?;
    let cap = match new.currency {
        Currency::Credit => settings.credit_cap,
        _ => settings.care_cap,
    };
    let issued = before.unwrap_or_default().plus(new.amount).filter(|sum| *sum <= cap);
    let issued = issued.ok_or_else(|| error::LIMIT.because("more than the cap would be issued"))?;
    context.put(&key, &issued)?;
    if before.is_none() {
        protect(context, motion, key)?;
    }
    let mut book = Book::new();
    let money = Money { currency: new.currency, amount: new.amount };
    book.mint(context, &Account::Person(new.to.clone()), money)?;
    book.write(context)
}

/// The rules of the token, once two organisations have set them.
pub(crate) fn settings(context: &mut Context<'_>) -> Result<Settings, ContractError> {
    find(context)?.ok_or_else(|| error::STATE.because("two organisations call token:Init first"))
}

fn find(context: &mut Context<'_>) -> Result<Option<Settings>, ContractError> {
    context.get(&keys::settings())
}

/// Records the calling administrator's agreement; the motion is done with the second organisation's.
fn approve<T: Argument + serde::Serialize>(
    context: &mut Context<'_>,
    id: &Id,
    content: &T,
) -> Result<Motion, ContractError> {
    let org = person::admin_org(context)?.msp;
    let content = digest(content)?;
    let key = keys::motion(id);
    let mut motion = match context.get::<Motion>(&key)? {
        Some(motion) => motion,
        None => {
            let moved = context.now();
            Motion {
                id: id.clone(),
                content: content.clone(),
                approvals: vec![],
                moved,
                done: false,
            }
        }
    };
    if motion.content != content {
        return Err(error::TAKEN.because("another motion has this id"));
    }
    let late = context.now() - motion.moved > MOTION_SECONDS_MAX;
    if motion.done || late || motion.approvals.contains(&org) {
        let reason = "the motion is done, too old, or has this organisation's agreement already";
        return Err(error::STATE.because(reason));
    }
    motion.approvals.push(org);
    motion.done = motion.approvals.len() >= APPROVALS;
    context.put(&key, &motion)?;
    protect(context, &motion, key)?;
    context.event(TOKEN_CHANGED, &TokenChange { motion: Some(id.clone()), done: motion.done })?;
    Ok(motion)
}

/// Puts a key under the first agreeing organisation and one other.
fn protect(context: &mut Context<'_>, motion: &Motion, key: String) -> Result<(), ContractError> {
    policy::protect(context, &motion.approvals[0], &[key])
}

fn digest(content: &impl serde::Serialize) -> Result<Commitment, ContractError> {
    let json = serde_json::to_vec(content).map_err(|e| codes::FAILED.because(e.to_string()))?;
    Ok(Commitment::new(hex::encode(Sha256::digest(json))).expect("32 bytes are 64 hex digits"))
}
