//! `carecord node run`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::{self, Kind};

/// The allocator's own settings: what is free goes back to the system at once, and memory is not taken in huge pages,
/// of which a node uses a little each (measured after a burst: 501 MB without, 221 MB with, for seven nodes).
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];

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
        give_memory_back()?;
        node::run(kind, &config)
    }
}

/// Has the allocator give free memory back, unless the operator has decided otherwise: a burst of load then leaves no
/// trace in the size of a node. The allocator reads its settings before `main`, hence the second start in place.
fn give_memory_back() -> Outcome<()> {
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
