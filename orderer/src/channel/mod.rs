//! One channel of this orderer: what the services see of it. Its [`owner`] alone drives the core.

mod admission;
mod follower;
mod life;
mod open;
mod owner;
mod peers;
mod replies;
mod shared;
mod standing;
mod transfer;

use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use carecord_channel::Bundle;
use carecord_consensus::{
    Admitted, ConsenterStatus, Event, NodeId, Rejection, Submission, TransferError,
};
use carecord_proto::common::{Envelope, Status};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::Members;
use crate::storage::Log;

pub(crate) use open::open;
pub(crate) use owner::{Owner, Start};
pub(crate) use shared::Shared;
pub(crate) use standing::State;
pub use standing::{Relation, Standing};

/// Inputs that may wait for the owner; senders wait above it.
pub(crate) const INBOX: usize = 16_384;

/// What the owner is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something for the core.
    Core(Event),
    /// An envelope that passed admission.
    Submit { admitted: Admitted, forwarded: bool, reply: oneshot::Sender<Answer> },
    /// An envelope that was admitted once more under a newer configuration, or refused.
    Readmitted { submission: Submission, verdict: Result<Admitted, Rejection> },
    /// Another consenter refuses this node's data, so it must not vote any more.
    Barred { by: NodeId, info: String },
    /// Another consenter does not know this node.
    Stranger,
    /// Hand leadership to this consenter and tell what became of it.
    Transfer { to: NodeId, reply: oneshot::Sender<Result<(), TransferError>> },
    /// Hand over leadership and end.
    Stop,
}

/// What an envelope is answered.
pub(crate) type Answer = (Status, String);

/// The way to a channel's owner.
#[derive(Clone, Debug)]
pub(crate) struct Inbox(mpsc::Sender<Input>);

/// A channel as the services see it; cheap to clone.
#[derive(Clone)]
pub(crate) struct ChannelHandle(Arc<Shared>);

// === impl Inbox ===

impl Inbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Input>) {
        let (sender, receiver) = mpsc::channel(INBOX);
        (Self(sender), receiver)
    }

    /// Waits for room; an owner that ended needs to hear nothing.
    pub(crate) async fn send(&self, input: Input) {
        let _ = self.0.send(input).await;
    }
}

// === impl ChannelHandle ===

impl ChannelHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.0.inbox
    }

    pub(crate) fn bundle(&self) -> Arc<Bundle> {
        self.0.bundle.load_full()
    }

    pub(crate) fn members(&self) -> Arc<Members> {
        self.0.members.load_full()
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.0.log
    }

    pub(crate) fn height(&self) -> watch::Receiver<u64> {
        self.0.height.subscribe()
    }

    pub(crate) fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    pub(crate) fn stored(&self) -> u64 {
        self.0.stored()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.0.state.send_replace(state);
    }

    /// Who orders this channel and how they fare, as this node sees it.
    pub(crate) fn consenters(&self) -> Vec<ConsenterStatus> {
        self.0.consenters.borrow().clone()
    }

    /// Checks a client's envelope and queues it; the future it returns awaits the one answer.
    pub(crate) async fn submit(
        &self,
        envelope: Envelope,
    ) -> Result<impl Future<Output = Answer> + use<>, Rejection> {
        let admitted = self.admit(&envelope)?;
        Ok(self.queue(admitted, false).await)
    }

    /// The same for an envelope that another orderer forwarded: checked again, never forwarded again.
    pub(crate) async fn submit_forwarded(
        &self,
        envelope: Envelope,
    ) -> impl Future<Output = Answer> + use<> {
        let queued = match self.admit(&envelope) {
            Ok(admitted) => Ok(self.queue(admitted, true).await),
            Err(rejection) => Err(rejection),
        };
        async move {
            match queued {
                Ok(answer) => answer.await,
                Err(rejection) => (rejection.status, rejection.info),
            }
        }
    }

    fn admit(&self, envelope: &Envelope) -> Result<Admitted, Rejection> {
        admission::admit(&self.0, envelope)
    }

    async fn queue(
        &self,
        admitted: Admitted,
        forwarded: bool,
    ) -> impl Future<Output = Answer> + use<> {
        let (reply, answer) = oneshot::channel();
        self.0.inbox.send(Input::Submit { admitted, forwarded, reply }).await;
        async move {
            let gone = (Status::ServiceUnavailable, "the channel is shutting down".to_owned());
            answer.await.unwrap_or(gone)
        }
    }
}

/// The wall clock, in seconds since 1970: the only place where ordering looks at it.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
