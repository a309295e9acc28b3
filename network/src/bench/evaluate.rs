//! Reading random keys out of many.

use std::path::{Path, PathBuf};

use carecord_chaincode::bench::{FILL_MAX, fill_key};

use super::{EVALUATE, Plan, Report, cost, load};
use crate::chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::state::replace_file;

/// Transactions under way while keys are loaded, each of which writes [`FILL_MAX`] keys.
const LOADING_IN_FLIGHT: usize = 8;
/// Keys loaded between two notes of how far it is, so that a broken run goes on where it was.
const LOADING_STRIDE: u64 = 25_000;
/// What all keys begin with.
const PREFIX: &str = "key-";

/// Loads what is missing of `keys` keys, then evaluates for as long as `plan` says and reports.
pub async fn evaluate(
    session: &Session,
    plan: &Plan,
    keys: u64,
    output: Output,
) -> Outcome<Report> {
    let clients = load::clients(session, plan)?;
    load_keys(&marker(session, plan), keys, &clients, output).await?;
    // Whichever peer is asked has all of them.
    chain::settle(session, &plan.channel).await?;
    let before = cost::snapshot(session.file());
    let tally = load::run(plan, |number| {
        let contract = clients[number as usize % clients.len()].clone();
        let key = fill_key(PREFIX, rand::random_range(0..keys.max(1)));
        async move { contract.evaluate("get", [key]).await.map(|_| ()) }
    })
    .await;
    let spent = before.until(&cost::snapshot(session.file()));
    Ok(Report::new(EVALUATE, plan, tally, spent))
}

async fn load_keys(
    marker: &Path,
    keys: u64,
    clients: &[carecord_sdk::Contract],
    output: Output,
) -> Outcome<()> {
    let mut loaded = std::fs::read_to_string(marker)
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or_default();
    if loaded >= keys {
        return Ok(());
    }
    let step = output.step("keys");
    let each = u64::from(FILL_MAX);
    while loaded < keys {
        let count = LOADING_STRIDE.min(keys - loaded);
        let fills = count.div_ceil(each);
        let tally = load::run_count(LOADING_IN_FLIGHT, fills, |number| {
            let contract = clients[number as usize % clients.len()].clone();
            let from = number * each;
            let args = [
                PREFIX.to_owned(),
                (loaded + from).to_string(),
                each.min(count - from).to_string(),
            ];
            async move { contract.submit("fill", args).await.map(|_| ()) }
        })
        .await;
        if let Some((kind, times)) = tally.errors.iter().next() {
            let cause = format!("{times} of {fills} fills with keys failed: {kind}");
            return Err(Failure::new(Code::Benchmark, cause));
        }
        loaded += count;
        replace_file(marker, loaded.to_string().as_bytes())?;
        step.progress(&format!("{loaded} of {keys}"));
    }
    step.done(&format!("{keys} keys are loaded"));
    Ok(())
}

fn marker(session: &Session, plan: &Plan) -> PathBuf {
    session.dir().root().join(format!("bench-keys-{}", plan.channel))
}
