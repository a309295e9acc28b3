//! Group `membership`: the official client of Fabric-CA, unmodified, against the CA of an organisation.

use std::time::Duration;

use super::gateway_sdk::{TOPOLOGY, failures, summary};
use crate::acceptance::program::Program;
use crate::acceptance::suite::sources;
use crate::acceptance::trial::Trial;
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

const PATIENCE: Duration = Duration::from_secs(900);
/// Fewer means that tests were lost.
const TESTS_MIN: u64 = 8;
const TEST: &str = "test/membership.test.js";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "fabric-ca-client",
    group: "membership",
    goal: "the unmodified npm package fabric-ca-client enrols, registers, revokes and fetches the list, and what it enrols submits",
    work: |context| Box::pin(work(context)),
}];

async fn work(context: &Context) -> Outcome<Finding> {
    let topology = format!("ca = true\n{TOPOLOGY}");
    let trial = Trial::up(context, "fabric-ca-client", &topology).await?;
    let folder = sources().join("network/compat/node");
    let npm = Program::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]);
    npm.within(&folder).succeed(PATIENCE).await?;
    let said = Program::new("node")
        .args(["--test", "--test-timeout=120000", "--test-reporter=spec", TEST])
        .within(&folder)
        .env("CARECORD_NETWORK", trial.dir())
        .env("CARECORD_BIN", &context.binary)
        .run(PATIENCE)
        .await?;
    let [passed, failed, skipped] = ["pass", "fail", "skipped"].map(|word| summary(&said, word));
    let ok = said.ok && failed == 0 && skipped == 0 && passed >= TESTS_MIN;
    let finding = Finding::new(format!("{passed} tests passed, {failed} failed"), ok);
    Ok(if ok { finding } else { finding.remark(failures(&said)) })
}
