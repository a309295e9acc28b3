//! Group `network`: a peer that was away catches up.

use std::time::{Duration, Instant};

use crate::acceptance::chains::judge;
use crate::acceptance::load::Load;
use crate::acceptance::trial::{DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

const TRANSACTIONS: usize = 5_000;
const CLIENTS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(600);
/// The peer that is away; the other three organisations are a majority.
const AWAY: &str = "research";
const PRESENT: [&str; 3] = ["hospital-a", "hospital-b", "insurer"];

pub(super) const CHECKS: &[Check] = &[Check {
    name: "catch-up",
    group: "network",
    goal: "a peer away for 5,000 transactions ends with the chain and state of the others",
    work: |context| Box::pin(catch_up(context)),
}];

async fn catch_up(context: &Context) -> Outcome<Finding> {
    let count = context.scaled(TRANSACTIONS, 100);
    let trial = Trial::up(context, "catch-up", DEMO).await?;
    trial.kill(&[AWAY]).await?;
    let load = Load::start(&trial, CLIENTS, &PRESENT)?;
    load.wait_for(count as u64, PATIENCE).await?;
    let log = load.stop()?;
    let begun = Instant::now();
    trial.restart().await?;
    trial.agreed().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let verdict = judge(&trial, &log).await?;
    let figure = format!("{} transactions in {seconds:.1} s; {verdict}", verdict.valid);
    let ok = verdict.ok() && verdict.valid >= count;
    let finding = context
        .scale_remark(Finding::new(figure, ok), &format!("{count} transactions"))
        .remark("the time includes the start of the node");
    Ok(match verdict.wrong() {
        Some(wrong) => finding.remark(wrong),
        None => finding,
    })
}
