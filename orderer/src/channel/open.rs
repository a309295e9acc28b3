//! From a channel's folder to its running task.

use std::sync::Arc;

use arc_swap::ArcSwap;
use carecord_channel::Bundle;
use carecord_consensus::{ChannelCore, ChannelParams, Restored};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{ChannelHandle, Inbox, Owner, Shared, Start, State};
use crate::Error;
use crate::cluster::Members;
use crate::host::Host;
use crate::storage::{self, Entries, Folder};
use crate::writer::Writer;

/// Opens a channel's log and starts the task that drives it.
pub(crate) fn open(
    host: &Arc<Host>,
    folder: &Folder,
) -> Result<(ChannelHandle, JoinHandle<()>), Error> {
    let opened = storage::open(folder.path())?;
    let height = opened.restored.height();
    let config_block = opened.log.last_config_block(height - 1)?;
    let bundle = Bundle::from_block(&config_block)?;
    let name = bundle.channel_id().to_owned();
    let members = Members::new(&crate::consenters(&bundle)?, opened.restored.consenter_ids())?;
    let own = members.own(|der| host.config.own.has(der));
    let own = own.ok_or_else(|| Error::NotAConsenter { channel: name.clone() })?.id;
    let params = ChannelParams::from_bundle(&bundle)?;
    let (inbox, inputs) = Inbox::new();
    let (height, _) = watch::channel(height);
    let (state, _) = watch::channel(State::Active { leader: None, is_self: false });
    let shared = Arc::new(Shared {
        name: name.clone(),
        inbox,
        bundle: ArcSwap::from_pointee(bundle),
        members: ArcSwap::from_pointee(members),
        signer: Arc::clone(&host.signer),
        log: Arc::clone(&opened.log),
        height,
        state,
        consenters: watch::channel(Vec::new()).0,
    });
    let core = core(host, own, &params, opened.restored, Entries(opened.log))?;
    let (reports, reported) = mpsc::unbounded_channel();
    let (fatal, metrics) = (host.fatal.clone(), host.metrics.clone());
    let writer = Writer::start(&name, opened.appender, reports, fatal, metrics)?;
    let owner = Owner::new(Start {
        core,
        own,
        params,
        shared: Arc::clone(&shared),
        links: Arc::clone(&host.links),
        metrics: host.metrics.clone(),
        writer,
        reports: reported,
        inputs,
        notices: host.notices.clone(),
    })?;
    let consenters = shared.members.load().iter().count();
    host.metrics.raft.cluster_size.with_label_values(&[&name]).set(consenters as i64);
    tracing::info!(node = %host.config.name, channel = name, consenters, "channel opened");
    Ok((ChannelHandle::new(shared), tokio::spawn(owner.run())))
}

fn core(
    host: &Arc<Host>,
    own: u64,
    params: &ChannelParams,
    restored: Restored,
    entries: Entries,
) -> Result<ChannelCore, Error> {
    let mut config = carecord_consensus::Config::new(own, rand::random());
    config.acknowledge = host.config.acknowledge;
    Ok(ChannelCore::new(config, params.clone(), restored, Box::new(entries))?)
}
