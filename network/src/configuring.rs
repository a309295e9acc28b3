//! Changing a channel's configuration: read it, edit it, have it signed, submit it, see it everywhere.
//!
//! ```text
//! read (config blocks from an orderer, verified from the first on) ─▶ edit ─▶ compute ─▶ warn ─▶ sign ─▶ submit ─▶ settle
//! ```
//!
//! Place in the flow: `carecord channel`, `org`, `orderer` and checks that change a running network go through
//! [`change`], or through its steps one by one where the signatures come from several machines.

mod adopt;
mod changes;
mod collect;
pub mod consenters;
mod danger;
mod explain;
mod files;
mod follow;
mod join;
pub mod organisation;
mod read;
mod revoke;
mod submit;

use std::time::Duration;

use carecord_channel::config::compute;
use carecord_channel::config::update::apply_unchecked;
use carecord_proto::common::{Config, ConfigGroup, ConfigUpdate};
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

pub use adopt::adopt;
pub use changes::changes;
pub use collect::{envelope, sign, signer_of};
pub use danger::{dangers, refuse_dangers};
pub use explain::missing;
pub use files::Proposal;
pub use follow::{everywhere, find, settle, settled};
pub use join::{call, join_peer};
pub(crate) use read::genesis;
pub use read::{Current, current, join_block};
pub use revoke::{is_listed, lists, put_list, revocation_list};
pub use submit::{broadcast, submit};

/// Where and by whom a configuration is changed.
pub struct Change<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Administrators who sign; the first also reads the configuration and submits the update.
    pub signers: &'a [&'a UserEntry],
    /// Nodes that must have taken the new configuration over before the change counts as done.
    pub nodes: &'a [&'a NodeEntry],
    /// How long that may take.
    pub patience: Duration,
    /// Whether changes that lock somebody out are made nevertheless.
    pub force: bool,
}

/// A change that is in force on all nodes that were named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Number of the configuration block.
    pub block: u64,
    /// Sequence of the configuration.
    pub sequence: u64,
}

/// Reads the configuration, edits it, signs and submits the update, and waits until it is in force.
pub async fn change(
    session: &Session,
    change: &Change<'_>,
    edit: impl FnOnce(&mut ConfigGroup) -> Outcome<()>,
) -> Outcome<Changed> {
    let channel = session.file().channel(Some(change.channel))?;
    let first = change.signers.first().ok_or_else(|| {
        Failure::new(Code::ConfigSignatures, "nobody signs the update")
            .hint("name an administrator with --as")
    })?;
    let current = current(session, channel, first).await?;
    let update = edited(&current, edit)?;
    let mut signatures = Vec::with_capacity(change.signers.len());
    for user in change.signers {
        signatures.push(sign(session.signer(user)?.as_ref(), &update)?);
    }
    let signer = session.signer(first)?;
    let envelope = envelope(&current.channel, signer.as_ref(), update, signatures)?;
    refuse_dangers(&current, &envelope, &signer_of(first), change.force)?;
    submit(session, channel, first, &current, &envelope).await?;
    // The folder may still list an organisation that the channel does not have any more: its peers get no blocks.
    let nodes: Vec<&NodeEntry> =
        change.nodes.iter().filter(|node| gets_blocks(&current, node)).copied().collect();
    settle(session, channel, first, &envelope, &current, &nodes, change.patience).await
}

/// Whether the channel's configuration lets `node` have its blocks: orderers, and peers of its members.
fn gets_blocks(current: &Current, node: &NodeEntry) -> bool {
    let members = current.bundle.application().map(|application| &application.organizations);
    node.role != "peer"
        || members.into_iter().flatten().any(|(_, member)| member.msp_id == node.msp_id)
}

/// The bytes of the update that `edit` leads to.
pub fn edited(
    current: &Current,
    edit: impl FnOnce(&mut ConfigGroup) -> Outcome<()>,
) -> Outcome<bytes::Bytes> {
    let mut next = current.bundle.config().clone();
    edit(next.channel_group.get_or_insert_default())?;
    compute_update(&current.channel, current.bundle.config(), &next)
}

/// The bytes of the update from one configuration to another.
pub fn compute_update(channel: &str, from: &Config, to: &Config) -> Outcome<bytes::Bytes> {
    let update: ConfigUpdate = compute::update(channel, from, to)
        .map_err(|error| Failure::new(Code::ConfigSame, error).at(format!("channel {channel}")))?;
    Ok(update.encode_to_vec().into())
}

/// The configuration that an update would lead to if every policy agreed.
pub fn applied(current: &Current, update: &bytes::Bytes) -> Outcome<Config> {
    let place = || format!("channel {}", current.channel);
    let wrong = |error: prost::DecodeError| Failure::new(Code::ConfigFile, error).at(place());
    let update = ConfigUpdate::decode(update.clone()).map_err(wrong)?;
    apply_unchecked(&current.channel, current.bundle.config(), &update)
        .map_err(|error| explain::refused(&error).at(place()))
}

/// Administrators of all organisations of the channel whose keys are in this folder: members first, then those that order.
pub fn administrators<'a>(
    session: &'a Session,
    channel: &ChannelEntry,
) -> Outcome<Vec<&'a UserEntry>> {
    let file = session.file();
    let mut names: Vec<&str> = channel.organisations.iter().map(String::as_str).collect();
    for orderer in &channel.orderers {
        let organisation = &file.node(orderer)?.organisation;
        if !names.contains(&organisation.as_str()) {
            names.push(organisation);
        }
    }
    names.into_iter().map(|name| file.admin(name)).collect()
}

/// Every node that serves the channel.
pub fn nodes_of<'a>(session: &'a Session, channel: &ChannelEntry) -> Vec<&'a NodeEntry> {
    let serves = |node: &&NodeEntry| {
        channel.orderers.contains(&node.name)
            || (node.role == "peer" && channel.organisations.contains(&node.organisation))
    };
    session.file().nodes.iter().filter(serves).collect()
}
