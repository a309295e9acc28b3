//! Leadership that is handed over on an operator's wish: who waits for what became of it, and asking again.

use std::collections::HashMap;
use std::time::Duration;

use carecord_consensus::{NodeId, TransferError, TransferToken};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::{ChannelHandle, Input};

/// Between two wishes, the first of which was refused for a cause that may pass.
const PAUSE: Duration = Duration::from_millis(200);

/// Who wished for a transfer that is under way.
#[derive(Default)]
pub(super) struct Transfers {
    waiting: HashMap<TransferToken, oneshot::Sender<Result<(), TransferError>>>,
    next: u64,
}

// === impl Transfers ===

impl Transfers {
    /// A fresh name for a wish whose outcome goes to `reply`.
    pub(super) fn enter(
        &mut self,
        reply: oneshot::Sender<Result<(), TransferError>>,
    ) -> TransferToken {
        let token = self.unheard();
        self.waiting.insert(token, reply);
        token
    }

    /// A fresh name for a wish whose outcome nobody waits for.
    pub(super) fn unheard(&mut self) -> TransferToken {
        self.next += 1;
        TransferToken(self.next)
    }

    pub(super) fn answer(&mut self, token: TransferToken, outcome: Result<(), TransferError>) {
        if let Err(refused) = &outcome {
            tracing::info!(%refused, "leadership was not handed over");
        }
        if let Some(reply) = self.waiting.remove(&token) {
            let _ = reply.send(outcome);
        }
    }
}

// === impl ChannelHandle ===

impl ChannelHandle {
    /// Hands leadership from this node to another consenter, and asks again until `deadline` while the cause of a refusal
    /// may pass; answers the last cause, and how often was asked.
    pub(crate) async fn transfer_leadership(
        &self,
        to: NodeId,
        deadline: Instant,
    ) -> Result<(), (TransferError, u32)> {
        let mut asked = 0;
        loop {
            asked += 1;
            let refused = match self.transfer_once(to, deadline).await {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if !refused.may_pass() || Instant::now() + PAUSE >= deadline {
                return Err((refused, asked));
            }
            sleep(PAUSE).await;
        }
    }

    async fn transfer_once(&self, to: NodeId, deadline: Instant) -> Result<(), TransferError> {
        let (reply, outcome) = oneshot::channel();
        self.inbox().send(Input::Transfer { to, reply }).await;
        match timeout_at(deadline, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // Nobody drives the channel as a consenter.
            Ok(Err(_)) => Err(TransferError::NotLeader),
            Err(_) => Err(TransferError::TimedOut(to)),
        }
    }
}
