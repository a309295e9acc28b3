//! Tests of single rooms as checks: those that compare with Fabric's own answers, or that simulate crashes.
//!
//! They need the sources and cargo. A test that left something out for want of data counts as failed here.

use std::path::Path;
use std::time::Duration;

use super::program::Program;
use super::{Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Building a room's tests may take minutes on a machine that never did.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Tests of one room, chosen by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    /// Its crate.
    pub(super) package: &'static str,
    /// `--lib` or the tests under `tests/it`.
    pub(super) lib: bool,
    /// Parts of the tests' names.
    pub(super) names: &'static [&'static str],
    /// How many tests these are; fewer means that one was renamed and the check looks past it.
    pub(super) tests: u64,
}

/// What the tests of one or more suites came to.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    expected: u64,
    /// Lines that the tests printed: their figures.
    printed: Vec<String>,
}

/// Runs `suites` with these variables set and reports how many tests passed, with the figures they printed.
pub(super) async fn run(
    context: &Context,
    suites: &[Suite],
    variables: &[(&str, String)],
) -> Outcome<Finding> {
    super::ledgers::data("fabric-golden")?;
    let mut tally = Tally::default();
    for suite in suites {
        tally.run(context, *suite, variables).await?;
    }
    let Tally { passed, failed, expected, printed } = tally;
    let ok = failed == 0 && passed == expected;
    let finding = Finding::new(format!("{passed} of {expected} tests passed"), ok);
    Ok(if printed.is_empty() { finding } else { finding.remark(printed.join("; ")) })
}

/// The folder with the workspace's sources.
pub(super) fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

// === impl Tally ===

impl Tally {
    async fn run(
        &mut self,
        context: &Context,
        suite: Suite,
        variables: &[(&str, String)],
    ) -> Outcome<()> {
        let left_out = context.work.join(format!("left-out-{}", suite.package));
        let _ = std::fs::remove_file(&left_out);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target: &[&str] = if suite.lib { &["--lib"] } else { &["--test", "it"] };
        let mut program = Program::new(cargo)
            .args(["test", "--locked", "--package", suite.package])
            .args(target)
            .args(["--"])
            .args(suite.names)
            .args(["--nocapture", "--test-threads=1"])
            .env("CARECORD_LEFT_OUT", &left_out)
            .within(sources());
        for (name, value) in variables {
            program = program.env(name, value);
        }
        let said = program.run(PATIENCE).await?;
        let result = said.out.lines().find_map(|line| line.strip_prefix("test result: "));
        let Some(result) = result else {
            let cause = format!("tests of {} did not run:\n{}", suite.package, said.last_words());
            return Err(Failure::new(Code::Short, cause));
        };
        self.passed += count(result, "passed");
        self.failed += count(result, "failed");
        self.expected += suite.tests;
        self.printed.extend(said.out.lines().filter(|line| is_figure(line)).map(str::to_owned));
        match std::fs::read_to_string(&left_out) {
            Ok(list) if !list.trim().is_empty() => {
                Err(Failure::new(Code::Short, list.trim().replace('\n', "; ")))
            }
            _ => Ok(()),
        }
    }
}

/// The number before `word` in cargo's summary.
fn count(result: &str, word: &str) -> u64 {
    let words: Vec<&str> = result.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|other| *other == word);
    at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or_default()
}

/// What a test printed itself, without what the harness says around it.
fn is_figure(line: &str) -> bool {
    let harness = ["test ", "running ", "ok", "failures", "----", "error", "thread "];
    !line.trim().is_empty() && !harness.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_summary_is_read() {
        let result =
            "ok. 7 passed; 1 failed; 0 ignored; 0 measured; 21 filtered out; finished in 27.32s";
        assert_eq!((count(result, "passed"), count(result, "failed")), (7, 1));
        assert!(is_figure("3 configurations"));
        assert!(!is_figure("test golden::a ... ok"));
    }
}
