//! Choosing, running and reporting checks.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use super::{Check, Context, Finding, checks};
use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::output::{Format, Output, table};

const ONLY: &str = "ONLY";
const GROUP: &str = "GROUP";
const SCALE: &str = "SCALE";
const OUTPUT: &str = "CARECORD_OUTPUT";
/// Where the JSON report goes, whatever is printed; by default into the cache.
const REPORT: &str = "CARECORD_REPORT";
const REPORT_FILE: &str = "acceptance.json";

/// Result of one check.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    group: &'static str,
    figure: String,
    goal: &'static str,
    verdict: &'static str,
    seconds: f64,
    remark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<serde_json::Value>,
}

/// Result of a run, schema `carecord.acceptance/v1`.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    scale: f64,
    short: usize,
    checks: Vec<Line>,
}

/// Runs the checks that `ONLY` and `GROUP` choose, at `SCALE`; exit 1 if one falls short.
pub fn main() -> ExitCode {
    let json = std::env::var(OUTPUT).is_ok_and(|format| format == "json");
    let output = Output::new(if json { Format::Json } else { Format::Table }, false);
    match run(output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

fn run(output: Output) -> Outcome<()> {
    let chosen = choose(&checks::all(), variable(ONLY).as_deref(), variable(GROUP).as_deref())?;
    let context = context(output)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::File, error))?;
    let mut lines = Vec::with_capacity(chosen.len());
    for check in chosen {
        let step = output.step(check.name);
        let line = runtime.block_on(line(&check, &context));
        step.end(line.verdict == "ok", &format!("{} (goal: {})", line.figure, line.goal));
        lines.push(line);
    }
    super::trial::end_all_within(&context.work);
    // Networks of this run are not needed any more; what is left of them on failure helps nobody.
    let _ = std::fs::remove_dir_all(&context.work);
    report(lines, context.scale, output)
}

async fn line(check: &Check, context: &Context) -> Line {
    let begun = Instant::now();
    let finding = match (check.work)(context).await {
        Ok(finding) => finding,
        Err(failure) => Finding::new("could not run", false).remark(failure.to_string()),
    };
    Line {
        name: check.name,
        group: check.group,
        figure: finding.figure,
        goal: check.goal,
        verdict: if finding.ok { "ok" } else { "short" },
        seconds: begun.elapsed().as_secs_f64(),
        remark: finding.remark,
        details: finding.details,
    }
}

fn report(checks: Vec<Line>, scale: f64, output: Output) -> Outcome<()> {
    let short = checks.iter().filter(|line| line.verdict != "ok").count();
    let report = Report { schema: "carecord.acceptance/v1", scale, short, checks };
    output.result(&report, || {
        let rows = report.checks.iter().map(|line| {
            [
                line.name.to_owned(),
                line.figure.clone(),
                line.goal.to_owned(),
                line.verdict.to_owned(),
                line.remark.clone().unwrap_or_default(),
            ]
        });
        table(["CHECK", "FIGURE", "GOAL", "", "REMARK"], rows)
    });
    let path = variable(REPORT).map_or_else(|| cache().join(REPORT_FILE), PathBuf::from);
    let json = serde_json::to_vec_pretty(&report).expect("a report is plain data");
    crate::state::replace_file(&path, &json)?;
    output.note(&format!("as JSON, with figures in full: {}", path.display()));
    if short == 0 {
        return Ok(());
    }
    let total = report.checks.len();
    Err(Failure::new(Code::Short, format!("{short} of {total} checks fell short"))
        .exit(Exit::Failed))
}

/// The checks that the names choose; a name that chooses nothing is a mistake, not an empty success.
fn choose(all: &[Check], only: Option<&str>, group: Option<&str>) -> Outcome<Vec<Check>> {
    let chosen: Vec<Check> = all
        .iter()
        .filter(|check| only.is_none_or(|names| names.split(',').any(|name| name == check.name)))
        .filter(|check| group.is_none_or(|name| check.group == name))
        .copied()
        .collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let known: Vec<String> =
        all.iter().map(|check| format!("{} ({})", check.name, check.group)).collect();
    Err(Failure::new(Code::Argument, "no check has this name or group")
        .hint(format!("there is {}", known.join(", "))))
}

fn context(output: Output) -> Outcome<Context> {
    let scale = match variable(SCALE) {
        None => 1.0,
        Some(text) => {
            text.parse().ok().filter(|scale| *scale > 0.0 && *scale <= 1.0).ok_or_else(|| {
                Failure::new(
                    Code::Argument,
                    format!("SCALE is {text:?}; it takes a number above 0 up to 1"),
                )
            })?
        }
    };
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(Code::File, format!("cannot find this binary: {error}")))?;
    let folder = own.parent().unwrap_or_else(|| std::path::Path::new("."));
    let work = cache().join(format!("acceptance-{}", std::process::id()));
    std::fs::create_dir_all(&work).map_err(|error| Failure::file(&work, &error))?;
    Ok(Context { scale, work, binary: folder.join("carecord"), output })
}

/// A folder on a real disk: the usual temporary folder may lie in memory, where a sync means nothing.
fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/carecord"));
    std::env::var_os("CARECORD_CACHE")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> [Check; 3] {
        let check = |name, group| Check {
            name,
            group,
            goal: "yes",
            work: |_| Box::pin(async { Ok(Finding::new("yes", true)) }),
        };
        [check("a", "network"), check("b", "network"), check("c", "health")]
    }

    fn names(only: Option<&str>, group: Option<&str>) -> Vec<&'static str> {
        choose(&checks(), only, group).unwrap().iter().map(|check| check.name).collect()
    }

    #[test]
    fn checks_are_chosen_by_name_and_group() {
        assert_eq!(names(None, None), ["a", "b", "c"]);
        assert_eq!(names(None, Some("network")), ["a", "b"]);
        assert_eq!(names(Some("c"), None), ["c"]);
        assert_eq!(names(Some("c,a"), None), ["a", "c"]);
    }

    #[test]
    fn a_name_that_chooses_nothing_fails() {
        let failure = choose(&checks(), Some("x"), None).map(|_| ()).unwrap_err();
        assert_eq!(failure.kind(), Exit::Usage);
    }
}
