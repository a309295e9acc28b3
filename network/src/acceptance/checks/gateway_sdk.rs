//! Group `network`: clients that others wrote for Fabric, unmodified, against a network of ours.

use std::time::Duration;

use crate::acceptance::program::{Program, Said};
use crate::acceptance::suite::sources;
use crate::acceptance::trial::Trial;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(1_800);
/// Fewer means that tests were lost.
const NODE_TESTS_MIN: u64 = 20;
const RUST_TESTS_MIN: u64 = 2;
pub(super) const TOPOLOGY: &str = include_str!("../../../compat/topology.toml");

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "gateway-sdk-node",
        group: "network",
        goal: "every test with the unmodified npm package @hyperledger/fabric-gateway passes",
        work: |context| Box::pin(node(context)),
    },
    Check {
        name: "gateway-sdk-rust",
        group: "network",
        goal: "the independent crate fabric-sdk submits and evaluates",
        work: |context| Box::pin(rust(context)),
    },
];

async fn node(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "gateway-sdk-node", TOPOLOGY).await?;
    let folder = sources().join("network/compat/node");
    let npm = |args: &[&str]| Program::new("npm").args(args).within(&folder);
    npm(&["ci", "--silent", "--no-audit", "--no-fund"]).succeed(PATIENCE).await?;
    let said = npm(&["test", "--silent"])
        .env("CARECORD_NETWORK", trial.dir())
        .env("CARECORD_BIN", &context.binary)
        .run(PATIENCE)
        .await?;
    let (passed, failed) = (summary(&said, "pass"), summary(&said, "fail"));
    let ok = said.ok && failed == 0 && passed >= NODE_TESTS_MIN;
    let finding = Finding::new(format!("{passed} tests passed, {failed} failed"), ok);
    Ok(if ok { finding } else { finding.remark(failures(&said)) })
}

async fn rust(context: &Context) -> Outcome<Finding> {
    fabric_sdk(context, "gateway-sdk-rust", &[], RUST_TESTS_MIN).await
}

/// Runs tests with the independent crate `fabric-sdk`, all or those that `choice` names, on a network of their own; fewer
/// than `tests_min` means that tests were lost.
pub(super) async fn fabric_sdk(
    context: &Context,
    name: &str,
    choice: &[&str],
    tests_min: u64,
) -> Outcome<Finding> {
    let trial = Trial::up(context, name, TOPOLOGY).await?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Program::new(cargo)
        .args(["test", "--locked"])
        .args(choice)
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
    let ok = said.ok && failed == 0 && passed >= tests_min;
    let finding = Finding::new(format!("{passed} tests passed, {failed} failed"), ok);
    Ok(if ok { finding } else { finding.remark(said.last_words()) })
}

/// A count of the test runner's summary, `# pass 12` or `ℹ pass 12`.
pub(super) fn summary(said: &Said, word: &str) -> u64 {
    let of_line = |line: &str| {
        let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
        rest.strip_prefix(word)?.trim().parse().ok()
    };
    said.out.lines().find_map(of_line).unwrap_or_default()
}

/// Names of the tests that failed, or the runner's last words.
pub(super) fn failures(said: &Said) -> String {
    let names: Vec<&str> = said
        .out
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("not ok") || line.starts_with('✖'))
        .collect();
    if names.is_empty() { said.last_words() } else { names.join("; ") }
}
