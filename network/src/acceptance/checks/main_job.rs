//! Group `network`: the main job, on patients of our own generator and on foreign ones, and what it leaves in memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::acceptance::ledgers::data;
use crate::acceptance::program::{Program, Said};
use crate::acceptance::trial::Trial;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const PATIENTS: usize = 31;
/// Foreign patients in the test data.
pub(super) const FHIR: &str = "synthea-r4";
const PATIENCE: Duration = Duration::from_secs(3_600);
const IDLE_SECONDS: usize = 60;
const NODES: usize = 7;
const MEMORY_BYTES_MAX: u64 = 200_000_000;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "demo",
        group: "network",
        goal: "every step ends as it must, equal heights and commit hashes on all peers, exit 0",
        work: |context| Box::pin(demo(context)),
    },
    Check {
        name: "main-job-synthea",
        group: "network",
        goal: "every record of 31 Synthea patients stored, opened, refused and refused again",
        work: |context| Box::pin(synthea(context)),
    },
    Check {
        name: "memory",
        group: "network",
        goal: "under 200 MB PSS of 7 processes, 60 s idle, patients loaded",
        work: |context| Box::pin(memory(context)),
    },
];

/// What `carecord demo -o json` reports.
#[derive(Debug, Deserialize)]
struct Report {
    patients: usize,
    records: usize,
    steps: Vec<Step>,
    nodes: Vec<Node>,
    ok: bool,
}

#[derive(Debug, Deserialize)]
struct Step {
    name: String,
    done: usize,
    expected: usize,
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Node {
    role: String,
    height: u64,
    commit_hash: Option<String>,
}

async fn demo(context: &Context) -> Outcome<Finding> {
    let dir = context.work.join("demo");
    let said = run(context, &dir, &[]).await?;
    report(&said).map(|report| report.finding(&said, 1))
}

async fn synthea(context: &Context) -> Outcome<Finding> {
    let (said, patients) = load_patients(context).await?;
    let finding = report(&said)?.finding(&said, patients);
    Ok(context.scale_remark(finding, &format!("{patients} patients")))
}

async fn memory(context: &Context) -> Outcome<Finding> {
    let mut trial = loaded_network(context).await?;
    // The search for leaks goes on with it.
    trial.leave();
    let loaded = trial.pss_bytes()?;
    let idle = context.scaled(IDLE_SECONDS, 5);
    tokio::time::sleep(Duration::from_secs(idle as u64)).await;
    let bytes = trial.pss_bytes()?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let ok = bytes < MEMORY_BYTES_MAX && trial.nodes().len() == NODES;
    let mut each = Vec::new();
    for node in trial.nodes() {
        each.push(format!("{} {:.0}", node.name, megabytes(trial.node_pss_bytes(node)?)));
    }
    let finding = Finding::new(format!("{:.0} MB", megabytes(bytes)), ok)
        .remark(format!("{:.0} MB before the pause", megabytes(loaded)))
        .remark(each.join(", "));
    Ok(context.scale_remark(finding, &format!("{idle} idle seconds")))
}

/// The demonstration network with the foreign patients loaded; the one that `main-job-synthea` left, if it runs.
pub(super) async fn loaded_network(context: &Context) -> Outcome<Trial> {
    let dir = loaded(context);
    if let Ok(mut trial) = Trial::adopt(context, &dir) {
        if trial.pss_bytes().is_ok() {
            return Ok(trial);
        }
        trial.leave();
    }
    let (said, _) = load_patients(context).await?;
    if !said.ok {
        return Err(Failure::new(Code::Short, said.last_words()));
    }
    Trial::adopt(context, &dir)
}

/// Runs the main job on the foreign patients and leaves the network up.
async fn load_patients(context: &Context) -> Outcome<(Said, usize)> {
    let dir = loaded(context);
    crate::acceptance::trial::end_all(&dir);
    let _ = std::fs::remove_dir_all(&dir);
    let patients = context.scaled(PATIENTS, 1);
    let fhir = some_of(context, &data(FHIR)?, patients)?;
    let fhir = fhir.display().to_string();
    Ok((run(context, &dir, &["--fhir", &fhir, "--keep"]).await?, patients))
}

fn loaded(context: &Context) -> PathBuf {
    context.work.join("synthea")
}

async fn run(context: &Context, dir: &Path, more: &[&str]) -> Outcome<Said> {
    Program::new(&context.binary)
        .args(["demo", "-o", "json", "--quiet", "--dir"])
        .args([dir])
        .args(more)
        .run(PATIENCE)
        .await
}

fn report(said: &Said) -> Outcome<Report> {
    serde_json::from_str(&said.out)
        .map_err(|error| Failure::new(Code::Short, format!("{error}: {}", said.last_words())))
}

/// A folder with the first `count` patients of `all`.
fn some_of(context: &Context, all: &Path, count: usize) -> Outcome<PathBuf> {
    if count == PATIENTS {
        return Ok(all.to_owned());
    }
    let failed = |error: std::io::Error| Failure::file(all, &error);
    let some = context.work.join("fhir");
    std::fs::create_dir_all(&some).map_err(failed)?;
    let is_patient = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && name.contains('_')
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(all)
        .map_err(failed)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_patient)
        .collect();
    files.sort();
    for file in files.iter().take(count) {
        let name = file.file_name().unwrap_or_default();
        std::fs::copy(file, some.join(name)).map_err(failed)?;
    }
    Ok(some)
}

// === impl Report ===

impl Report {
    fn finding(&self, said: &Said, patients_min: usize) -> Finding {
        let done = self.steps.iter().filter(|step| step.done == step.expected).count();
        let peers = || self.nodes.iter().filter(|node| node.role == "peer");
        let ends: BTreeSet<_> = peers().map(|node| (node.height, &node.commit_hash)).collect();
        let equal = ends.len() == 1 && ends.iter().all(|(_, hash)| hash.is_some());
        let ok = said.ok && self.ok && equal && self.patients >= patients_min;
        let figure = format!(
            "{} patients, {} records, {done} of {} steps, {} peers {}, {:.1} s",
            self.patients,
            self.records,
            self.steps.len(),
            peers().count(),
            if equal { "equal" } else { "differ" },
            said.took.as_secs_f64()
        );
        let each = self.steps.iter().map(|step| {
            let problem = step.problem.as_deref().map_or(String::new(), |why| format!(" ({why})"));
            format!("{} {} of {}{problem}", step.name, step.done, step.expected)
        });
        Finding::new(figure, ok).remark(each.collect::<Vec<_>>().join(", "))
    }
}
