//! The puller: follows one orderer of a channel after the other and brings its blocks to the committer.
//!
//! Place in the flow: between the orderer's deliver service and `committer.rs`. A source that ends or sends a bad block is
//! left for the next one, after a pause that grows while nothing is gained. One that has had no block for a while is left
//! too, without a pause and without a word in the log: mostly there is none, but it may be cut off from the others.
//!
//! An organisation that is removed never gets the block that says so. Its peer learns it from the orderers, who all refuse
//! it; from then on until one serves it again the channel is shut out, and the endorser answers nobody.

use std::{sync::Arc, time::Duration};

use carecord_proto::{
    common::Status as Delivered,
    envelope::{self, SeekHeader},
    orderer::{
        SeekInfo, SeekPosition, SeekSpecified,
        deliver_response::Type,
        seek_info::{SeekBehavior, SeekErrorResponse},
        seek_position,
    },
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::StreamExt;

use crate::{
    channel::Channel,
    clock,
    committer::{Arriving, Stop, on_block},
    config::BLOCKS_AHEAD,
    orderers::Orderer,
    peer::Peer,
};

/// The first pause after a source was lost, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// How long a source may have no block before the next is asked.
const SILENCE: Duration = Duration::from_secs(10);

/// Why a source was left.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("{0}")]
    Source(String),
    #[error("it refuses this peer (FORBIDDEN)")]
    Forbidden,
    #[error("it had no block for {} s", SILENCE.as_secs())]
    Silent,
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// Follows the channel until the task is dropped or the channel halts.
pub(crate) async fn pull(peer: Arc<Peer>, channel: Arc<Channel>) {
    let mut pause = PAUSES.0;
    loop {
        let orderers = peer.orderers().of_channel(&channel.bundle());
        if orderers.is_empty() {
            tracing::warn!(channel = channel.id(), "no orderer is known");
        }
        let (asked, mut refusals) = (orderers.len(), 0);
        for orderer in orderers {
            let before = channel.ledger().height();
            let Err(left) = follow(&peer, &channel, &orderer).await;
            if let Left::Stop(stop @ (Stop::Halted(reason) | Stop::Storage(reason))) = &left {
                tracing::error!(channel = channel.id(), reason, "channel halted");
                channel.halt(reason.clone());
                if matches!(stop, Stop::Storage(_)) {
                    peer.storage_failed(format!("channel '{}': {reason}", channel.id()));
                }
                return;
            }
            let address = &orderer.node.address;
            refusals += usize::from(matches!(left, Left::Forbidden));
            let is_served = matches!(left, Left::Silent) || channel.ledger().height() > before;
            tell_shut_out(&channel, !is_served && (refusals == asked || channel.is_shut_out()));
            if matches!(left, Left::Silent) {
                tracing::debug!(channel = channel.id(), orderer = address, "source silent");
                pause = PAUSES.0;
                continue;
            }
            if channel.is_shut_out() {
                tracing::debug!(channel = channel.id(), orderer = address, reason = %left, "source left");
            } else {
                tracing::warn!(channel = channel.id(), orderer = address, reason = %left, "source left");
            }
            if channel.ledger().height() > before {
                pause = PAUSES.0;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        if channel.bundle().orderer().is_none() {
            tokio::time::sleep(PAUSES.1).await;
        } else {
            tokio::time::sleep(PAUSES.0).await;
        }
    }
}

/// Notes whether the channel is shut out, and says so once.
fn tell_shut_out(channel: &Channel, is_shut_out: bool) {
    match (channel.set_shut_out(is_shut_out), is_shut_out) {
        (false, true) => tracing::error!(
            channel = channel.id(),
            height = channel.ledger().height(),
            "shut out: every orderer refuses this peer, so its organisation is no member of the channel any more or \
             its certificate is revoked; proposals are refused until an orderer serves it again"
        ),
        (true, false) => {
            tracing::info!(channel = channel.id(), "an orderer serves this peer again")
        }
        _ => {}
    }
}

/// Follows one orderer; ends only with a reason to leave it.
async fn follow(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
    orderer: &Orderer,
) -> Result<std::convert::Infallible, Left> {
    let start = channel.ledger().height();
    let seek = seek(peer, channel, start).map_err(Left::Source)?;
    // The request stays open after the one envelope; closing it would end the stream of blocks.
    let request = tokio_stream::once(seek).chain(tokio_stream::pending());
    let mut client = orderer.client();
    // Some orderers answer nothing, not even headers, before the next block.
    let Ok(opened) = tokio::time::timeout(SILENCE, client.deliver(request)).await else {
        return Err(Left::Silent);
    };
    let mut blocks =
        opened.map_err(|status| Left::Source(status.message().to_owned()))?.into_inner();
    tracing::debug!(channel = channel.id(), orderer = orderer.node.address, start, "following");
    let (hand_over, mut committing) = committing(peer, channel);
    loop {
        let response = tokio::select! {
            // A bad block or a halt is learnt from the committing side.
            ended = &mut committing => return Err(ended_with(ended)),
            response = tokio::time::timeout(SILENCE, blocks.message()) => response,
        };
        let Ok(response) = response else {
            return Err(match drained(hand_over, committing, "").await {
                Left::Source(_) => Left::Silent,
                left => left,
            });
        };
        let response = match response {
            Ok(Some(response)) => response,
            Ok(None) => return Err(drained(hand_over, committing, "the stream ended").await),
            Err(status) => return Err(drained(hand_over, committing, status.message()).await),
        };
        match response.r#type {
            Some(Type::Block(block)) => {
                tell_shut_out(channel, false);
                let arriving = Arriving::new(channel, block);
                if hand_over.send(arriving).await.is_err() {
                    return Err(ended_with(committing.await));
                }
            }
            Some(Type::Status(status)) => {
                let text = format!("the orderer answered with status {status}");
                let left = drained(hand_over, committing, &text).await;
                let is_refusal = status == Delivered::Forbidden as i32;
                return Err(match left {
                    Left::Source(_) if is_refusal => Left::Forbidden,
                    left => left,
                });
            }
            None => return Err(Left::Source("the orderer sent an empty message".to_owned())),
        }
    }
}

type Committing = JoinHandle<Result<(), Stop>>;

/// Starts the task that commits what is handed over, in order.
fn committing(peer: &Arc<Peer>, channel: &Arc<Channel>) -> (mpsc::Sender<Arriving>, Committing) {
    let (hand_over, mut arriving) = mpsc::channel::<Arriving>(BLOCKS_AHEAD);
    let (peer, channel) = (Arc::clone(peer), Arc::clone(channel));
    let task = tokio::spawn(async move {
        while let Some(block) = arriving.recv().await {
            on_block(&peer, &channel, block).await?;
        }
        Ok(())
    });
    (hand_over, task)
}

/// Lets what was handed over be committed before another source begins at the height.
async fn drained(hand_over: mpsc::Sender<Arriving>, committing: Committing, why: &str) -> Left {
    drop(hand_over);
    match committing.await {
        Ok(Err(stop)) => stop.into(),
        Ok(Ok(())) => Left::Source(why.to_owned()),
        Err(error) => Stop::Halted(error.to_string()).into(),
    }
}

fn ended_with(ended: Result<Result<(), Stop>, tokio::task::JoinError>) -> Left {
    match ended {
        Ok(Err(stop)) => stop.into(),
        Ok(Ok(())) => Left::Source("committing ended".to_owned()),
        Err(error) => Stop::Halted(error.to_string()).into(),
    }
}

/// The signed request for all blocks from `start` on.
fn seek(
    peer: &Peer,
    channel: &Channel,
    start: u64,
) -> Result<carecord_proto::common::Envelope, String> {
    let at = |number| {
        Some(SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
        })
    };
    let seek = SeekInfo {
        start: at(start),
        stop: at(u64::MAX),
        behavior: SeekBehavior::BlockUntilReady as i32,
        // An orderer without a leader still has blocks; what it sends is verified either way.
        error_response: SeekErrorResponse::BestEffort as i32,
        ..SeekInfo::default()
    };
    let signer = peer.credentials().signer();
    let header = SeekHeader {
        channel_id: channel.id().to_owned(),
        creator: signer.serialized(),
        nonce: rand::random::<[u8; 24]>().to_vec().into(),
        timestamp: clock::timestamp(),
        tls_cert_hash: peer.credentials().certificate_hash(),
    };
    let payload = envelope::seek_payload(header, &seek);
    let signature = signer.sign(&payload).map_err(|error| error.to_string())?.into();
    Ok(carecord_proto::common::Envelope { payload, signature })
}
