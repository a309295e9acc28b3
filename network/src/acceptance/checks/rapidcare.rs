//! Group `health`: the RapidCare visit on a running network, and the doctor who cheats; money and channels in numbers.

mod cheat;
mod town;
mod visit;

use crate::acceptance::suite::{self, Suite};
use crate::acceptance::trial::{DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// Random operations on the token.
const OPERATIONS: usize = 1_000_000;
/// Random lives of channels.
const LIVES: usize = 100_000;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "story-rapidcare",
        group: "health",
        goal: "request, match, channel, 17 metered minutes, invoice, close, refund; a cheating doctor loses",
        work: |context| Box::pin(story(context)),
    },
    Check {
        name: "money-conserved",
        group: "health",
        goal: "no money appears or vanishes in 10^6 operations and 10^5 lives of channels",
        work: |context| Box::pin(conserved(context)),
    },
    Check {
        name: "channels-model",
        group: "health",
        goal: "every interleaving of old state, double close, late challenge and crash; planted faults found",
        work: |context| Box::pin(suite::run(context, MODEL, &[])),
    },
];

const CONSERVATION: &[Suite<'static>] = &[Suite {
    package: "carecord-health",
    target: "it",
    names: &["conservation::", "channel_lives::"],
    tests_min: 2,
}];

const MODEL: &[Suite<'static>] = &[Suite {
    package: "carecord-health",
    target: "it",
    names: &["channel_model::", "channels::", "disputes::"],
    tests_min: 20,
}];

async fn story(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "rapidcare", DEMO).await?;
    let town = town::Town::settled(&trial).await?;
    let visit = visit::paid(&town).await?;
    let cheat = cheat::caught(&town).await?;
    let agreed = trial.agreed().await.is_ok();
    let figure = format!("{}; {}", visit.figure, cheat.figure);
    Ok(Finding::new(figure, visit.ok && cheat.ok && agreed)
        .remark("minutes are counted, not waited for")
        .remark(if agreed { "all nodes agree" } else { "nodes do not agree" }))
}

async fn conserved(context: &Context) -> Outcome<Finding> {
    let operations = context.scaled(OPERATIONS, 5_000);
    let lives = context.scaled(LIVES, 5_000);
    let variables =
        [("CARECORD_OPERATIONS", operations.to_string()), ("CARECORD_RUNS", lives.to_string())];
    let finding = suite::run(context, CONSERVATION, &variables).await?;
    Ok(context.scale_remark(finding, &format!("{operations} operations")))
}
