//! Settling: a provider is paid for each epoch in which it proved an object.

use carecord_chaincode::{Context, ContractError};

use crate::{
    error,
    events::{QUOTA_CHANGED, QuotaChange},
    ids::Id,
    person,
    storage::{
        model::{Proven, Quota},
        quota::{self, GRACE_EPOCHS},
        store,
    },
    token::{Account, Amount, book::Book},
};

/// `Settle(objectId, epoch)`: by the provider, once for each epoch, after it is over; also for a copy it has no more.
pub(super) fn settle(
    context: &mut Context<'_>,
    id: Id,
    epoch: u64,
) -> Result<Amount, ContractError> {
    let provider = person::caller(context)?;
    let key = store::proven(&id, &provider.id, epoch);
    let absent =
        || error::ABSENT.because("the caller passed no challenge of such an object in the epoch");
    let proven: Option<Proven> = context.get(&key)?;
    let proven = proven.ok_or_else(absent)?;
    if proven.paid {
        return Err(error::STATE.because("the epoch is paid"));
    }
    let mut quota = quota::find(context, &proven.quota)?.ok_or_else(absent)?;
    check_time(&quota, epoch, store::epoch(context.now()))?;
    let cost = proven.cost;
    let short = || error::FUNDS.because("the quota's deposit is used up");
    quota.paid = quota.paid.plus(cost).filter(|paid| *paid <= quota.deposit).ok_or_else(short)?;
    let mut book = Book::new();
    let to = Account::Person(provider.id);
    book.pay(context, &quota::escrow(&quota.id), &to, quota::care(cost))?;
    book.write(context)?;
    context.put(&key, &Proven { paid: true, ..proven })?;
    quota::save(context, &quota)?;
    context.event(QUOTA_CHANGED, &QuotaChange { quota: quota.id.clone() })?;
    Ok(cost)
}

fn check_time(quota: &Quota, epoch: u64, now: u64) -> Result<(), ContractError> {
    let over = epoch < now;
    let covered = epoch < quota.until && !quota.closed && now < quota.until + GRACE_EPOCHS;
    if over && covered {
        return Ok(());
    }
    Err(error::STATE.because("the epoch is not over, or not covered by the quota"))
}
