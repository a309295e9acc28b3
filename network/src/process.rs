//! Processes of a network: who they are, what they cost, how they are ended.
//!
//! A pid alone does not name a process, since the system uses numbers again: a file beside the pid file holds the start
//! time. The pid file holds the pid alone, so that `kill $(cat pid)` is safe.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state;

/// Fields of `/proc/PID/stat` after the command's name, counted from zero.
const STATE: usize = 0;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const POLL: Duration = Duration::from_millis(20);
/// Of the file beside the pid file.
const START_EXTENSION: &str = "start";

/// A process that cannot be confused with a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    start_ticks: u64,
}

/// How to ask a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Finish what is under way.
    Gracefully,
    /// Now.
    AtOnce,
}

// === impl Process ===

impl Process {
    /// The running process `pid`.
    pub fn running(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let start_ticks = stat(pid)?.get(START_TICKS)?.parse().ok()?;
        Some(Self { pid, start_ticks })
    }

    /// The process that a pid file names, if it still runs.
    pub fn of_file(path: &Path) -> Option<Self> {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let pid = read(path)?.trim().parse().ok()?;
        let start_ticks = read(&start_file(path))?.trim().parse().ok()?;
        let named = Self { pid, start_ticks };
        named.is_alive().then_some(named)
    }

    /// Writes the pid file, and the start time beside it.
    pub fn write(self, path: &Path) -> Outcome<()> {
        state::replace_file(&start_file(path), format!("{}\n", self.start_ticks).as_bytes())?;
        state::replace_file(path, format!("{}\n", self.pid).as_bytes())
    }

    /// Removes the pid file of a process that has ended; without it nothing is lost.
    pub fn forget(path: &Path) {
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_file(start_file(path));
    }

    /// Its number.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it still runs; a zombie does not.
    pub fn is_alive(self) -> bool {
        let Some(fields) = stat(self.pid) else { return false };
        let same =
            fields.get(START_TICKS).is_some_and(|ticks| ticks.parse() == Ok(self.start_ticks));
        same && fields.get(STATE).is_some_and(|state| state != "Z" && state != "X")
    }

    /// CPU time it has used so far, all its threads together.
    pub fn cpu(self) -> Option<Duration> {
        cpu_of(self.pid)
    }

    /// Memory it alone is charged for (PSS), in bytes.
    pub fn pss_bytes(self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Sends the signal.
    pub fn end(self, how: End) {
        let signal = match how {
            End::Gracefully => rustix::process::Signal::TERM,
            End::AtOnce => rustix::process::Signal::KILL,
        };
        self.signal(signal);
    }

    /// Lets it do nothing, hear nothing and say nothing until it is thawed: to others it is cut off.
    pub fn freeze(self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(self, signal: rustix::process::Signal) {
        if let (true, Some(pid)) = (self.is_alive(), rustix::process::Pid::from_raw(self.pid)) {
            // It may have ended by itself in between.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until it has ended, at most `patience`.
    pub fn wait_end(self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// Asks, waits, and kills what does not listen.
    pub fn stop(self, name: &str, patience: Duration) -> Outcome<()> {
        self.end(End::Gracefully);
        if self.wait_end(patience) {
            return Ok(());
        }
        self.end(End::AtOnce);
        if self.wait_end(patience) {
            return Ok(());
        }
        Err(Failure::new(Code::NodeStuck, format!("process {} does not end", self.pid)).at(name))
    }
}

fn start_file(pid_file: &Path) -> PathBuf {
    pid_file.with_extension(START_EXTENSION)
}

/// CPU time that this process has used so far.
pub fn own_cpu() -> Duration {
    i32::try_from(std::process::id()).ok().and_then(cpu_of).unwrap_or_default()
}

fn cpu_of(pid: i32) -> Option<Duration> {
    let fields = stat(pid)?;
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let total = ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_micros(total * 1_000_000 / per_second))
}

/// Fields of `/proc/PID/stat` after the command's name, which may hold spaces and parentheses.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = text.rsplit_once(") ")?;
    Some(after.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_with_another_start_time_names_nobody() {
        let folder = std::env::temp_dir().join(format!("carecord-pid-{}", std::process::id()));
        let path = folder.join("pid");
        let own = Process::running(std::process::id()).unwrap();
        own.write(&path).unwrap();
        assert_eq!(Process::of_file(&path), Some(own));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()), "the pid alone");
        Process { start_ticks: own.start_ticks + 1, ..own }.write(&path).unwrap();
        assert_eq!(Process::of_file(&path), None);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_process_that_was_killed_is_not_alive() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::running(child.id()).unwrap();
        assert!(process.is_alive());
        process.end(End::AtOnce);
        assert!(process.wait_end(Duration::from_secs(5)));
        child.wait().unwrap();
    }
}
