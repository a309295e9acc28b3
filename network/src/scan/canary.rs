//! Proof that a scan sees: something is planted in every kind of store, in every view, and must be found there.
//!
//! Everything happens in a copy of the network's folder, made and removed here; the network's own files stay as
//! they are. What was planted is searched for in the place and view it was planted in, so a term that happens to
//! lie open somewhere else does not count.

mod plant;

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::report::{Kind, Report};
use super::stores::{self, Layout};
use super::tables::Scratch;
use super::{Options, Terms, blind};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::process::Process;
use crate::state::NetworkDir;

/// Something that was planted, and whether the scan found it.
#[derive(Debug, Clone, Serialize)]
pub struct Canary {
    /// The kind of store it lies in.
    pub kind: Kind,
    /// The file, database or log, below the network's folder.
    pub path: String,
    /// The view it has to be found in.
    pub view: &'static str,
    /// What it is dressed up as.
    pub dress: String,
    /// Whether it was found there.
    pub found: bool,
    #[serde(skip)]
    secret: String,
}

/// In how many ways one canary may be found: by its views, in its file and in the table over it.
const VIEWS_OF_ONE: usize = 16;

/// What a proof says.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// How many were planted; all of them were found.
    pub planted: usize,
    /// Databases in which every column family got one.
    pub tables: u64,
    /// Block logs and orderers' logs that got some.
    pub record_logs: u64,
    /// Every one of them.
    pub canaries: Vec<Canary>,
}

/// Proves that a scan of the stopped network in `dir` would find what lies in it; a missed canary is a failure.
pub fn prove(dir: &NetworkDir) -> Outcome<Proof> {
    let file = dir.read()?;
    let running = file.nodes.iter().find(|node| Process::of_file(&node.pid_file).is_some());
    if let Some(node) = running {
        return Err(Failure::new(
            Code::Argument,
            "canaries are planted in a copy of a stopped network",
        )
        .at(&node.name)
        .hint("stop it with `carecord network down`"));
    }
    prove_folder(dir.root())
}

/// The same for any folder.
pub fn prove_folder(root: &Path) -> Outcome<Proof> {
    let scratch = Scratch::new().map_err(|error| blind(&std::env::temp_dir(), error))?;
    let copy = scratch.0.join("copy");
    copy_folder(root, &copy, root)?;
    let mut planting = plant::Planting::new(&copy);
    planting.everything()?;
    let (mut canaries, terms) = planting.done();
    let report = look(&copy, &terms, canaries.len().saturating_mul(VIEWS_OF_ONE))?;
    for canary in &mut canaries {
        canary.found = is_found(canary, &report);
    }
    let missed: Vec<String> = canaries
        .iter()
        .filter(|canary| !canary.found)
        .map(|canary| format!("{} as {} in {}", canary.dress, canary.view, canary.path))
        .collect();
    if !missed.is_empty() {
        return Err(blind(
            root,
            format!("the scan misses what was planted: {}", missed.join("; ")),
        ));
    }
    Ok(Proof {
        planted: canaries.len(),
        tables: report.totals.tables,
        record_logs: report.totals.record_logs,
        canaries,
    })
}

fn look(copy: &Path, terms: &Terms, listed: usize) -> Outcome<Report> {
    let matcher = super::Matcher::new(terms)?;
    stores::scan(&Layout::plain(copy), &matcher, Options { show: true, listed })
}

fn is_found(canary: &Canary, report: &Report) -> bool {
    report.hits.iter().any(|hit| {
        hit.kind == canary.kind
            && hit.path == canary.path
            && hit.view == canary.view
            && hit.shown.as_deref() == Some(canary.secret.as_str())
    })
}

/// Copies all that a scan reads.
fn copy_folder(from: &Path, to: &Path, root: &Path) -> Outcome<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Failure::file(&path, &error)
    };
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if stores::excluded(path.strip_prefix(root).unwrap_or(&path)).is_some() {
            continue;
        }
        let kind = entry.file_type().map_err(failed(&path))?;
        if kind.is_dir() {
            copy_folder(&path, &copy, root)?;
        } else if kind.is_file() {
            fs::copy(&path, &copy).map_err(failed(&path))?;
        }
    }
    Ok(())
}
