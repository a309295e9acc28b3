//! The channels of this orderer, by name.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use crate::channel::ChannelHandle;

/// Every channel that this node serves.
#[derive(Default)]
pub(crate) struct Registry(RwLock<BTreeMap<String, ChannelHandle>>);

// === impl Registry ===

impl Registry {
    pub(crate) fn get(&self, name: &str) -> Option<ChannelHandle> {
        self.0.read().get(name).cloned()
    }

    pub(crate) fn insert(&self, channel: ChannelHandle) {
        self.0.write().insert(channel.name().to_owned(), channel);
    }

    pub(crate) fn all(&self) -> Vec<ChannelHandle> {
        self.0.read().values().cloned().collect()
    }
}
