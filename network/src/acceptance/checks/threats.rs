//! Group `network`: every row of bad input in `docs/threats.md` is answered as the row says.
//!
//! The table names the tests; this check runs exactly those.

use std::collections::{BTreeMap, BTreeSet};

use crate::acceptance::suite::{self, LIB, Suite, sources};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const TABLE: &str = "docs/threats.md";
const ROWS_MIN: usize = 50;
/// Folders and their crates, the longest first.
const PACKAGES: [(&str, &str); 14] = [
    ("chaincode/health/", "carecord-health"),
    ("orderer/blocks/", "carecord-blocks"),
    ("orderer/core/", "carecord-consensus"),
    ("peer/ledger/", "carecord-ledger"),
    ("peer/vault/", "carecord-vault"),
    ("msp/channel/", "carecord-channel"),
    ("proto/comm/", "carecord-comm"),
    ("msp/ca/", "carecord-ca"),
    ("chaincode/", "carecord-chaincode"),
    ("network/", "carecord"),
    ("orderer/", "carecord-orderer"),
    ("proto/", "carecord-proto"),
    ("peer/", "carecord-peer"),
    ("msp/", "carecord-msp"),
];

pub(super) const CHECKS: &[Check] = &[Check {
    name: "bad-input",
    group: "network",
    goal: "every row of bad input gets its answer",
    work: |context| Box::pin(bad_input(context)),
}];

/// Tests by crate and test program.
type Tests = BTreeMap<(&'static str, String), BTreeSet<String>>;

async fn bad_input(context: &Context) -> Outcome<Finding> {
    let path = sources().join(TABLE);
    let text = crate::state::read_text(&path)?;
    let rows = text.lines().filter(|line| is_row(line)).count();
    let tests = tests(&text).map_err(|name| {
        Failure::new(Code::Short, format!("{name:?} is no test of ours")).at(path.display())
    })?;
    let names: Vec<Vec<&str>> =
        tests.values().map(|names| names.iter().map(String::as_str).collect()).collect();
    let suites: Vec<Suite<'_>> = tests
        .keys()
        .zip(&names)
        .map(|((package, target), names)| Suite {
            package,
            target,
            names,
            tests_min: names.len() as u64,
        })
        .collect();
    let mut finding = suite::run(context, &suites, &[]).await?;
    finding.figure = format!("{rows} rows, {}", finding.figure);
    finding.ok &= rows >= ROWS_MIN;
    // What these tests print is for those who work on them.
    finding.remark = finding.remark.filter(|_| !finding.ok);
    Ok(finding)
}

/// A row begins with its name, a letter and a number.
fn is_row(line: &str) -> bool {
    let name = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.ends_with(|digit: char| digit.is_ascii_digit())
}

/// The tests that the table names as `folder/tests/it/file.rs::name`; or the first that is none.
fn tests(text: &str) -> Result<Tests, String> {
    let mut tests = Tests::new();
    for named in text.split('`').filter(|part| part.contains(".rs::")) {
        let parsed = parse(named).ok_or_else(|| named.to_owned())?;
        tests.entry((parsed.0, parsed.1)).or_default().insert(parsed.2);
    }
    Ok(tests)
}

fn parse(named: &str) -> Option<(&'static str, String, String)> {
    let (path, test) = named.split_once(".rs::")?;
    let (folder, package) = PACKAGES.iter().find(|(folder, _)| path.starts_with(folder))?;
    let rest = path.strip_prefix(folder)?;
    let target = match rest.strip_prefix("tests/") {
        None => LIB.to_owned(),
        Some(file) => file.split('/').next()?.to_owned(),
    };
    Some((package, target, test.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_test_leads_to_its_crate_and_program() {
        let of = |named| parse(named).unwrap();
        let (package, target, test) = of("msp/tests/it/hostile.rs::m1_a");
        assert_eq!((package, target.as_str(), test.as_str()), ("carecord-msp", "it", "m1_a"));
        assert_eq!(of("network/tests/mistakes.rs::a_full_disk").1, "mistakes");
        assert_eq!(of("peer/ledger/src/a/b.rs::c"), ("carecord-ledger", "lib".into(), "c".into()));
        assert_eq!(parse("elsewhere/tests/it/a.rs::b"), None);
    }

    #[test]
    fn rows_are_told_from_headings() {
        assert!(is_row("| M1 | a | b |"));
        assert!(!is_row("| Row | Input |"));
        assert!(!is_row("|---|---|"));
    }
}
