//! Group `network`: what single rooms prove in their tests, with the figures that they print.

use crate::acceptance::suite::{self, LIB, Suite};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// Simulated clusters whose unsynced writes are dropped at each crash.
const POWER_LOSSES: usize = 200;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "golden-killers",
        group: "network",
        goal: "the seven inputs that a Fabric peer does not survive get their codes",
        work: |context| Box::pin(suite::run(context, KILLERS, &[])),
    },
    Check {
        name: "fabric-vectors",
        group: "network",
        goal: "identities, policies, range queries, configuration: 0 differences",
        work: |context| Box::pin(suite::run(context, VECTORS, &[])),
    },
    Check {
        name: "power-loss",
        group: "network",
        goal: "200 runs with every unsynced write dropped: none lost",
        work: |context| Box::pin(power_loss(context)),
    },
    Check {
        name: "power-loss-unsynced",
        group: "network",
        goal: "taking out any one fsync makes power-loss fail",
        work: |context| Box::pin(suite::run(context, UNSYNCED, &[])),
    },
];

const KILLERS: &[Suite<'static>] =
    &[Suite { package: "carecord-ledger", target: "it", names: &["killers::"], tests_min: 7 }];

const VECTORS: &[Suite<'static>] = &[
    Suite {
        package: "carecord-proto",
        target: "it",
        names: &["rwset_vectors::", "golden::"],
        tests_min: 9,
    },
    Suite { package: "carecord-msp", target: "it", names: &["golden::", "ledger::"], tests_min: 2 },
    Suite {
        package: "carecord-channel",
        target: "it",
        names: &["policies::", "updates::", "configs::", "genesis::the_same_channel"],
        tests_min: 7,
    },
    Suite { package: "carecord-ledger", target: LIB, names: &["simulator::tests::"], tests_min: 2 },
];

const POWER: &[Suite<'static>] = &[
    Suite {
        package: "carecord-consensus",
        target: "it",
        names: &["campaign::nothing_is_lost"],
        tests_min: 1,
    },
    Suite { package: "carecord-ledger", target: "it", names: &["crash::a_crash_at"], tests_min: 1 },
    Suite {
        package: "carecord-blocks",
        target: "it",
        names: &["record_log::what_was_synced", "record_log::a_log_cut_at"],
        tests_min: 3,
    },
];

const UNSYNCED: &[Suite<'static>] = &[
    Suite {
        package: "carecord-consensus",
        target: "it",
        names: &["leaving_out_an_fsync", "a_vote_that_was_not_made_durable"],
        tests_min: 2,
    },
    Suite {
        package: "carecord-ledger",
        target: "it",
        names: &["crash::without_its_fsync"],
        tests_min: 1,
    },
];

async fn power_loss(context: &Context) -> Outcome<Finding> {
    let seeds = context.scaled(POWER_LOSSES, 5);
    let finding = suite::run(context, POWER, &[("CARECORD_SEEDS", seeds.to_string())]).await?;
    Ok(context.scale_remark(finding, &format!("{seeds} simulated clusters")))
}
