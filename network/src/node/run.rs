//! The life of a node's process: configuration, logs, start, wait, graceful end.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::config::NodeConfig;
use super::operations::Observed;
use super::{ca, orderer, peer};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// What a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// An ordering node.
    Orderer,
    /// A peer.
    Peer,
    /// A membership service.
    Ca,
}

/// How long a thread for heavy work stays when there is none; each holds memory of its own.
const IDLE_THREAD: Duration = Duration::from_secs(1);

/// Why a node ends.
pub(super) enum Ended {
    /// It was told to.
    Asked,
    /// It cannot go on.
    Failed(Failure),
}

/// Runs the node until it is told to end or cannot go on.
pub fn run(kind: Kind, path: &Path) -> Outcome<()> {
    let config = NodeConfig::load(path)?;
    let observed = Observed::new(&config)?;
    let runtime = runtime(config.threads)
        .map_err(|error| Failure::new(Code::NodeConfig, error).at(path.display()))?;
    runtime.block_on(async {
        match kind {
            Kind::Orderer => orderer::run(&config, &observed).await,
            Kind::Peer => peer::run(&config, &observed).await,
            Kind::Ca => ca::run(&config, &observed).await,
        }
    })
}

/// One thread is the cheapest on few cores; what takes long runs on threads of its own in any case.
fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.thread_keep_alive(IDLE_THREAD).enable_all().build()
}

/// Returns on SIGTERM or Ctrl-C; a terminal that goes away (SIGHUP) does not end a node.
pub(super) async fn wait_for_end() -> Ended {
    match signalled().await {
        Ok(()) => Ended::Asked,
        Err(error) => Ended::Failed(Failure::new(
            Code::NodeStopped,
            format!("cannot wait for signals: {error}"),
        )),
    }
}

async fn signalled() -> std::io::Result<()> {
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

// === impl Ended ===

impl Ended {
    /// The end of a part of the node that only a failure ends.
    pub(super) fn of(outcome: Outcome<()>) -> Self {
        outcome.map_or_else(Self::Failed, |()| Self::Asked)
    }

    pub(super) fn outcome(self) -> Outcome<()> {
        match self {
            Self::Asked => Ok(()),
            Self::Failed(failure) => Err(failure),
        }
    }
}
