//! Group `membership`: chaincode's lifecycle and the requests of Fabric's `peer` tool.

use std::time::Duration;

use crate::acceptance::program::Program;
use crate::acceptance::suite::{self, Suite, sources};
use crate::acceptance::trial::Trial;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(1_800);
const TOPOLOGY: &str = include_str!("../../../compat/topology.toml");
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
    let trial = Trial::up(context, "lifecycle-sdk", TOPOLOGY).await?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Program::new(cargo)
        .args(["test", "--locked", "--test", "lifecycle", "--", "--test-threads=1"])
        .within(&sources().join("network/compat/rust"))
        .env("CARECORD_NETWORK", trial.dir())
        .env("CARECORD_BIN", &context.binary)
        .run(PATIENCE)
        .await?;
    if !said.out.lines().any(|line| line.starts_with("test result:")) {
        return Err(Failure::new(Code::Short, said.last_words())
            .hint("it needs the packages protobuf-compiler and libprotobuf-dev"));
    }
    let passed = said.out.lines().filter(|line| line.ends_with("... ok")).count() as u64;
    let failed = said.out.lines().filter(|line| line.ends_with("... FAILED")).count();
    let ok = said.ok && failed == 0 && passed >= SDK_TESTS_MIN;
    let finding = Finding::new(format!("{passed} tests passed, {failed} failed"), ok);
    Ok(if ok { finding } else { finding.remark(said.last_words()) })
}
