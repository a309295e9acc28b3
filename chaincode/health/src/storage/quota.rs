//! Quotas: bought for some epochs, out of which providers are paid.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    error,
    events::{QUOTA_CHANGED, QuotaChange},
    ids::Id,
    person, policy,
    storage::{
        model::{NewQuota, Quota},
        store,
    },
    token::{
        Account, Amount, Currency, Purpose,
        book::{Book, Money},
    },
};

/// Largest quota, bytes: a tebibyte.
pub(super) const BYTES_MAX: u64 = 1 << 40;
/// Longest quota, epochs.
const EPOCHS_MAX: u32 = 3660;
/// How many epochs after its end a quota's last proofs can still be paid; then the rest goes back.
pub const GRACE_EPOCHS: u64 = 7;

/// Where a quota's money lies.
pub(super) fn escrow(id: &Id) -> Account {
    Account::escrow(Purpose::Storage, id)
}

pub(super) fn care(amount: Amount) -> Money {
    Money { currency: Currency::Care, amount }
}

/// `BuyQuota(quota)`.
pub(super) fn buy(context: &mut Context<'_>, new: NewQuota) -> Result<Quota, ContractError> {
    let owner = person::caller(context)?;
    let refuse = |reason: &str, at: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("/quota/{at}")))
    };
    if !(1..=BYTES_MAX).contains(&new.bytes) {
        return refuse("a quota has 1 byte to a tebibyte", "bytes");
    }
    if !(1..=EPOCHS_MAX).contains(&new.epochs) {
        return refuse("a quota lasts 1 to 3,660 epochs", "epochs");
    }
    if new.deposit == Amount::ZERO {
        return refuse("a quota needs a deposit", "deposit");
    }
    if find(context, &new.id)?.is_some() {
        return Err(error::TAKEN.because("the quota id is taken").at("/quota/id"));
    }
    let quota = Quota {
        owner: owner.id.clone(),
        bytes: new.bytes,
        used: 0,
        until: store::epoch(context.now()) + u64::from(new.epochs),
        deposit: new.deposit,
        committed: Amount::ZERO,
        paid: Amount::ZERO,
        closed: false,
        id: new.id,
    };
    let mut book = Book::new();
    let from = Account::Person(owner.id);
    book.hold(context, &from, &escrow(&quota.id), care(quota.deposit))?;
    book.write(context)?;
    save(context, &quota)?;
    policy::protect(context, &owner.msp, &[store::quota(&quota.id)])?;
    context.event(QUOTA_CHANGED, &QuotaChange { quota: quota.id.clone() })?;
    Ok(quota)
}

/// `CloseQuota(quotaId)`: gives the rest back, once nothing can be paid out of it any more.
pub(super) fn close(context: &mut Context<'_>, id: Id) -> Result<Quota, ContractError> {
    let owner = person::caller(context)?;
    let mut quota = own(context, &owner.id, &id)?;
    if quota.closed {
        return Err(error::STATE.because("the quota is closed"));
    }
    if store::epoch(context.now()) < quota.until + GRACE_EPOCHS {
        return Err(error::STATE.because("the quota's last epochs can still be paid"));
    }
    let rest = quota.deposit.minus(quota.paid).unwrap_or(Amount::ZERO);
    let mut book = Book::new();
    book.refund(context, &escrow(&id), &Account::Person(owner.id), care(rest))?;
    book.write(context)?;
    quota.closed = true;
    save(context, &quota)?;
    context.event(QUOTA_CHANGED, &QuotaChange { quota: id })?;
    Ok(quota)
}

/// `GetQuota(quotaId)`: to its owner.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Quota, ContractError> {
    let owner = person::caller(context)?;
    own(context, &owner.id, &id)
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Quota>, ContractError> {
    context.get(&store::quota(id))
}

/// A quota of the caller.
pub(super) fn own(context: &mut Context<'_>, owner: &Id, id: &Id) -> Result<Quota, ContractError> {
    let found = find(context, id)?.filter(|quota| quota.owner == *owner);
    found.ok_or_else(|| error::ABSENT.because("no such quota of the caller"))
}

pub(super) fn save(context: &mut Context<'_>, quota: &Quota) -> Result<(), ContractError> {
    context.put(&store::quota(&quota.id), quota)
}

/// What `cost` for an epoch comes to from this epoch on until the quota ends.
pub(super) fn to_the_end(quota: &Quota, cost: Amount, from: u64) -> Result<Amount, ContractError> {
    let epochs = quota.until.saturating_sub(from);
    cost.times(epochs).ok_or_else(|| codes::VALUE.because("the costs do not fit into 128 bits"))
}

/// Promises money of a quota to providers; refused if there is not enough.
pub(super) fn commit(quota: &mut Quota, amount: Amount) -> Result<(), ContractError> {
    let after = quota.committed.plus(amount).filter(|after| *after <= quota.deposit);
    let short = || error::FUNDS.because("the quota's deposit does not cover the copies to its end");
    quota.committed = after.ok_or_else(short)?;
    Ok(())
}

/// Takes a promise back.
pub(super) fn free(quota: &mut Quota, amount: Amount) {
    quota.committed = quota.committed.minus(amount).unwrap_or(quota.paid);
}
