//! Other programs that checks run: the carecord binary, cargo, npm, python, git.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Lines of a program's last words that a failure shows.
const LAST_LINES: usize = 12;

/// What a program said and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    pub(super) err: String,
    /// Whether its exit code was 0.
    pub(super) ok: bool,
    /// How long it ran.
    pub(super) took: Duration,
}

/// A program to be run to its end.
pub(super) struct Program {
    name: String,
    command: Command,
}

/// A file that takes what a program says.
struct Spool(PathBuf);

// === impl Program ===

impl Program {
    /// The program `name`, found as the shell finds it.
    pub(super) fn new(name: impl AsRef<OsStr>) -> Self {
        let shown = Path::new(name.as_ref()).file_name().unwrap_or_else(|| name.as_ref());
        let shown = shown.to_string_lossy().into_owned();
        let mut command = Command::new(name);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Self { name: shown, command }
    }

    /// Appends arguments.
    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it, at most for `patience`, and collects what it says.
    ///
    /// Output goes through files: a process that it leaves behind would hold a pipe open for ever.
    pub(super) async fn run(mut self, patience: Duration) -> Outcome<Said> {
        let failed = |error: std::io::Error| {
            Failure::new(Code::Short, format!("cannot run {}: {error}", self.name))
        };
        let (out, err) = (Spool::new(), Spool::new());
        self.command.stdout(out.create().map_err(failed)?);
        self.command.stderr(err.create().map_err(failed)?);
        let begun = Instant::now();
        let mut child = self.command.spawn().map_err(failed)?;
        let status = tokio::time::timeout(patience, child.wait()).await;
        let (out, err) = (out.text(), err.text());
        match status {
            Ok(status) => {
                let ok = status.map_err(failed)?.success();
                Ok(Said { out, err, ok, took: begun.elapsed() })
            }
            Err(_) => {
                let said = Said { out, err, ok: false, took: patience };
                let cause = format!("{} ran for more than {} s", self.name, patience.as_secs());
                Err(Failure::new(Code::Short, format!("{cause}\n{}", said.last_words())))
            }
        }
    }

    /// Like [`Program::run`]; an exit code other than 0 is a failure that shows the program's last words.
    pub(super) async fn succeed(self, patience: Duration) -> Outcome<Said> {
        let name = self.name.clone();
        let said = self.run(patience).await?;
        if said.ok {
            return Ok(said);
        }
        Err(Failure::new(Code::Short, format!("{name} failed:\n{}", said.last_words())))
    }
}

// === impl Spool ===

impl Spool {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("carecord-said-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn create(&self) -> std::io::Result<std::fs::File> {
        std::fs::File::create(&self.0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.0).unwrap_or_default()).into_owned()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

// === impl Said ===

impl Said {
    /// The end of what it said.
    pub(super) fn last_words(&self) -> String {
        let all = format!("{}\n{}", self.out.trim_end(), self.err.trim_end());
        let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}
