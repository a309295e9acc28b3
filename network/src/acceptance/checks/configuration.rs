//! Group `membership`: the rules of a channel's configuration.

use crate::acceptance::suite::{self, LIB, Suite};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

const UPDATES: usize = 100_000;
const UPDATES_MIN: usize = 2_000;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "config-vectors",
        group: "membership",
        goal: "updates and verdicts of Fabric's own tool and validator: 0 differences",
        work: |context| Box::pin(suite::run(context, VECTORS, &[])),
    },
    Check {
        name: "config-model",
        group: "membership",
        goal: "100,000 random updates against a slow model: 0 differences",
        work: |context| Box::pin(model(context)),
    },
];

const VECTORS: &[Suite<'static>] = &[
    Suite {
        package: "carecord-channel",
        target: "it",
        names: &["updates::", "configs::", "policies::"],
        tests_min: 5,
    },
    Suite { package: "carecord", target: LIB, names: &["configtx::tests::"], tests_min: 4 },
];

const MODEL: &[Suite<'static>] =
    &[Suite { package: "carecord-channel", target: "it", names: &["model::"], tests_min: 1 }];

async fn model(context: &Context) -> Outcome<Finding> {
    let updates = context.scaled(UPDATES, UPDATES_MIN);
    let finding = suite::run(context, MODEL, &[("CARECORD_UPDATES", updates.to_string())]).await?;
    Ok(context.scale_remark(finding, &format!("{updates} updates")))
}
