//! What a channel's task publishes and the services read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use carecord_channel::Bundle;
use carecord_consensus::{ConsenterStatus, NodeId};
use carecord_monitoring::OrdererMetrics;
use carecord_msp::CurrentSigner;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Inbox, State};
use crate::Error;
use crate::cluster::{Greeting, Members, Pins};
use crate::host::Host;
use crate::storage::{Folder, Log};

/// The id under which this node must not vote any more, for want of the data that it voted with.
const BARRED: &str = "barred";

/// One channel as all its parts see it.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) inbox: Inbox,
    pub(crate) bundle: ArcSwap<Bundle>,
    pub(crate) members: ArcSwap<Members>,
    /// Signs configurations and blocks, as who this node is now.
    pub(crate) signer: Arc<CurrentSigner>,
    pub(crate) log: Arc<Log>,
    /// How many blocks may be delivered; none until the join block is reached.
    pub(crate) height: watch::Sender<u64>,
    pub(crate) state: watch::Sender<State>,
    /// What this node says of itself to other consenters, and what it remembers of them.
    pub(crate) greeting: Greeting,
    pub(crate) pins: Pins,
    pub(crate) folder: Folder,
    /// Number and header hash of the block that the channel was joined by, until it is reached.
    pub(crate) join_point: Mutex<Option<(u64, [u8; 32])>>,
    /// How many blocks the log holds.
    pub(crate) stored: AtomicU64,
    pub(crate) barred: Mutex<Option<NodeId>>,
    /// The consenters as the core sees them, brought up to date at each tick.
    pub(crate) consenters: watch::Sender<Vec<ConsenterStatus>>,
}

// === impl Shared ===

impl Shared {
    /// The id by which this node takes part in consensus, if it does.
    pub(crate) fn own_id(&self, host: &Host) -> Option<NodeId> {
        let members = self.members.load();
        let own = members.own(|der| host.config.own.has(der))?.id;
        Some(own).filter(|own| !self.is_barred(*own))
    }

    /// Whether this node must not vote under this id.
    pub(crate) fn is_barred(&self, own: NodeId) -> bool {
        *self.barred.lock() == Some(own)
    }

    /// Whether all blocks up to the one that the channel was joined by are here.
    pub(crate) fn is_whole(&self) -> bool {
        self.join_point.lock().is_none()
    }

    pub(crate) fn join_point(&self) -> Option<(u64, [u8; 32])> {
        *self.join_point.lock()
    }

    /// How many blocks the log holds, to be delivered or not.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed).max(*self.height.borrow())
    }

    /// So many blocks are verified and durable.
    pub(crate) fn reached(&self, height: u64, metrics: &OrdererMetrics) -> Result<(), Error> {
        self.stored.store(height, Ordering::Relaxed);
        if self.join_point().is_some_and(|(number, _)| height > number) {
            self.folder.joined()?;
            *self.join_point.lock() = None;
        }
        if self.is_whole() {
            self.deliverable(height, metrics);
        }
        Ok(())
    }

    /// So many blocks may be delivered. What was fetched already is not taken back while Raft brings it again.
    pub(crate) fn deliverable(&self, height: u64, metrics: &OrdererMetrics) {
        let name = [self.name.as_str()];
        self.height.send_if_modified(|known| {
            let more = height > *known;
            *known = height.max(*known);
            more
        });
        metrics.height.with_label_values(&name).set(*self.height.borrow() as i64);
    }

    pub(crate) fn show(&self, state: State, metrics: &OrdererMetrics) {
        state.measure(metrics, &self.name);
        self.state.send_if_modified(|known| {
            let other = *known != state;
            *known = state;
            other
        });
    }

    /// This node must not vote under `own` any more, not after a restart either.
    pub(crate) fn bar(&self, own: NodeId) -> Result<(), Error> {
        self.folder.write(BARRED, own.to_string().as_bytes())?;
        *self.barred.lock() = Some(own);
        Ok(())
    }

    /// What [`Self::bar`] wrote in an earlier run.
    pub(crate) fn read_barred(folder: &Folder) -> Result<Option<NodeId>, Error> {
        let text = folder.read(BARRED)?.and_then(|text| String::from_utf8(text).ok());
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// Where blocks can be had: the orderers' addresses for clients, but not this node's own.
    pub(crate) fn sources(&self, host: &Host) -> Vec<String> {
        let bundle = self.bundle.load();
        let of_organisations = bundle.orderer().into_iter().flat_map(|orderer| orderer.endpoints());
        let mut all: Vec<String> = of_organisations.map(|(_, at)| at.to_owned()).collect();
        all.extend(bundle.orderer_addresses().iter().cloned());
        all.retain(|address| *address != host.config.client_listen);
        all.dedup();
        let first = rand::random_range(0..all.len().max(1));
        all.rotate_left(first);
        all
    }
}
