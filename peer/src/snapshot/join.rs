//! Joining a channel from a snapshot, beside the call that asked for it.

use std::{path::PathBuf, sync::Arc};

use carecord_ledger::Snapshot;
use carecord_proto::protos::JoinBySnapshotStatus;
use parking_lot::Mutex;

use crate::peer::Peer;

/// The join that is under way, and how the last one failed.
#[derive(Debug, Default)]
pub(crate) struct Joining {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    folder: Option<String>,
    failure: Option<String>,
}

// === impl Joining ===

impl Joining {
    /// What is under way; the failure of the last one is told once.
    pub(crate) fn status(&self) -> Result<JoinBySnapshotStatus, String> {
        let mut state = self.state.lock();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let folder = state.folder.clone();
        Ok(JoinBySnapshotStatus {
            in_progress: folder.is_some(),
            bootstrapping_snapshot_dir: folder.unwrap_or_default(),
        })
    }
}

/// Begins to join the channel of the snapshot in `folder`; [`Joining::status`] tells when that is over.
pub(crate) fn begin(peer: &Arc<Peer>, folder: String) -> Result<(), String> {
    let path = PathBuf::from(&folder);
    let snapshot = Snapshot::read(&path)
        .map_err(|error| format!("cannot join channel from snapshot: {error}"))?;
    if peer.channel(&snapshot.channel).is_some() {
        return Err(format!("ledger [{}] already exists", snapshot.channel));
    }
    {
        let mut state = peer.joining_by_snapshot().state.lock();
        if let Some(other) = &state.folder {
            return Err(format!("a ledger is being created from the snapshot at {other}"));
        }
        *state = State { folder: Some(folder), failure: None };
    }
    let peer = Arc::clone(peer);
    let work = move || {
        let joined = peer.join_from(&path);
        let failure = joined.err().map(|error| error.to_string());
        if let Some(error) = &failure {
            tracing::error!(folder = %path.display(), error, "channel not joined from a snapshot");
        }
        *peer.joining_by_snapshot().state.lock() = State { folder: None, failure };
    };
    let spawned = std::thread::Builder::new().name("snapshot-join".to_owned()).spawn(work);
    spawned.map(|_| ()).map_err(|error| error.to_string())
}
