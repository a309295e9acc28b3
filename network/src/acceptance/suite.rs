//! Tests of single rooms as checks: those that compare with Fabric's own answers, or that simulate crashes.
//!
//! They need the sources and cargo. A test that left something out for want of data counts as failed here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program::Program;
use super::{Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Building a room's tests may take minutes on a machine that never did.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The tests inside a crate's own files.
pub(super) const LIB: &str = "lib";

/// Tests of one room, chosen by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite<'a> {
    /// Its crate.
    pub(super) package: &'a str,
    /// Which of its test programs: [`LIB`], or a name under `tests`.
    pub(super) target: &'a str,
    /// Parts of the tests' names.
    pub(super) names: &'a [&'a str],
    /// How many tests these are at least; fewer means that one was renamed and the check looks past it.
    pub(super) tests_min: u64,
}

/// What the tests of one or more suites came to.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    expected_min: u64,
    /// Lines that the tests printed: their figures.
    printed: Vec<String>,
}

/// Runs `suites` with these variables set and reports how many tests passed, with the figures they printed.
pub(super) async fn run(
    context: &Context,
    suites: &[Suite<'_>],
    variables: &[(&str, String)],
) -> Outcome<Finding> {
    let data = super::ledgers::data(".")?;
    let mut tally = Tally::default();
    for suite in suites {
        tally.run(context, *suite, &data, variables).await?;
    }
    let Tally { passed, failed, expected_min, printed } = tally;
    let ok = failed == 0 && passed >= expected_min;
    let finding = Finding::new(format!("{passed} tests passed, {failed} failed"), ok);
    let finding = match passed + failed < expected_min {
        true => finding.remark(format!("there should be {expected_min}")),
        false => finding,
    };
    Ok(if printed.is_empty() { finding } else { finding.remark(printed.join("; ")) })
}

/// The folder with the workspace's sources: where the run was started, or else where this binary was built.
///
/// Checkouts share a build cache, so the second may be another checkout than the first.
pub(super) fn sources() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    if here.join("network/Cargo.toml").exists() {
        return here;
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    built.parent().unwrap_or(built).to_owned()
}

// === impl Tally ===

impl Tally {
    async fn run(
        &mut self,
        context: &Context,
        suite: Suite<'_>,
        data: &Path,
        variables: &[(&str, String)],
    ) -> Outcome<()> {
        let left_out = context.work.join(format!("left-out-{}", suite.package));
        let _ = std::fs::remove_file(&left_out);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target: &[&str] = match suite.target {
            LIB => &["--lib"],
            other => &["--test", other],
        };
        let mut program = Program::new(cargo)
            .args(["test", "--locked", "--package", suite.package])
            .args(target)
            .args(["--"])
            .args(suite.names)
            .args(["--nocapture", "--test-threads=1"])
            .env("CARECORD_LEFT_OUT", &left_out)
            .env("CARECORD_TESTDATA", data)
            .within(&sources());
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
        self.expected_min += suite.tests_min;
        self.printed.extend(said.out.lines().filter_map(printed).map(str::to_owned));
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
///
/// The harness begins a line with the test's name and leaves the rest of it to the test.
fn printed(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("test ") {
        Some(named) => named.split_once(" ... ").map_or("", |(_, rest)| rest),
        None => line,
    };
    let harness = ["ok", "FAILED", "running ", "result: ", "failures", "----", "error", "thread "];
    let own = !rest.trim().is_empty() && !harness.iter().any(|start| rest.starts_with(start));
    own.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_summary_is_read() {
        let result =
            "ok. 7 passed; 1 failed; 0 ignored; 0 measured; 21 filtered out; finished in 27.32s";
        assert_eq!((count(result, "passed"), count(result, "failed")), (7, 1));
        assert_eq!(printed("3 configurations"), Some("3 configurations"));
        assert_eq!(printed("test golden::a ... 3 vectors"), Some("3 vectors"));
        assert_eq!(printed("test golden::a ... ok"), None);
        assert_eq!(printed("test result: ok. 7 passed"), None);
    }
}
