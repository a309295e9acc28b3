//! The life of a node's process: configuration, logs, start, wait, graceful end.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::config::NodeConfig;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// What a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// An ordering node.
    Orderer,
    /// A peer.
    Peer,
}

/// Runs the node until it is told to end.
pub fn run(kind: Kind, config: &Path) -> Outcome<()> {
    let path = config;
    let config = NodeConfig::load(path)?;
    let runtime = runtime(config.threads)
        .map_err(|error| Failure::new(Code::NodeConfig, error).at(path.display()))?;
    let _ = (&runtime, kind);
    runtime.block_on(async {
        wait_for_end().await.map_err(|error| Failure::new(Code::NodeConfig, error))
    })
}

fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

/// Returns on SIGTERM or Ctrl-C; a terminal that goes away (SIGHUP) does not end a node.
async fn wait_for_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {}
        }
    }
}
