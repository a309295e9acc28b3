//! What a private write costs beside a public one, in turns on one network.

use std::time::Duration;

use serde::Deserialize;

use super::{Collection, deploy};
use crate::acceptance::trial::{BENCH, Trial};
use crate::acceptance::{Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Both organisations of the bench network are members, both endorse, and the other one must have the set.
const COLLECTION: [Collection; 1] =
    [Collection { name: "wards", members: &["HospitalA", "HospitalB"], required: 1 }];
const ROUNDS: usize = 3;
const SECONDS: usize = 10;
const IN_FLIGHT: &str = "256";
const SHARE_MIN: f64 = 0.8;
const PATIENCE: Duration = Duration::from_secs(300);

/// What `carecord bench -o json` reports, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    committed_per_second: f64,
    errors: u64,
}

/// Public and private writes in turns, so that both meet the same machine.
pub(super) async fn private_write_speed(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "private-write-speed", BENCH).await?;
    deploy(&trial, context, &COLLECTION).await?;
    let seconds = context.scaled(SECONDS, 3).to_string();
    run(&trial, &seconds, &[]).await?;
    let (mut public, mut private, mut errors) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let of_public = run(&trial, &seconds, &[]).await?;
        let of_private = run(&trial, &seconds, &["--private", COLLECTION[0].name]).await?;
        errors += of_public.errors + of_private.errors;
        public.push(of_public.committed_per_second);
        private.push(of_private.committed_per_second);
    }
    trial.agreed().await?;
    let (public, private) = (median(public), median(private));
    let share = if public > 0.0 { private / public } else { 0.0 };
    let figure = format!("{share:.2}: {private:.0} private and {public:.0} public writes a second");
    let finding = Finding::new(figure, share >= SHARE_MIN && errors == 0).remark(format!(
        "medians of {ROUNDS} rounds in turns, {IN_FLIGHT} in flight, {errors} errors"
    ));
    Ok(context.scale_remark(finding, "shorter rounds"))
}

async fn run(trial: &Trial, seconds: &str, more: &[&str]) -> Outcome<Report> {
    let args = ["bench", "submit", "--in-flight", IN_FLIGHT, "--seconds", seconds];
    let said = trial.run(&[&args, &["-o", "json", "--quiet"][..], more].concat(), PATIENCE).await?;
    serde_json::from_str(&said.out)
        .map_err(|error| Failure::new(Code::Short, format!("report of bench: {error}")))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
