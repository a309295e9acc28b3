//! Running a frozen batch: solved here, or solved elsewhere and proven here; and the proof for everyone.

use std::collections::BTreeMap;

use carecord_chaincode::{
    ARGUMENT_BYTES_MAX, Argument, Context, ContractError, Schema, codes, json_object, parse_json,
    serde_json,
};

use crate::{
    appointments::{
        facts, freeze,
        matching::{
            Batch, Demand, Fairness, SIDE_MAX, SOLVE_MAX, Solution, Supply, Weights, assign,
            fairness, score, verify,
        },
        model::{BatchHead, BatchResult, Handed, Pool},
        outcome::{self, Origin},
        price::Price,
        request, slots, store,
        words::{RequestStatus, SlotStatus},
    },
    error,
    events::{BATCH_RUN, BatchChange},
    ids::Id,
    person,
};

json_object! {
    /// One part of a frozen batch, from which anyone can repeat the matching.
    pub struct BatchPart {
        /// Requests, by id.
        pub demands: Vec<Demand>,
        /// Slots, by id.
        pub supplies: Vec<Supply>,
    }
}

json_object! {
    /// What a proof shows.
    pub struct Proven {
        /// The total weight, which no other matching exceeds.
        pub total: Price,
        /// How fair it is.
        pub fairness: Fairness,
    }
}

/// `RunMatching(batchId)`: solves a batch of up to [`SOLVE_MAX`] on a side.
pub(super) fn run(context: &mut Context<'_>, id: Id) -> Result<BatchResult, ContractError> {
    let head = runnable(context, &id)?;
    if head.requests.max(head.slots) as usize > SOLVE_MAX {
        let reason =
            "the batch is too large for the ledger: solve it elsewhere and hand in the proof";
        return Err(error::LIMIT.because(reason));
    }
    let batch = freeze::read(context, &head)?;
    let solution = assign(&batch);
    let total = total(&Weights::of(&batch), &solution);
    apply(context, &head, &batch, &solution, total, true)
}

/// The slots, or the prices, of a matching as one argument.
#[derive(Debug)]
pub(super) struct List<T>(Vec<T>);

impl<T: Schema> Schema for List<T> {
    fn schema() -> serde_json::Value {
        Vec::<T>::schema()
    }
}

impl<T: Schema + serde::de::DeserializeOwned> Argument for List<T> {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        parse_json(raw, name).map(Self)
    }
}

// A price of a full batch has at most 25 digits, in quotes and with a comma.
const _: () = assert!(SIDE_MAX * 28 + 2 <= ARGUMENT_BYTES_MAX);

/// `SubmitMatching(batchId, slots, prices)`: takes a matching that its prices prove.
pub(super) fn submit(
    context: &mut Context<'_>,
    id: Id,
    slots: List<Option<u32>>,
    prices: List<Price>,
) -> Result<BatchResult, ContractError> {
    let head = runnable(context, &id)?;
    let batch = freeze::read(context, &head)?;
    let solution = solution(&Handed { slots: slots.0, prices: prices.0 });
    let total = verify(&Weights::of(&batch), &solution)
        .map_err(|e| error::PROOF.because(e.to_string()).at("/prices"))?;
    apply(context, &head, &batch, &solution, total, false)
}

/// `VerifyMatching(batchId)`: checks the proof of a batch that was run against what was frozen.
pub(super) fn verify_stored(context: &mut Context<'_>, id: Id) -> Result<Proven, ContractError> {
    let head = freeze::head(context, &id)?;
    let result = stored_result(context, &id)?;
    let batch = freeze::read(context, &head)?;
    let solution = solution(&result.proof);
    let total =
        verify(&Weights::of(&batch), &solution).map_err(|e| error::PROOF.because(e.to_string()))?;
    let fairness = fairness(&batch, &solution.slots, head.at);
    Ok(Proven { total: price(total), fairness })
}

/// `GetBatch(batchId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<BatchHead, ContractError> {
    freeze::head(context, &id)
}

/// `GetBatchPart(batchId, part)`: requests and slots of a frozen batch, 250 of each at a time, from part 0.
pub(super) fn part(
    context: &mut Context<'_>,
    id: Id,
    part: u32,
) -> Result<BatchPart, ContractError> {
    freeze::head(context, &id)?;
    let demands: Option<Vec<Demand>> = context.get(&store::demands(&id, part))?;
    let supplies: Option<Vec<Supply>> = context.get(&store::supplies(&id, part))?;
    if demands.is_none() && supplies.is_none() {
        return Err(codes::VALUE.because("the batch has fewer parts").at("/part"));
    }
    let (demands, supplies) = (demands.unwrap_or_default(), supplies.unwrap_or_default());
    Ok(BatchPart { demands, supplies })
}

/// `GetResult(batchId)`.
pub(super) fn stored_result(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<BatchResult, ContractError> {
    let result = context.get(&store::result(id))?;
    result.ok_or_else(|| error::ABSENT.because("the batch has no result").at("/batchId"))
}

/// A batch that can be run now, by an administrator of any organisation: what comes out does not depend on who asks.
fn runnable(context: &mut Context<'_>, id: &Id) -> Result<BatchHead, ContractError> {
    person::admin_org(context)?;
    let head = freeze::head(context, id)?;
    if context.bytes(&store::result(id))?.is_some() {
        return Err(error::STATE.because("the batch is run already"));
    }
    if context.now() >= head.at + freeze::BATCH_SECONDS {
        return Err(error::STATE.because("the batch is too old: freeze a new one"));
    }
    Ok(head)
}

fn solution(handed: &Handed) -> Solution {
    let prices = handed.prices.iter().map(|price| price.get()).collect();
    Solution { slots: handed.slots.clone(), prices }
}

/// A solver's answer in the form in which it is handed in and stored.
pub fn handed(solution: &Solution) -> Handed {
    let prices = solution.prices.iter().map(|&number| price(number)).collect();
    Handed { slots: solution.slots.clone(), prices }
}

fn price(number: i128) -> Price {
    Price::new(number).expect("prices and totals of a batch stay below 120 bits")
}

fn total(weights: &Weights, solution: &Solution) -> i128 {
    let slots = solution.slots.iter().enumerate();
    slots.filter_map(|(row, slot)| slot.map(|slot| weights.at(row, slot as usize))).sum()
}

/// Turns the pairs of a matching into matches, as far as both are still there.
fn apply(
    context: &mut Context<'_>,
    head: &BatchHead,
    batch: &Batch,
    solution: &Solution,
    total: i128,
    solved_here: bool,
) -> Result<BatchResult, ContractError> {
    let mut loads = BTreeMap::new();
    let (mut lapsed, mut pairs) = (Vec::new(), 0);
    for (demand, slot) in batch.demands().iter().zip(&solution.slots) {
        let Some(slot) = *slot else { continue };
        let supply = &batch.supplies()[slot as usize];
        if pair(context, head, demand, supply, &mut loads)? {
            pairs += 1;
        } else {
            lapsed.push(demand.id.clone());
        }
    }
    for ((practitioner, day), minutes) in loads {
        context.put(&store::load(&practitioner, day), &minutes)?;
    }
    let result = BatchResult {
        proof: handed(solution),
        total: price(total),
        solved_here,
        lapsed,
        fairness: fairness(batch, &solution.slots, head.at),
        at: context.now(),
    };
    context.put(&store::result(&head.id), &result)?;
    let pool = store::pool(head.family);
    let current: Option<Pool> = context.get(&pool)?;
    if let Some(current) = current.filter(|pool| pool.batch == head.id) {
        context.put(&pool, &Pool { run: true, ..current })?;
    }
    context.event(BATCH_RUN, &BatchChange { batch: head.id.clone(), pairs })?;
    Ok(result)
}

/// Makes one match; answers whether request, slot and the practitioner's day still allow it.
fn pair(
    context: &mut Context<'_>,
    head: &BatchHead,
    demand: &Demand,
    supply: &Supply,
    loads: &mut BTreeMap<(Id, i64), u32>,
) -> Result<bool, ContractError> {
    let request = request::find(context, &demand.id)?.filter(|r| r.status == RequestStatus::Open);
    let slot = slots::find(context, &supply.id)?.filter(|s| s.status == SlotStatus::Open);
    let (Some(request), Some(slot)) = (request, slot) else { return Ok(false) };
    let Some(practice) = facts::practice(context, &slot.practitioner)? else { return Ok(false) };
    // Terms, rate or specialties may have changed since: what was frozen decides who gets what, not whether it still can be.
    let now = facts::demand(&request, demand.seen.clone(), head.at);
    let Some(points) = score(&now, &facts::supply(&slot, &practice, 0)) else { return Ok(false) };
    let day = (slot.practitioner.clone(), store::day(slot.start));
    let before = match loads.get(&day) {
        Some(minutes) => *minutes,
        None => outcome::load(context, &day.0, day.1)?,
    };
    let after = before.saturating_add(outcome::minutes(slot.start, slot.end));
    if slot.start <= context.now() || after > practice.profile.daily_cap {
        return Ok(false);
    }
    loads.insert(day, after);
    let origin = Origin::Batch(head.id.clone());
    outcome::bring_together(context, request, slot, &practice.profile, points, origin)?;
    Ok(true)
}
