//! Who may put what into a block: the checks that every envelope passes before the core sees it.
//!
//! Place in the flow: `Broadcast` and the cluster's `Submit` call [`admit`] on worker threads; the core only compares
//! the configuration sequence of the verdict. Pure: the channel's bundle and the time come in.

mod rules;
mod update;

pub use rules::{TIME_WINDOW_S, admit, admit_bytes};
pub use update::{Proposed, is_config_update, propose};

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::raft::Consenters;
use carecord_proto::common::Status;

/// An envelope that may be ordered.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The envelope's canonical bytes, as they go into the block.
    pub envelope: Bytes,
    /// Payload plus signature: what the size limits count.
    pub size: usize,
    /// The configuration under which it was admitted.
    pub config_seq: u64,
    /// What kind of block it needs.
    pub class: Class,
}

/// What kind of block an envelope needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Shares a block with others.
    Normal,
    /// A configuration: alone in its block.
    Config(Arc<ConfigChange>),
}

/// What a configuration envelope brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The channel, for texts.
    pub channel_id: String,
    /// The CONFIG_UPDATE envelope: what the leader is told and what is decided again under a newer configuration.
    pub update: Bytes,
    /// The consenters after it.
    pub consenters: Consenters,
    /// How many there are before it.
    pub current: usize,
}

// === impl Admitted ===

impl Admitted {
    /// What a client sent: of a configuration the update, not what this orderer made of it.
    pub fn submitted(&self) -> &Bytes {
        match &self.class {
            Class::Normal => &self.envelope,
            Class::Config(change) => &change.update,
        }
    }

    /// True if it must be alone in its block.
    pub fn is_config(&self) -> bool {
        matches!(self.class, Class::Config(_))
    }
}

/// Why an envelope is not ordered, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status:?}: {info}")]
pub struct Rejection {
    /// Fabric's status.
    pub status: Status,
    /// Fabric's text where there is one.
    pub info: String,
}
