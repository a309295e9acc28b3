//! Group `network`: the demonstration network comes up quickly and its nodes agree.

use std::process::Command;
use std::time::Instant;

use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// From built binaries to the first committed transaction.
const UP_SECONDS_MAX: f64 = 10.0;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "bring-up",
    group: "network",
    goal: "under 10 s to the first committed transaction, all nodes agree",
    work: |context| Box::pin(bring_up(context)),
}];

async fn bring_up(context: &Context) -> Outcome<Finding> {
    let dir = context.work.join("bring-up");
    let dir = dir.display().to_string();
    let begun = Instant::now();
    run(context, &["network", "up", "--demo", "--dir", &dir, "--detach"])?;
    // Chaincodes are deployed by transactions, so at this moment several have committed.
    let seconds = begun.elapsed().as_secs_f64();
    let agree = run(context, &["network", "status", "--dir", &dir]);
    run(context, &["network", "down", "--dir", &dir])?;
    let finding =
        Finding::new(format!("{seconds:.1} s"), seconds < UP_SECONDS_MAX && agree.is_ok());
    Ok(match agree {
        Ok(()) => finding,
        Err(failure) => finding.remark(failure.to_string()),
    })
}

fn run(context: &Context, arguments: &[&str]) -> Outcome<()> {
    let result = Command::new(&context.binary)
        .args(arguments)
        .arg("--quiet")
        .output()
        .map_err(|error| Failure::file(&context.binary, &error))?;
    if result.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&result.stderr).trim().to_owned();
    Err(Failure::new(Code::Short, format!("carecord {}: {said}", arguments.join(" "))))
}
