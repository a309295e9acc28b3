//! Freezing a batch: everything that matching will look at, written down before anybody can solve it.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    appointments::{
        facts::{self, Known},
        matching::{Batch, Demand, SIDE_MAX, Supply},
        model::{BatchHead, Pool},
        request, slots, store,
        words::{RequestStatus, SlotStatus, Specialty},
    },
    error,
    events::{BATCH_FROZEN, BatchChange},
    ids::Id,
    person,
};

/// How long a frozen batch can be run; after that the pool is free for the next one.
pub const BATCH_SECONDS: i64 = 3600;
/// How far before its own time a batch may stop taking requests, so that new ones do not get in its way.
pub const LATE_SECONDS_MAX: i64 = 120;

/// `FreezeBatch(batchId, specialty, before)`: the requests made before a moment, oldest first, and the slots to come.
pub(super) fn freeze(
    context: &mut Context<'_>,
    id: Id,
    family: Specialty,
    before: i64,
) -> Result<BatchHead, ContractError> {
    let org = person::admin_org(context)?.msp;
    let at = context.now();
    if family.family() != family {
        let reason = "a pool is named by the specialty that covers the others";
        return Err(codes::VALUE.because(reason).at("/specialty"));
    }
    if before > at || before < at - LATE_SECONDS_MAX {
        let reason = "the moment lies within the two minutes before the transaction";
        return Err(codes::VALUE.because(reason).at("/before"));
    }
    if context.bytes(&store::batch(&id))?.is_some() {
        return Err(error::TAKEN.because("the batch id is taken").at("/batchId"));
    }
    check_pool(context, family, at)?;
    let demands = demands(context, family, before, at)?;
    let supplies = supplies(context, family, at)?;
    let batch = Batch::new(demands, supplies);
    let head = BatchHead {
        id: id.clone(),
        family,
        at,
        org,
        requests: count(batch.demands().len()),
        slots: count(batch.supplies().len()),
    };
    write(context, &head, &batch)?;
    context.put(&store::pool(family), &Pool { batch: id.clone(), at, run: false })?;
    let change = BatchChange { batch: id, pairs: 0 };
    context.event(BATCH_FROZEN, &change)?;
    Ok(head)
}

pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a side has at most 2,000")
}

/// One batch of a pool at a time: nobody freezes until a result pleases them.
fn check_pool(context: &mut Context<'_>, family: Specialty, at: i64) -> Result<(), ContractError> {
    let pool: Option<Pool> = context.get(&store::pool(family))?;
    match pool {
        Some(pool) if !pool.run && at < pool.at + BATCH_SECONDS => {
            Err(error::STATE.because("a batch of this pool is frozen and not run yet"))
        }
        _ => Ok(()),
    }
}

fn demands(
    context: &mut Context<'_>,
    family: Specialty,
    before: i64,
    at: i64,
) -> Result<Vec<Demand>, ContractError> {
    let span = (0, before.saturating_add(1));
    let mut demands = Vec::new();
    for id in store::ids_between(context, "apwait", family.as_str(), span, SIDE_MAX)? {
        let Some(request) = request::find(context, &id)? else { continue };
        if request.status == RequestStatus::Open {
            let seen = facts::seen(context, &request.patient)?;
            demands.push(facts::demand(&request, seen, at));
        }
    }
    Ok(demands)
}

fn supplies(
    context: &mut Context<'_>,
    family: Specialty,
    at: i64,
) -> Result<Vec<Supply>, ContractError> {
    let span = (at.saturating_add(1), i64::MAX);
    let mut known = Known::default();
    let mut supplies = Vec::new();
    for id in store::ids_between(context, "apfree", family.as_str(), span, SIDE_MAX)? {
        let Some(slot) = slots::find(context, &id)? else { continue };
        if slot.status == SlotStatus::Open {
            supplies.extend(known.admit(context, &slot)?);
        }
    }
    Ok(supplies)
}

fn write(context: &mut Context<'_>, head: &BatchHead, batch: &Batch) -> Result<(), ContractError> {
    context.put(&store::batch(&head.id), head)?;
    for (part, demands) in batch.demands().chunks(store::PART).enumerate() {
        context.put(&store::demands(&head.id, count(part)), &demands)?;
    }
    for (part, supplies) in batch.supplies().chunks(store::PART).enumerate() {
        context.put(&store::supplies(&head.id, count(part)), &supplies)?;
    }
    Ok(())
}

/// The head of a batch.
pub(super) fn head(context: &mut Context<'_>, id: &Id) -> Result<BatchHead, ContractError> {
    let head = context.get(&store::batch(id))?;
    head.ok_or_else(|| error::ABSENT.because("no such batch").at("/batchId"))
}

/// A frozen batch as it was written.
pub(super) fn read(context: &mut Context<'_>, head: &BatchHead) -> Result<Batch, ContractError> {
    let (mut demands, mut supplies) = (Vec::new(), Vec::new());
    for part in 0..head.requests.div_ceil(count(store::PART)) {
        let read: Option<Vec<Demand>> = context.get(&store::demands(&head.id, part))?;
        demands.extend(read.unwrap_or_default());
    }
    for part in 0..head.slots.div_ceil(count(store::PART)) {
        let read: Option<Vec<Supply>> = context.get(&store::supplies(&head.id, part))?;
        supplies.extend(read.unwrap_or_default());
    }
    Ok(Batch::new(demands, supplies))
}
