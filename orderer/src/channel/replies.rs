//! Who waits for the answer to which envelope.

use std::collections::HashMap;

use carecord_consensus::RequestId;
use tokio::sync::oneshot;

use super::Answer;

/// The waiting submitters, by the name under which the core knows their envelope.
pub(super) struct Replies {
    waiting: HashMap<RequestId, oneshot::Sender<Answer>>,
    next: u64,
}

// === impl Replies ===

impl Default for Replies {
    /// Begins anywhere, so that no late answer to an owner before this one is taken for one of its own.
    fn default() -> Self {
        Self { waiting: HashMap::new(), next: u64::from(rand::random::<u32>()) << 32 }
    }
}

impl Replies {
    /// A fresh name for an envelope whose answer goes to `reply`.
    pub(super) fn enter(&mut self, reply: oneshot::Sender<Answer>) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        self.waiting.insert(id, reply);
        id
    }

    /// Answers an envelope; a submitter that left is not missed.
    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        if let Some(reply) = self.waiting.remove(&id) {
            let _ = reply.send(answer);
        }
    }
}
