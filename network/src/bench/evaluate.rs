//! Reading random keys out of many.

use std::path::PathBuf;

use super::{Plan, Report, cost, load};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::state::replace_file;

/// Transactions under way while keys are loaded.
const LOADING_IN_FLIGHT: usize = 256;
/// Keys loaded between two notes of how far it is, so that a broken run goes on where it was.
const LOADING_STRIDE: u64 = 10_000;

/// Loads what is missing of `plan.keys` keys, then evaluates for as long as `plan` says and reports.
pub async fn evaluate(session: &Session, plan: &Plan, output: Output) -> Outcome<Report> {
    let clients = load::clients(session, plan)?;
    load_keys(session, plan, &clients, output).await?;
    let before = cost::snapshot(session.file());
    let tally = load::run(plan, |number| {
        let contract = clients[number as usize % clients.len()].clone();
        let key = bytes::Bytes::from(key(rand::random_range(0..plan.keys.max(1))));
        async move { contract.evaluate("get", [key]).await.map(|_| ()) }
    })
    .await;
    let spent = before.until(&cost::snapshot(session.file()));
    Ok(Report::new("evaluate", plan, tally, spent))
}

async fn load_keys(
    session: &Session,
    plan: &Plan,
    clients: &[carecord_sdk::Contract],
    output: Output,
) -> Outcome<()> {
    let marker = marker(session, plan);
    let mut loaded = std::fs::read_to_string(&marker)
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or_default();
    if loaded >= plan.keys {
        return Ok(());
    }
    let step = output.step("keys");
    let value = bytes::Bytes::from(vec![b'x'; plan.value_bytes]);
    while loaded < plan.keys {
        let count = LOADING_STRIDE.min(plan.keys - loaded);
        let tally = load::run_count(LOADING_IN_FLIGHT, count, |number| {
            let contract = clients[number as usize % clients.len()].clone();
            let key = bytes::Bytes::from(key(loaded + number));
            let value = value.clone();
            async move { contract.submit("put", [key, value]).await.map(|_| ()) }
        })
        .await;
        if let Some((kind, times)) = tally.errors.iter().next() {
            let cause = format!("{times} of {count} keys could not be loaded: {kind}");
            return Err(Failure::new(Code::Benchmark, cause));
        }
        loaded += count;
        replace_file(&marker, loaded.to_string().as_bytes())?;
        step.progress(&format!("{loaded} of {}", plan.keys));
    }
    step.done(&format!("{} keys are loaded", plan.keys));
    Ok(())
}

fn marker(session: &Session, plan: &Plan) -> PathBuf {
    session.dir().root().join(format!("bench-keys-{}", plan.channel))
}

fn key(number: u64) -> String {
    format!("key-{number:08}")
}
