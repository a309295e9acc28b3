//! What follows from a channel's configuration alone, worked out once for each.

use std::{collections::HashMap, sync::Arc};

use carecord_channel::Bundle;
use parking_lot::Mutex;

/// Lists by channel, each kept until the channel's configuration changes.
#[derive(Debug)]
pub(crate) struct PerChannel<T> {
    known: Mutex<HashMap<String, Known<T>>>,
}

#[derive(Debug)]
struct Known<T> {
    sequence: u64,
    list: Arc<[T]>,
}

// === impl PerChannel ===

impl<T> Default for PerChannel<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<T> PerChannel<T> {
    /// The list for this configuration; made if it is not known.
    pub(crate) fn get(&self, bundle: &Bundle, make: impl FnOnce() -> Vec<T>) -> Arc<[T]> {
        let mut all = self.known.lock();
        if let Some(known) = all.get(bundle.channel_id())
            && known.sequence == bundle.sequence()
        {
            return Arc::clone(&known.list);
        }
        let list: Arc<[T]> = make().into();
        let known = Known { sequence: bundle.sequence(), list: Arc::clone(&list) };
        all.insert(bundle.channel_id().to_owned(), known);
        list
    }

    /// Makes every list anew when it is asked for next.
    pub(crate) fn forget(&self) {
        self.known.lock().clear();
    }
}
