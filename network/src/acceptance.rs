//! Claims as named checks that anyone can run again: name, figure, goal, and `ok` or `short`.
//!
//! Place in the flow: `carecord-acceptance` (`make acceptance`) runs the checks of [`checks::all`]. A check is a
//! function that measures or proves one thing and says what came out; it never decides what the goal is.

mod chains;
mod checks;
mod document;
mod ledgers;
mod load;
mod program;
mod run;
mod suite;
mod trial;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use serde::Serialize;

use crate::error::Outcome;
use crate::output::Output;

pub use run::main;

/// What a check is given.
#[derive(Debug, Clone)]
pub struct Context {
    /// Part of the full length that long checks run at, 0 to 1.
    pub scale: f64,
    /// Folder for the networks and files of this run.
    pub work: PathBuf,
    /// The carecord binary beside this one.
    pub binary: PathBuf,
    /// Shows progress.
    pub output: Output,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The figure, with its unit.
    pub figure: String,
    /// Whether the goal is reached.
    pub ok: bool,
    /// What a reader should know beside it: scale, details of a shortfall.
    pub remark: Option<String>,
    /// Figures in full, for programs; the JSON report has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// The work of a check.
pub type Work = fn(&Context) -> Pin<Box<dyn Future<Output = Outcome<Finding>> + '_>>;

/// A named check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Name, for `ONLY=`.
    pub name: &'static str,
    /// Group, for `GROUP=`.
    pub group: &'static str,
    /// What must come out.
    pub goal: &'static str,
    /// How it is found out.
    pub work: Work,
}

// === impl Finding ===

impl Finding {
    /// A figure that reaches its goal or does not.
    pub fn new(figure: impl Into<String>, ok: bool) -> Self {
        Self { figure: figure.into(), ok, remark: None, details: None }
    }

    /// Adds a remark to those that are there.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        let remark = remark.into();
        self.remark = Some(match self.remark.take() {
            Some(before) => format!("{before}; {remark}"),
            None => remark,
        });
        self
    }

    /// Adds figures in full.
    #[must_use]
    pub fn details(mut self, details: &impl Serialize) -> Self {
        self.details = serde_json::to_value(details).ok();
        self
    }
}

// === impl Context ===

impl Context {
    /// `full` times the scale, at least `least`.
    pub(crate) fn scaled(&self, full: usize, least: usize) -> usize {
        ((full as f64 * self.scale).round() as usize).clamp(least.min(full), full)
    }

    /// Says in `finding` what a run shorter than the full one was scaled to.
    pub(crate) fn scale_remark(&self, finding: Finding, what: &str) -> Finding {
        if self.scale >= 1.0 {
            return finding;
        }
        finding.remark(format!("scaled by {} to {what}", self.scale))
    }
}
