//! `carecord node run`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::{self, Kind};

/// The allocator's own setting; 0: what is free goes back to the system at once.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

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
    if std::env::var_os(PURGE_DELAY).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(Code::NodeStopped, error).at("the program's own file"))?;
    let error = Command::new(&own).args(std::env::args_os().skip(1)).env(PURGE_DELAY, "0").exec();
    Err(Failure::new(Code::NodeStopped, error).at(own.display()))
}
