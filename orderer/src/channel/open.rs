//! From a channel's folder to its running task.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use carecord_channel::Bundle;
use carecord_consensus::Restored;
use carecord_proto::block;
use carecord_proto::common::Block;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::life::Life;
use super::{ChannelHandle, Inbox, Shared, State};
use crate::Error;
use crate::cluster::{Greeting, Members, Pins};
use crate::host::Host;
use crate::storage::{self, Folder, Log};

/// Opens a channel's log and starts the task that drives it. A channel that an administrator has joined just now is
/// believed to be new, as Fabric's answer to the join says it.
pub(crate) fn open(
    host: &Arc<Host>,
    folder: &Folder,
    joined_now: bool,
) -> Result<(ChannelHandle, JoinHandle<()>), Error> {
    let opened = storage::open(folder.path())?;
    let stored = opened.restored.as_ref().map_or(0, Restored::stored);
    let join_block = folder.join_block()?.filter(|block| block::number(block) >= stored);
    if join_block.is_none() {
        folder.joined()?; // reached before a crash
    }
    let (bundle, members) = in_force(join_block.as_ref(), &opened.log, opened.restored.as_ref())?;
    let consenters = members.iter().count();
    let (inbox, inputs) = Inbox::new();
    let height = if join_block.is_some() { 0 } else { stored };
    let onboarding = join_block.is_some();
    let shared = Arc::new(Shared {
        name: bundle.channel_id().to_owned(),
        inbox,
        bundle: ArcSwap::from_pointee(bundle),
        members: ArcSwap::from_pointee(members),
        signer: Arc::clone(&host.signer),
        log: opened.log,
        height: watch::Sender::new(height),
        state: watch::Sender::new(State::Following { onboarding, connected: false }),
        greeting: Greeting::new(folder.incarnation()?),
        pins: Pins::open(folder)?,
        folder: folder.clone(),
        join_point: Mutex::new(join_block.as_ref().and_then(join_point)),
        stored: AtomicU64::new(stored),
        consenters: watch::Sender::new(Vec::new()),
        barred: Mutex::new(Shared::read_barred(folder)?),
    });
    let name = shared.name.as_str();
    let proven = opened.restored.as_ref().is_some_and(super::life::is_proven);
    if (proven || joined_now) && shared.is_whole() && shared.own_id(host).is_some() {
        shared.state.send_replace(State::Active { leader: None, is_self: false });
    }
    host.metrics.raft.cluster_size.with_label_values(&[name]).set(consenters as i64);
    tracing::info!(node = %host.config.name, channel = name, consenters, stored, "channel opened");
    let life = Life { host: Arc::clone(host), shared: Arc::clone(&shared), inputs };
    let task = tokio::spawn(life.run(opened.appender, opened.restored));
    Ok((ChannelHandle::new(shared), task))
}

/// The configuration by which the channel begins here.
fn in_force(
    join_block: Option<&Block>,
    log: &Log,
    restored: Option<&Restored>,
) -> Result<(Bundle, Members), Error> {
    if let Some(block) = join_block {
        let bundle = Bundle::from_block(block)?;
        let members = Members::of_block(&crate::consenters(&bundle)?, block)?;
        return Ok((bundle, members));
    }
    let restored = restored.ok_or(Error::NoGenesis)?;
    let bundle = Bundle::from_block(&log.last_config_block(restored.stored() - 1)?)?;
    let members = Members::new(&crate::consenters(&bundle)?, restored.newest_consenter_ids())?;
    Ok((bundle, members))
}

fn join_point(block: &Block) -> Option<(u64, [u8; 32])> {
    let header = block.header.as_ref()?;
    Some((header.number, block::header_hash(header)))
}
