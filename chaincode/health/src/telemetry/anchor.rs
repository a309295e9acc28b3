//! Anchoring: each batch follows on the one before it, in number, hash and time.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    error,
    events::{BATCH_ANCHORED, BatchAnchored},
    keys, person,
    telemetry::{
        links,
        model::{Batch, Link, NewBatch, Tip},
        statement, store,
    },
};

/// Most samples of a batch.
pub const SAMPLES_MAX: u32 = 4096;
/// Longest batch, milliseconds.
pub const BATCH_MS_MAX: i64 = 60_000;
/// How much time may lie between two batches without being a gap, milliseconds.
pub const SEAM_MS: i64 = 1000;
/// How far a device's clock may run ahead of the transaction's, milliseconds.
pub const AHEAD_MS_MAX: i64 = 15 * 60 * 1000;
/// After how long a batch counts as late, milliseconds.
pub const LATE_MS: i64 = 15 * 60 * 1000;

/// `Anchor(batch)`.
pub(super) fn anchor(context: &mut Context<'_>, new: NewBatch) -> Result<(), ContractError> {
    let device = person::caller(context)?;
    let link = links::measuring(context, &device, &new.link)?;
    let now_ms = context.now().saturating_mul(1000);
    check(&new, &link, now_ms)?;
    let tip: Option<Tip> = context.get(&store::tip(&link.id))?;
    let mut tip = tip.ok_or_else(|| error::STATE.because("the link has no chain"))?;
    follows(&new, &tip)?;
    check_signature(context, &new)?;
    let late = now_ms.saturating_sub(new.to) > LATE_MS;
    tip.gaps += u64::from(new.gap.is_some());
    (tip.seq, tip.to) = (new.seq, new.to);
    tip.hash = statement::batch_hash(context.channel_id(), &new);
    context.put(&store::tip(&link.id), &tip)?;
    let event = BatchAnchored { link: link.id.clone(), seq: new.seq, gap: new.gap.is_some(), late };
    let batch = Batch { batch: new, at: context.now(), late };
    context.put(&store::batch(&link.id, tip.seq), &batch)?;
    context.event(BATCH_ANCHORED, &event)
}

/// What a batch must be by itself.
fn check(new: &NewBatch, link: &Link, now_ms: i64) -> Result<(), ContractError> {
    let refuse = |reason: &str, at: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("/batch/{at}")))
    };
    if !(1..=SAMPLES_MAX).contains(&new.samples) {
        return refuse("a batch has 1 to 4,096 samples", "samples");
    }
    if new.to <= new.from || new.to.saturating_sub(new.from) > BATCH_MS_MAX {
        return refuse("a batch lasts up to a minute", "to");
    }
    if new.from < link.from.saturating_mul(1000).saturating_sub(AHEAD_MS_MAX) {
        return refuse("the batch is older than the link", "from");
    }
    if new.to > now_ms.saturating_add(AHEAD_MS_MAX) {
        return refuse("the batch lies in the future", "to");
    }
    Ok(())
}

/// What a batch must be beside the one before it.
fn follows(new: &NewBatch, tip: &Tip) -> Result<(), ContractError> {
    let stale = |reason: &str, at: &str| {
        Err(error::STATE.because(reason.to_owned()).at(format!("/batch/{at}")))
    };
    if new.seq != tip.seq + 1 {
        return stale("the number does not follow on the last batch", "seq");
    }
    if new.prev_hash != tip.hash {
        return stale("the hash is not that of the last batch", "prevHash");
    }
    if new.from < tip.to {
        return stale("the batch begins before the last one ended", "from");
    }
    let missing = tip.seq > 0 && new.from - tip.to > SEAM_MS;
    match (missing, new.gap) {
        (true, None) => stale("time is missing before the batch: state why", "gap"),
        (false, Some(_)) => {
            Err(codes::VALUE.because("no time is missing before the batch").at("/batch/gap"))
        }
        _ => Ok(()),
    }
}

fn check_signature(context: &Context<'_>, new: &NewBatch) -> Result<(), ContractError> {
    let refuse =
        || error::PROOF.because("the device did not sign this batch").at("/batch/signature");
    let signature = keys::decode(&new.signature).ok_or_else(refuse)?;
    let statement = statement::batch(context.channel_id(), new);
    let caller = context.caller()?;
    keys::verify_signature(&caller.public_key, &statement, &signature).map_err(|_| refuse())
}
