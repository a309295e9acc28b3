//! Pushes to other peers: those that come together for one peer go in one request.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use carecord_proto::carecord::privdata::{PushRequest, PushedSet, Taken};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{
    limits::{MAX_PUSH_SETS, MAX_WAITING_PUSHES, PUSH_BYTES, PUSH_TIMEOUT},
    signed::{header, sign},
};
use crate::{peer::Peer, remote::RemotePeer};

/// The queues to other peers, by channel and address.
#[derive(Debug, Default)]
pub(crate) struct Pushers {
    queues: Mutex<HashMap<(String, String), mpsc::Sender<Push>>>,
}

/// A write set for one peer, and who waits for its acknowledgement.
#[derive(Debug)]
struct Push {
    remote: Arc<RemotePeer>,
    set: PushedSet,
    answer: oneshot::Sender<Result<(), String>>,
}

// === impl Pushers ===

impl Pushers {
    /// Waits until the set is on the other peer's disk, or why it is not.
    pub(super) async fn push(
        &self,
        peer: &Arc<Peer>,
        channel_id: &str,
        remote: Arc<RemotePeer>,
        set: PushedSet,
    ) -> Result<(), String> {
        let (answer, acknowledged) = oneshot::channel();
        let queue = self.queue(peer, channel_id, &remote.node.address);
        queue
            .try_send(Push { remote, set, answer })
            .map_err(|_| format!("{MAX_WAITING_PUSHES} write sets wait for the peer already"))?;
        acknowledged.await.map_err(|_| "the peer stops".to_owned())?
    }

    fn queue(&self, peer: &Arc<Peer>, channel_id: &str, address: &str) -> mpsc::Sender<Push> {
        let mut queues = self.queues.lock();
        let key = (channel_id.to_owned(), address.to_owned());
        let queue = queues.entry(key).or_insert_with(|| {
            let (queue, pushes) = mpsc::channel(MAX_WAITING_PUSHES);
            peer.spawn(work(Arc::downgrade(peer), channel_id.to_owned(), pushes));
            queue
        });
        queue.clone()
    }
}

async fn work(peer: Weak<Peer>, channel_id: String, mut pushes: mpsc::Receiver<Push>) {
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(push) => push,
            None => match pushes.recv().await {
                Some(push) => push,
                None => return,
            },
        };
        let (mut bytes, mut batch) = (first.set.private_set.len(), vec![first]);
        while batch.len() < MAX_PUSH_SETS && bytes < PUSH_BYTES {
            let Ok(push) = pushes.try_recv() else { break };
            bytes += push.set.private_set.len();
            // Over another connection, or beyond the bytes: in the next one.
            if bytes > PUSH_BYTES || !Arc::ptr_eq(&push.remote, &batch[0].remote) {
                left = Some(push);
                break;
            }
            batch.push(push);
        }
        let Some(peer) = peer.upgrade() else { return };
        send(&peer, &channel_id, batch).await;
    }
}

async fn send(peer: &Peer, channel_id: &str, batch: Vec<Push>) {
    let remote = Arc::clone(&batch[0].remote);
    let (sets, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|push| (push.set, push.answer)).unzip();
    match call(peer, channel_id, &remote, sets).await {
        Ok(taken) => {
            let mut taken = taken.into_iter();
            for answer in answers {
                let result = match taken.next() {
                    Some(Taken { taken: true, .. }) => Ok(()),
                    Some(Taken { cause, .. }) => Err(cause),
                    None => Err("the peer did not answer for the set".to_owned()),
                };
                let _ = answer.send(result);
            }
        }
        Err(reason) => {
            let address = &remote.node.address;
            tracing::warn!(channel = channel_id, address, reason, "private data was not taken");
            for answer in answers {
                let _ = answer.send(Err(reason.clone()));
            }
        }
    }
}

async fn call(
    peer: &Peer,
    channel_id: &str,
    remote: &RemotePeer,
    sets: Vec<PushedSet>,
) -> Result<Vec<Taken>, String> {
    let request = PushRequest { header: Some(header::<PushRequest>(peer, channel_id)), sets };
    let signed = sign(peer, &request)?;
    let mut client = remote.private_data();
    let answered = tokio::time::timeout(PUSH_TIMEOUT, client.push(signed)).await;
    match answered {
        Ok(Ok(response)) => Ok(response.into_inner().answers),
        Ok(Err(status)) => {
            if status.code() == tonic::Code::Unavailable {
                remote.mark_down(peer.config().timeouts.retry_after);
            }
            Err(status.message().to_owned())
        }
        Err(_) => {
            remote.mark_down(peer.config().timeouts.retry_after);
            Err(format!("no answer within {PUSH_TIMEOUT:?}"))
        }
    }
}
