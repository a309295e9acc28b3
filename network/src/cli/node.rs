//! `carecord node run`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::error::Outcome;
use crate::node::{self, Kind};

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
        node::run(kind, &config)
    }
}
