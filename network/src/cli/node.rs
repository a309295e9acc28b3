//! `carecord node run`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::{self, Kind};

/// Settings of the two allocators, ours and the C library's that RocksDB uses: what is free goes back to the system at
/// once, memory comes in pages of 4 KiB instead of 2 MiB, and RocksDB's threads share one arena.
const ALLOCATOR: [(&str, &str); 4] = [
    ("MIMALLOC_PURGE_DELAY", "0"),
    ("MIMALLOC_ALLOW_THP", "0"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Node {
    /// Run a node in this process until it is told to end.
    Run {
        /// What it runs as.
        kind: Kind,
        /// Its configuration.
        #[arg(long, short = 'f', env = "CARECORD_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
}

// === impl Node ===

impl Node {
    pub(super) fn run(self) -> Outcome<()> {
        let Self::Run { kind, config } = self;
        keep_small()?;
        node::run(kind, &config)
    }
}

/// Keeps a burst of load from leaving its trace in the size of a node; what the operator has set stays as it is. The
/// allocator reads its settings before `main`, hence the second start in place.
fn keep_small() -> Outcome<()> {
    let missing: Vec<_> =
        ALLOCATOR.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(Code::NodeStopped, error).at("the program's own file"))?;
    let error = Command::new(&own).args(std::env::args_os().skip(1)).envs(missing).exec();
    Err(Failure::new(Code::NodeStopped, error).at(own.display()))
}
