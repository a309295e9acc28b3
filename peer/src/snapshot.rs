//! Snapshots of a channel's state, on request of the peer's administrators, while blocks go on being committed.
//!
//! Place in the flow: the service notes a request; the committer asks after each block whether one is due, and goes on as
//! soon as the engine has frozen a view of that block. The files are written from the view by a thread of their own.
//!
//! | folder below `data/snapshots` | what |
//! |---|---|
//! | `completed/CHANNEL/BLOCK` | finished snapshots, as Fabric lays them out |
//! | `requests/CHANNEL/BLOCK` | requests for a block still to come; they outlive a restart |
//! | `in_progress/CHANNEL-BLOCK` | being written; emptied at the start |

mod join;
mod service;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::channel::Channel;

pub(crate) use join::{Joining, begin as begin_join};
pub(crate) use service::SnapshotService;

/// Folder of everything about snapshots below the peer's data.
const FOLDER: &str = "snapshots";
/// Requests that may wait for their block at one channel.
const MAX_REQUESTS: usize = 64;

/// The requests of one channel, and where its snapshots lie.
#[derive(Debug)]
pub(crate) struct Snapshots {
    completed: PathBuf,
    requests: PathBuf,
    in_progress: PathBuf,
    pending: Mutex<Pending>,
}

/// Blocks of which a snapshot is wanted or being made.
#[derive(Debug, Default)]
struct Pending {
    wanted: BTreeSet<u64>,
    making: BTreeSet<u64>,
}

/// Why a request is refused or a snapshot was not made; the texts of requests are Fabric's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "requested snapshot for block number {block} cannot be less than the last committed block number {last}"
    )]
    Past { block: u64, last: u64 },
    #[error("snapshot already generated for block number {0}")]
    Exists(u64),
    #[error("duplicate snapshot request for block number {0}")]
    Duplicate(u64),
    #[error("no snapshot request exists for block number {0}")]
    Unknown(u64),
    #[error("cannot cancel the snapshot request because it is under processing")]
    Processing,
    #[error("too many snapshot requests wait for their block; the limit is {MAX_REQUESTS}")]
    Crowded,
    #[error("block {0} was committed meanwhile; ask for a later block, or for 0")]
    Overtaken(u64),
    #[error("{0}")]
    Disk(String),
    #[error(transparent)]
    Ledger(#[from] carecord_ledger::Error),
}

// === impl Snapshots ===

impl Snapshots {
    /// Reads the requests that an earlier run has left.
    pub(crate) fn open(data: &Path, channel: &str) -> Result<Self, std::io::Error> {
        let root = data.join(FOLDER);
        let snapshots = Self {
            completed: root.join("completed").join(channel),
            requests: root.join("requests").join(channel),
            in_progress: root.join("in_progress").join(channel),
            pending: Mutex::default(),
        };
        if snapshots.in_progress.exists() {
            std::fs::remove_dir_all(&snapshots.in_progress)?;
        }
        if snapshots.requests.exists() {
            let mut pending = snapshots.pending.lock();
            for entry in std::fs::read_dir(&snapshots.requests)? {
                let name = entry?.file_name();
                pending.wanted.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
            }
        }
        Ok(snapshots)
    }

    /// Blocks of which a snapshot is wanted or being made.
    pub(crate) fn pending(&self) -> Vec<u64> {
        let pending = self.pending.lock();
        pending.wanted.union(&pending.making).copied().collect()
    }

    /// Forgets a request whose block has not come.
    pub(crate) fn cancel(&self, block: u64) -> Result<(), Refused> {
        let mut pending = self.pending.lock();
        if pending.making.contains(&block) {
            return Err(Refused::Processing);
        }
        if !pending.wanted.remove(&block) {
            return Err(Refused::Unknown(block));
        }
        self.forget(block)
    }

    /// Whether a snapshot of this block is wanted; from then on it is being made.
    fn take(&self, block: u64) -> bool {
        let mut pending = self.pending.lock();
        let due = pending.wanted.remove(&block);
        if due {
            pending.making.insert(block);
        }
        due
    }

    fn note(&self, block: u64) -> Result<(), Refused> {
        let noted = std::fs::create_dir_all(&self.requests)
            .and_then(|()| std::fs::File::create(self.requests.join(block.to_string())))
            .and_then(|file| file.sync_all())
            .and_then(|()| sync(&self.requests));
        noted.map_err(|error| disk(&self.requests, &error))
    }

    fn forget(&self, block: u64) -> Result<(), Refused> {
        match std::fs::remove_file(self.requests.join(block.to_string())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(disk(&self.requests, &error))
            }
            _ => Ok(()),
        }
    }

    /// Gives the finished files their name.
    fn complete(&self, made: &Path, block: u64) -> Result<PathBuf, Refused> {
        let to = self.completed.join(block.to_string());
        std::fs::create_dir_all(&self.completed)
            .and_then(|()| std::fs::rename(made, &to))
            .and_then(|()| sync(&self.completed))
            .map_err(|error| disk(&to, &error))?;
        Ok(to)
    }

    fn exists(&self, block: u64) -> bool {
        self.completed.join(block.to_string()).exists()
    }
}

/// Takes a request: for block 0 of the state as it is now, for a later block once that is committed.
pub(crate) fn submit(channel: &Arc<Channel>, block: u64) -> Result<(), Refused> {
    let snapshots = channel.snapshots();
    let mut pending = snapshots.pending.lock();
    // Read under the lock: a block that is committed after this finds the request.
    let last = channel.ledger().height().saturating_sub(1);
    let wanted = if block == 0 { last } else { block };
    if wanted < last {
        return Err(Refused::Past { block, last });
    }
    if snapshots.exists(wanted) {
        return Err(Refused::Exists(wanted));
    }
    if pending.wanted.contains(&wanted) || pending.making.contains(&wanted) {
        return Err(Refused::Duplicate(wanted));
    }
    if pending.wanted.len() + pending.making.len() >= MAX_REQUESTS {
        return Err(Refused::Crowded);
    }
    if wanted > last {
        snapshots.note(wanted)?;
        pending.wanted.insert(wanted);
        return Ok(());
    }
    pending.making.insert(wanted);
    drop(pending);
    let exact = block != 0;
    let (sender, begun) = std::sync::mpsc::sync_channel(1);
    make(channel, wanted, exact, move || {
        let _ = sender.send(());
    });
    // Ends at once, with the frozen view or with the failure to get one.
    let _ = begun.recv();
    Ok(())
}

/// Makes the snapshot of the block that was just committed, if one is wanted; returns as soon as its view is frozen.
pub(crate) async fn on_committed(channel: &Arc<Channel>, block: u64) {
    if !channel.snapshots().take(block) {
        return;
    }
    let (sender, begun) = tokio::sync::oneshot::channel();
    make(channel, block, true, move || {
        let _ = sender.send(());
    });
    let _ = begun.await;
}

/// Makes what was wanted of the last block when the peer went down; what was missed altogether is dropped.
pub(crate) fn resume(channel: &Arc<Channel>) {
    let snapshots = channel.snapshots();
    let last = channel.ledger().height().saturating_sub(1);
    let due = snapshots.pending.lock().wanted.range(..=last).copied().collect::<Vec<_>>();
    for block in due {
        if snapshots.take(block) && block == last && !snapshots.exists(block) {
            let (sender, begun) = std::sync::mpsc::sync_channel(1);
            make(channel, block, true, move || {
                let _ = sender.send(());
            });
            let _ = begun.recv();
            continue;
        }
        snapshots.pending.lock().making.remove(&block);
        if !snapshots.exists(block) {
            tracing::warn!(
                channel = channel.id(),
                block,
                "snapshot was missed while the peer was down"
            );
        }
        if let Err(error) = snapshots.forget(block) {
            tracing::error!(channel = channel.id(), block, %error, "request is not removed");
        }
    }
}

/// Writes a snapshot on a thread of its own; `begun` is called or dropped once the view is frozen or cannot be.
fn make(channel: &Arc<Channel>, block: u64, exact: bool, begun: impl FnOnce() + Send + 'static) {
    let channel = Arc::clone(channel);
    let work = move || {
        let snapshots = channel.snapshots();
        match write(&channel, block, exact, begun) {
            Ok(folder) => {
                let folder = folder.display().to_string();
                tracing::info!(channel = channel.id(), block, folder, "snapshot made");
            }
            Err(error) => {
                tracing::error!(channel = channel.id(), block, %error, "snapshot not made");
            }
        }
        if let Err(error) = snapshots.forget(block) {
            tracing::error!(channel = channel.id(), block, %error, "request is not removed");
        }
        snapshots.pending.lock().making.remove(&block);
    };
    if let Err(error) = std::thread::Builder::new().name("snapshot".to_owned()).spawn(work) {
        tracing::error!(block, %error, "no thread for a snapshot");
    }
}

fn write(
    channel: &Channel,
    wanted: u64,
    exact: bool,
    begun: impl FnOnce(),
) -> Result<PathBuf, Refused> {
    let snapshots = channel.snapshots();
    let draft = snapshots.in_progress.join(wanted.to_string());
    std::fs::create_dir_all(&snapshots.in_progress).map_err(|error| disk(&draft, &error))?;
    let made = channel.ledger().snapshot(&draft, |_| begun());
    let result =
        made.map_err(Refused::from).and_then(|made| match made.block == wanted || !exact {
            true if snapshots.exists(made.block) => Err(Refused::Exists(made.block)),
            true => snapshots.complete(&draft, made.block),
            false => Err(Refused::Overtaken(made.block)),
        });
    if result.is_err() && draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(|error| disk(&draft, &error))?;
    }
    result
}

fn sync(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

fn disk(path: &Path, error: &std::io::Error) -> Refused {
    Refused::Disk(format!("{}: {error}", path.display()))
}
