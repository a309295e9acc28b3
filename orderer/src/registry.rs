//! The channels of this orderer, by name: those that it serves and those on their way out.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use crate::channel::{ChannelHandle, Relation, Standing};

/// Every channel that this node serves or is removing.
#[derive(Default)]
pub(crate) struct Registry(RwLock<Channels>);

#[derive(Default)]
struct Channels {
    open: BTreeMap<String, ChannelHandle>,
    leaving: BTreeMap<String, Leaving>,
}

/// What is told of a channel while it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub(crate) relation: Relation,
    /// What it was, or `Failed` if it could not be removed.
    pub(crate) standing: Standing,
}

// === impl Registry ===

impl Registry {
    pub(crate) fn get(&self, name: &str) -> Option<ChannelHandle> {
        self.0.read().open.get(name).cloned()
    }

    pub(crate) fn insert(&self, channel: ChannelHandle) {
        self.0.write().open.insert(channel.name().to_owned(), channel);
    }

    pub(crate) fn all(&self) -> Vec<ChannelHandle> {
        self.0.read().open.values().cloned().collect()
    }

    /// Moves a channel among those on their way out.
    pub(crate) fn leave(&self, name: &str) -> Option<ChannelHandle> {
        let mut channels = self.0.write();
        let channel = channels.open.remove(name)?;
        let state = channel.state();
        let leaving = Leaving { relation: state.relation(), standing: state.standing() };
        channels.leaving.insert(name.to_owned(), leaving);
        Some(channel)
    }

    /// Whether and how a channel is on its way out.
    pub(crate) fn leaving(&self, name: &str) -> Option<Leaving> {
        self.0.read().leaving.get(name).copied()
    }

    /// A channel's data are gone, or could not be removed.
    pub(crate) fn left(&self, name: &str, removed: bool) {
        let mut channels = self.0.write();
        if removed {
            channels.leaving.remove(name);
        } else if let Some(leaving) = channels.leaving.get_mut(name) {
            leaving.standing = Standing::Failed;
        }
    }

    /// The names of all, also of those on their way out.
    pub(crate) fn names(&self) -> Vec<String> {
        let channels = self.0.read();
        channels.open.keys().chain(channels.leaving.keys()).cloned().collect()
    }
}
