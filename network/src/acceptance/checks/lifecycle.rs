//! Group `membership`: chaincode's lifecycle and the requests of Fabric's `peer` tool.

use super::gateway_sdk::fabric_sdk;
use crate::acceptance::suite::{self, Suite};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// Fewer means that tests were lost.
const SDK_TESTS_MIN: u64 = 3;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "peer-cli",
        group: "membership",
        goal: "the requests of Fabric's peer tool: channel, lifecycle, invoke with waitForEvent on two peers, query",
        work: |context| Box::pin(peer_cli(context)),
    },
    Check {
        name: "lifecycle-sdk",
        group: "membership",
        goal: "the lifecycle client of the independent crate fabric-sdk installs, approves, commits and asks",
        work: |context| Box::pin(sdk(context)),
    },
    Check {
        name: "lifecycle-rules",
        group: "membership",
        goal: "packages, approvals, upgrades, init calls; plaintext of approvals over restarts and loss of state",
        work: |context| Box::pin(rules(context)),
    },
];

async fn peer_cli(context: &Context) -> Outcome<Finding> {
    let names = &["peer_cli::", "chaincode::"];
    suite::run(context, &[Suite { package: "carecord", target: "it", names, tests_min: 4 }], &[])
        .await
}

async fn rules(context: &Context) -> Outcome<Finding> {
    let of = |package, names, tests_min| Suite { package, target: "it", names, tests_min };
    let suites = [
        of("carecord-peer", &["lifecycle::", "packages::", "system::"], 15),
        of("carecord-ledger", &["private::"], 7),
    ];
    suite::run(context, &suites, &[]).await
}

async fn sdk(context: &Context) -> Outcome<Finding> {
    let choice = ["--test", "lifecycle", "--", "--test-threads=1"];
    fabric_sdk(context, "lifecycle-sdk", &choice, SDK_TESTS_MIN).await
}
