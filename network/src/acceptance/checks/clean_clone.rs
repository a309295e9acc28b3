//! Group `clone`: both commands of the README on a clean clone, each within its hour.
//!
//! At full scale the clone has an empty cache, so that everything is compiled again; below that it shares this
//! machine's cache and only shows that a clone is complete.

use std::path::PathBuf;
use std::time::Duration;

use crate::acceptance::program::Program;
use crate::acceptance::suite::sources;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const COLD_SECONDS_MAX: u64 = 3_600;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "clone-demo",
        group: "clone",
        goal: "`make demo` on a clean clone exits 0 within 60 minutes, everything compiled",
        work: |context| Box::pin(command(context, "demo")),
    },
    Check {
        name: "clone-test",
        group: "clone",
        goal: "`make test` on a clean clone exits 0 within 60 minutes",
        work: |context| Box::pin(command(context, "test")),
    },
];

async fn command(context: &Context, target: &str) -> Outcome<Finding> {
    let clone = clone(context).await?;
    let mut make = Program::new("make").args([target]).within(&clone);
    if context.scale >= 1.0 {
        let cache = context.work.join("cold-cache");
        make = make.env("CARGO_TARGET_DIR", cache.join("target")).env("CARECORD_CACHE", cache);
    }
    let said = make.run(Duration::from_secs(COLD_SECONDS_MAX)).await?;
    let minutes = said.took.as_secs_f64() / 60.0;
    let figure = format!("{minutes:.1} min, exit {}", if said.ok { "0" } else { "not 0" });
    let finding = Finding::new(figure, said.ok);
    let finding = if said.ok { finding } else { finding.remark(said.last_words()) };
    Ok(context.scale_remark(finding, "a cache that is warm"))
}

/// A clone of what is committed.
async fn clone(context: &Context) -> Outcome<PathBuf> {
    let folder = context.work.join("clone");
    if folder.join("Makefile").exists() {
        return Ok(folder);
    }
    let from = sources();
    if !from.join(".git").exists() {
        return Err(Failure::new(Code::Short, "the sources are no git checkout").at(from.display()));
    }
    Program::new("git")
        .args(["clone", "--quiet"])
        .args([&from, &folder])
        .succeed(Duration::from_secs(300))
        .await?;
    Ok(folder)
}
