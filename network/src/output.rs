//! How results are shown: tables for people, JSON for programs, progress on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::Failure;

const SPINNER_INTERVAL: Duration = Duration::from_millis(80);
/// Width of the column with the names of steps.
const STEP_WIDTH: usize = 14;

/// Form of results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Prints results and progress in the form that the user asked for.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    quiet: bool,
}

/// A step of work that is going on.
pub struct Step {
    name: String,
    begun: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
}

// === impl Output ===

impl Output {
    /// Shows results as `format`; `quiet` leaves progress out.
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// Whether results are JSON.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result: as JSON, or what `table` makes for people.
    pub fn result<T: Serialize>(self, value: &T, table: impl FnOnce() -> String) {
        let text = match self.format {
            Format::Json => serde_json::to_string_pretty(value)
                .expect("results are plain data and always have a JSON form"),
            Format::Table => table(),
        };
        line(&mut std::io::stdout().lock(), &text);
    }

    /// Prints text for people; in JSON mode nothing.
    pub fn text(self, text: &str) {
        if self.format == Format::Table {
            line(&mut std::io::stdout().lock(), text);
        }
    }

    /// Prints a remark beside the result.
    pub fn note(self, text: &str) {
        if !self.quiet {
            line(&mut std::io::stderr().lock(), text);
        }
    }

    /// Prints a failure.
    pub fn failure(self, failure: &Failure) {
        let text = match self.format {
            Format::Json => failure.to_json().to_string(),
            Format::Table => failure.to_string(),
        };
        line(&mut std::io::stderr().lock(), &text);
    }

    /// Begins a step; a spinner turns while it goes on, if somebody is watching.
    pub fn step(self, name: &str) -> Step {
        let watched = std::io::stderr().is_terminal() && !self.quiet;
        let bar = watched.then(|| {
            let style = ProgressStyle::with_template(" {spinner} {prefix:14} {msg}")
                .expect("the template is a constant");
            let bar = ProgressBar::new_spinner().with_style(style).with_prefix(name.to_owned());
            bar.enable_steady_tick(SPINNER_INTERVAL);
            bar
        });
        Step { name: name.to_owned(), begun: Instant::now(), bar, quiet: self.quiet }
    }
}

// === impl Step ===

impl Step {
    /// Says how far the step is.
    pub fn progress(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Ends the step and says what came of it.
    pub fn done(self, text: &str) -> Duration {
        self.end(true, text)
    }

    /// Ends the step, well or not, and says what came of it.
    pub fn end(self, ok: bool, text: &str) -> Duration {
        let took = self.begun.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.quiet {
            let name = &self.name;
            let verdict = if ok { "ok" } else { "!!" };
            let text =
                format!(" {verdict} {name:STEP_WIDTH$} {text:58} {:>6.1} s", took.as_secs_f64());
            line(&mut std::io::stderr().lock(), &text);
        }
        took
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A table with a heading, without frame, for people and for `grep`.
pub fn table<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A closed pipe is not an error: `carecord … | head` ends early.
fn line(out: &mut impl Write, text: &str) {
    let _ = writeln!(out, "{text}");
}
