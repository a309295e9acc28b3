//! Who opens, joins and removes the channels of this orderer.
//!
//! Place in the flow: at its start the node opens what lies in its folder and joins what its configuration names; later
//! the participation service joins and removes. One such step at a time; everything else reads the [`Registry`].

use std::collections::BTreeMap;
use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_monitoring::OrdererMetrics;
use carecord_proto::common::Block;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::channel::{ChannelHandle, Input, Relation, Standing, State};
use crate::host::Host;
use crate::registry::Registry;
use crate::storage::{self, Folders};
use crate::{Config, Error};

/// Opens, joins and removes channels.
pub(crate) struct Registrar {
    pub(crate) host: Arc<Host>,
    pub(crate) registry: Arc<Registry>,
    folders: Folders,
    tasks: Mutex<BTreeMap<String, JoinHandle<()>>>,
    turn: tokio::sync::Mutex<()>,
}

/// What is told of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelInfo {
    pub(crate) name: String,
    pub(crate) relation: Relation,
    pub(crate) standing: Standing,
    pub(crate) height: u64,
}

/// Why a channel cannot be joined, removed, changed or read, in Fabric's words (`orderer/common/types/errors.go`).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("channel already exists")]
    Exists,
    #[error("channel does not exist")]
    Unknown,
    #[error("channel pending removal")]
    PendingRemoval,
    #[error("channel removal failure")]
    RemovalFailure,
    #[error(transparent)]
    Failed(#[from] Error),
}

// === impl Registrar ===

impl Registrar {
    pub(crate) fn new(
        config: Config,
        metrics: OrdererMetrics,
        fatal: mpsc::UnboundedSender<Error>,
    ) -> Result<Self, Error> {
        let folders = Folders::open(&config.data)?;
        Ok(Self {
            host: Arc::new(Host::new(config, metrics, fatal)),
            registry: Arc::default(),
            folders,
            tasks: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Opens every channel in the data folder, and joins those whose first blocks are given unless they were removed.
    pub(crate) fn open_all(&self, first_blocks: &[Block]) -> Result<(), Error> {
        for block in first_blocks {
            let bundle = Bundle::from_block(block)?;
            if !self.folders.was_removed(bundle.channel_id())? {
                self.folders.create(bundle.channel_id(), block)?;
            }
        }
        self.folders.channels()?.iter().try_for_each(|name| self.open(name, false))
    }

    fn open(&self, name: &str, joined_now: bool) -> Result<(), Error> {
        let folder = self.folders.folder(name)?;
        let (channel, task) = crate::channel::open(&self.host, &folder, joined_now)?;
        channel.state().measure(&self.host.metrics, name);
        self.registry.insert(channel);
        self.tasks.lock().insert(name.to_owned(), task);
        Ok(())
    }

    /// Joins the channel of a configuration block that was checked.
    pub(crate) async fn join(&self, channel: &str, block: &Block) -> Result<ChannelInfo, Refusal> {
        let _turn = self.turn.lock().await;
        self.check_leaving(channel)?;
        if self.registry.get(channel).is_some() {
            return Err(Refusal::Exists);
        }
        self.folders.create(channel, block)?;
        if let Err(error) = self.open(channel, true) {
            // What cannot be opened now cannot be opened at the next start either.
            let gone = self.folders.remove(channel)?;
            storage::delete(&gone)?;
            return Err(error.into());
        }
        tracing::info!(channel, number = carecord_proto::block::number(block), "channel joined");
        self.info(channel)
    }

    /// Removes a channel and its data; when this returns, it will not come back. The disk is freed a little later.
    pub(crate) async fn remove(self: &Arc<Self>, channel: &str) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        match self.registry.leaving(channel) {
            Some(leaving) if leaving.standing != Standing::Failed => {
                return Err(Refusal::PendingRemoval);
            }
            Some(_) => {}
            None => {
                let handle = self.registry.leave(channel).ok_or(Refusal::Unknown)?;
                self.end(&handle).await;
            }
        }
        let removed = self.folders.remove(channel);
        let Ok(gone) = removed else {
            self.registry.left(channel, false);
            self.host.metrics.participation_status.with_label_values(&[channel]).set(3);
            return removed.map(drop).map_err(Refusal::Failed);
        };
        let (this, name) = (Arc::clone(self), channel.to_owned());
        tokio::task::spawn_blocking(move || this.free(&name, &gone));
        tracing::info!(channel, "channel removed");
        Ok(())
    }

    fn free(&self, channel: &str, gone: &std::path::Path) {
        let freed = storage::delete(gone);
        if let Err(error) = &freed {
            tracing::error!(channel, %error, "what is left of a removed channel cannot be deleted");
        }
        self.registry.left(channel, freed.is_ok());
        let status = if freed.is_ok() { Standing::Inactive } else { Standing::Failed };
        self.host.metrics.participation_status.with_label_values(&[channel]).set(status as i64);
    }

    /// Ends a channel's task and all who wait for its blocks.
    async fn end(&self, channel: &ChannelHandle) {
        channel.inbox().send(Input::Stop).await;
        let task = self.tasks.lock().remove(channel.name());
        if let Some(task) = task {
            let _ = task.await;
        }
        channel.set_state(State::Removed);
    }

    /// Hands over leadership everywhere and ends all channels.
    pub(crate) async fn stop(&self) {
        let _turn = self.turn.lock().await;
        for channel in self.registry.all() {
            channel.inbox().send(Input::Stop).await;
        }
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks.into_values() {
            let _ = task.await;
        }
    }

    /// What is told of a channel.
    pub(crate) fn info(&self, name: &str) -> Result<ChannelInfo, Refusal> {
        let name = name.to_owned();
        if let Some(channel) = self.registry.get(&name) {
            let (state, height) = (channel.state(), channel.stored());
            let (relation, standing) = (state.relation(), state.standing());
            return Ok(ChannelInfo { name, relation, standing, height });
        }
        let leaving = self.registry.leaving(&name).ok_or(Refusal::Unknown)?;
        let (relation, standing) = (leaving.relation, leaving.standing);
        Ok(ChannelInfo { name, relation, standing, height: 0 })
    }

    /// A channel that can be read and changed.
    pub(crate) fn channel(&self, name: &str) -> Result<ChannelHandle, Refusal> {
        self.check_leaving(name)?;
        self.registry.get(name).ok_or(Refusal::Unknown)
    }

    fn check_leaving(&self, channel: &str) -> Result<(), Refusal> {
        match self.registry.leaving(channel) {
            None => Ok(()),
            Some(leaving) if leaving.standing == Standing::Failed => Err(Refusal::RemovalFailure),
            Some(_) => Err(Refusal::PendingRemoval),
        }
    }
}
