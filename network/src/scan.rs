//! Looks through everything that the nodes of a network have on disk for what must not be there.
//!
//! ```text
//! FHIR bundles, data keys ─▶ terms ─▶ matcher ─┐
//! DIR ─▶ stores ─┬─ every file, byte by byte ──┼─▶ search ⟲ views (gzip, base64, hex, …) ─▶ report
//!                ├─ tables: every column family ┤
//!                └─ record logs: every record ──┘
//! canary: a copy of DIR with something planted in each kind of store, which the scan must find
//! ```
//!
//! Place in the flow: `carecord debug scan`, the demonstration and acceptance call [`network`]. A scan that finds
//! nothing proves nothing by itself; [`canary::prove`] shows that it would have found it. What is covered, left out
//! and not seen is in `docs/privacy.md`.

pub mod canary;
mod fhir;
mod matcher;
mod records;
mod report;
mod search;
mod source;
mod stores;
mod tables;
mod terms;
mod views;

use std::path::Path;

use crate::error::{Exit, Failure, Outcome};
use crate::process::Process;
use crate::state::NetworkDir;

pub use report::{Excluded, Hit, Kind, Report, Store, Totals};
pub use terms::{Class, Terms};

use matcher::Matcher;
use stores::Layout;

/// The code of a scan that found something; its page is `docs/errors/CR-SCN-001.md`.
pub const LEAK: &str = "CR-SCN-001";
/// The code of a scan that could not look at everything, or missed a canary.
pub const BLIND: &str = "CR-SCN-002";

/// What a scan may say.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Name the terms that were found; without it a report can be shown to anybody.
    pub show: bool,
    /// How many findings are listed; all are counted.
    pub listed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { show: false, listed: report::HITS_MAX }
    }
}

/// Scans the folders of every node of the network in `dir`.
///
/// Stop the network first: rows that a peer still holds in memory are on no disk and in no table yet.
pub fn network(dir: &NetworkDir, terms: &Terms, options: Options) -> Outcome<Report> {
    let file = dir.read()?;
    let mut report = layout(&Layout::of(dir, &file), terms, options)?;
    report.running = file
        .nodes
        .iter()
        .filter(|node| Process::of_file(&node.pid_file).is_some())
        .map(|node| node.name.clone())
        .collect();
    report.complete &= report.running.is_empty();
    Ok(report)
}

/// Scans any folder by the same rules, the exclusions of a network's folder included.
pub fn folder(root: &Path, terms: &Terms, options: Options) -> Outcome<Report> {
    layout(&Layout::plain(root), terms, options)
}

fn layout(layout: &Layout, terms: &Terms, options: Options) -> Outcome<Report> {
    let matcher = Matcher::new(terms)?;
    stores::scan(layout, &matcher, options)
}

/// A scan that could not look at everything is a failure, never a shorter report.
fn blind(place: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::foreign(BLIND, Exit::Failed, reason).at(place.display())
}

#[cfg(test)]
mod tests;
