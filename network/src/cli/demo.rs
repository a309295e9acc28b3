//! `carecord demo`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::codes::Code;
use crate::demo::{self, Patient, Report};
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::process::Process;
use crate::session::Session;
use crate::state::NetworkDir;
use crate::topology::Topology;
use crate::{bringup, state};

const PATIENTS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Folder of the network; a network that runs there is used and left running.
    #[arg(long, env = "CARECORD_DIR", value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Folder with FHIR R4 bundles, one patient a file; patients are made up if not given.
    #[arg(long, value_name = "DIR")]
    fhir: Option<PathBuf>,
    /// How many patients are made up.
    #[arg(long, default_value_t = 3, value_name = "N")]
    patients: usize,
    /// What they are made from; the same seed gives the same patients.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Topology of a new network; the demonstration network if not given.
    #[arg(long, env = "CARECORD_TOPOLOGY", value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Leave the network running, and its folder in place.
    #[arg(long)]
    keep: bool,
    /// Seconds to wait for the nodes and for the chaincodes.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Demo ===

impl Demo {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let patients = self.patients()?;
        let root = self.dir.clone().unwrap_or_else(temporary);
        let dir = NetworkDir::new(&root)?;
        let ours = !is_running(&dir);
        let result = async {
            if ours {
                self.bring_up(&dir, output).await?;
            }
            let session = Session::open(dir.root())?;
            let channel = session.file().channel(None)?.name.clone();
            demo::run(session, &channel, patients, output).await
        }
        .await;
        if ours && !self.keep && dir.has_network() {
            bringup::stop(&dir.read()?)?;
        }
        let report = result?;
        output.result(&report, || report.people());
        self.tell_where(&dir, ours, &report, output)?;
        verdict(&report)
    }

    fn patients(&self) -> Outcome<Vec<Patient>> {
        if let Some(dir) = &self.fhir {
            return demo::load(dir);
        }
        if !(1..=PATIENTS_MAX).contains(&self.patients) {
            let cause = format!("--patients is {}; it takes 1 to {PATIENTS_MAX}", self.patients);
            return Err(Failure::new(Code::Argument, cause));
        }
        Ok(demo::generate(self.patients, self.seed))
    }

    async fn bring_up(&self, dir: &NetworkDir, output: Output) -> Outcome<()> {
        let file = if dir.has_network() {
            dir.read()?
        } else {
            let (topology, text) = Topology::load(self.topology.as_deref())?;
            bringup::init(dir, &topology, &text, output)?
        };
        let patience = Duration::from_secs(self.timeout);
        bringup::start(&file, patience, output)?;
        let session = Session::open(dir.root())?;
        let unserved = bringup::ready(&session, patience, output).await?;
        if let Some(channel) = unserved.into_iter().next() {
            return Err(channel.failure);
        }
        bringup::deploy(&session, &[], patience, output).await?;
        Ok(())
    }

    /// A folder of our own goes, unless somebody wants to look at it.
    fn tell_where(
        &self,
        dir: &NetworkDir,
        ours: bool,
        report: &Report,
        output: Output,
    ) -> Outcome<()> {
        let root = dir.root();
        if self.dir.is_none() && report.ok && !self.keep {
            std::fs::remove_dir_all(root).map_err(|error| Failure::file(root, &error))?;
            output.note(&format!(
                "the network lay in {} and is stopped and removed; --keep leaves it running",
                root.display()
            ));
            return Ok(());
        }
        let state = match (ours, self.keep) {
            (true, false) => "is stopped (--keep leaves it running)",
            _ => "is running",
        };
        output.note(&format!("the network {state}; everything is in {}", root.display()));
        Ok(())
    }
}

fn verdict(report: &Report) -> Outcome<()> {
    if report.ok {
        return Ok(());
    }
    let failed = report.steps.iter().find(|step| !step.is_ok());
    let cause = failed.map_or_else(
        || "the peers' chains differ".to_owned(),
        |step| {
            let problem = step.problem.as_deref().unwrap_or("some are missing");
            format!("{}: {} of {}: {problem}", step.name, step.done, step.expected)
        },
    );
    Err(Failure::new(Code::Demonstration, cause))
}

fn is_running(dir: &NetworkDir) -> bool {
    let running = |node: &state::NodeEntry| Process::of_file(&node.pid_file).is_some();
    dir.read().is_ok_and(|file| file.nodes.iter().all(running))
}

/// A folder on a real disk: the usual temporary folder may lie in memory, where a sync means nothing.
fn temporary() -> PathBuf {
    let name = format!("demo-{}", std::process::id());
    let cache = std::env::var_os("CARECORD_CACHE").map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache").join("carecord"))
    });
    match cache {
        Some(cache) => cache.join(name),
        None => std::env::temp_dir().join(format!("carecord-{name}")),
    }
}
