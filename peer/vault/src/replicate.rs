//! Copies in other organisations' vaults: proven by a random block, sent again where they are lost.
//!
//! Every vault that keeps a content looks after its copies, so the loss of any one of them, the record's own included, is made
//! good by the others. A vault takes a content from another only if its own ledger names it.

use std::time::{Duration, SystemTime};

use carecord_comm::vault::vault_client::VaultClient;
use carecord_health::access;
use carecord_health::ids::ContentId;
use carecord_proto::carecord::vault::{
    ProveHeader, PutHeader, PutRequest, SignedRequest, put_request,
};
use carecord_proto::vault_name;
use futures::StreamExt;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::contents::Stored;
use crate::copies::{COPIES, Kept, order};
use crate::limits::{
    ANSWER_PATIENCE, CHUNKS_WAITING, COPYING_AT_A_TIME, FRESH_MAX, NONCE_BYTES, RETRIES,
    RETRY_PAUSE,
};
use crate::proofs::shows;
use crate::service::Inner;
use crate::tree::CHUNK_BYTES;
use crate::{Error, Neighbour, VaultService};

/// What a round found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Contents whose copies were looked after.
    pub contents: u64,
    /// Copies that other vaults proved.
    pub proven: u64,
    /// Copies that were sent.
    pub sent: u64,
    /// Contents that have fewer than [`COPIES`] copies still.
    pub short: u64,
}

/// Contents that are named since the copies were looked after.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    kept: Mutex<Vec<Kept>>,
    added: Notify,
}

/// What became of a copy at another vault.
enum Copy {
    Proven,
    Sent,
    Unreachable,
}

// === impl Fresh ===

impl Fresh {
    pub(crate) fn add(&self, kept: Vec<Kept>) {
        let mut all = self.kept.lock();
        let room = FRESH_MAX.saturating_sub(all.len());
        all.extend(kept.into_iter().take(room));
        if !all.is_empty() {
            self.added.notify_one();
        }
    }
}

// === impl VaultService ===

impl VaultService {
    /// Looks after copies until the future is dropped: of new contents at once, of all after each pause.
    pub async fn keep_copies(&self, pause: Duration) {
        loop {
            match self.replicate().await {
                Ok(round) if round.sent > 0 || round.short > 0 => {
                    tracing::info!(sent = round.sent, short = round.short, "copies looked after");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "copies could not be looked after"),
            }
            let _ = tokio::time::timeout(pause, self.copy_fresh()).await;
        }
    }

    /// Copies new contents as they come, until the future is dropped.
    async fn copy_fresh(&self) {
        loop {
            self.0.fresh.added.notified().await;
            let mut wait = RETRY_PAUSE;
            let mut short = Vec::new();
            for _ in 0..RETRIES {
                short.append(&mut std::mem::take(&mut *self.0.fresh.kept.lock()));
                short = self.short_of(short).await;
                if short.is_empty() {
                    break;
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }

    /// Looks after these, and answers those that still lack copies.
    async fn short_of(&self, kept: Vec<Kept>) -> Vec<Kept> {
        let looked = futures::stream::iter(kept)
            .map(|kept| async move { (self.look_after(&kept).await.short > 0).then_some(kept) })
            .buffer_unordered(COPYING_AT_A_TIME);
        looked.filter_map(std::future::ready).collect().await
    }

    /// Looks after the copies of everything that this vault keeps.
    pub async fn replicate(&self) -> Result<Round, Error> {
        let mut round = Round::default();
        let mut after = String::new();
        loop {
            let kept = self.0.store.kept_after(&after)?;
            let Some(last) = kept.last() else { return Ok(round) };
            after = last.key();
            let mut looked = futures::stream::iter(kept)
                .map(|kept| async move { self.look_after(&kept).await })
                .buffer_unordered(COPYING_AT_A_TIME);
            while let Some(one) = looked.next().await {
                round.contents += 1;
                round.proven += one.proven;
                round.sent += one.sent;
                round.short += one.short;
            }
        }
    }

    /// Goes through the organisations in their order until there are enough copies; one that is not reached is passed over.
    async fn look_after(&self, kept: &Kept) -> Round {
        let mut round = Round { short: 1, ..Round::default() };
        let Some((keepers, own)) = self.0.keepers(kept) else { return round };
        let mut copies = usize::from(self.0.contents.has(kept.cid.as_str()));
        if copies == 0 {
            tracing::error!(cid = %kept.cid, "a content that was kept is gone; others send it again");
            return round;
        }
        for neighbour in keepers.iter().filter(|neighbour| neighbour.msp_id != own) {
            if copies >= COPIES {
                break;
            }
            match self.copy_at(neighbour, kept).await {
                Ok(Copy::Proven) => round.proven += 1,
                Ok(Copy::Sent) => round.sent += 1,
                Ok(Copy::Unreachable) => continue,
                Err(error) => {
                    tracing::warn!(cid = %kept.cid, at = neighbour.address, %error, "no copy");
                    continue;
                }
            }
            copies += 1;
        }
        round.short = u64::from(copies < COPIES);
        round
    }

    /// Has a vault prove its copy, and sends it one if it has none, or a damaged one.
    async fn copy_at(&self, neighbour: &Neighbour, kept: &Kept) -> Result<Copy, Error> {
        let inner = std::sync::Arc::clone(&self.0);
        let cid = kept.cid.clone();
        let stored = tokio::task::spawn_blocking(move || inner.contents.stored(cid.as_str()));
        let stored = stored.await.map_err(|_| Error::Malformed("reading ended early"))??;
        let blocks = stored.tree().blocks();
        let block = random()? % blocks.max(1);
        let asked = self.0.prove_request(neighbour, kept, block)?;
        let mut client = VaultClient::new(neighbour.connection.clone());
        let answer = tokio::time::timeout(ANSWER_PATIENCE, client.prove(asked)).await;
        match answer {
            Ok(Ok(answer)) if shows(answer.get_ref(), block, stored.tree()) => Ok(Copy::Proven),
            Ok(Ok(_)) => self.send_copy(neighbour, kept, stored).await,
            Ok(Err(status)) if lacks(&status) => self.send_copy(neighbour, kept, stored).await,
            Ok(Err(status)) => {
                tracing::info!(at = neighbour.address, reason = status.message(), "not asked");
                Ok(Copy::Unreachable)
            }
            Err(_) => Ok(Copy::Unreachable),
        }
    }

    async fn send_copy(
        &self,
        neighbour: &Neighbour,
        kept: &Kept,
        mut stored: Stored,
    ) -> Result<Copy, Error> {
        let header = self.0.put_request(neighbour, kept)?;
        let chunks = stored.tree().size.div_ceil(CHUNK_BYTES as u64);
        let (sender, parts) = mpsc::channel(CHUNKS_WAITING);
        let request = |part| PutRequest { part: Some(part) };
        let _ = sender.try_send(request(put_request::Part::Header(header)));
        let cid = kept.cid.clone();
        let reading = tokio::task::spawn_blocking(move || {
            for number in 0..chunks {
                let chunk = stored.chunk(number, cid.as_str())?;
                let part = request(put_request::Part::Chunk(chunk.into()));
                if sender.blocking_send(part).is_err() {
                    break; // the other vault has said what it had to say
                }
            }
            Ok::<(), Error>(())
        });
        let mut client = VaultClient::new(neighbour.connection.clone());
        let answer = client.put(ReceiverStream::new(parts)).await;
        reading.await.map_err(|_| Error::Malformed("reading ended early"))??;
        match answer {
            Ok(_) => Ok(Copy::Sent),
            Err(status) if status.message().starts_with("CR-VLT-024") => Ok(Copy::Proven),
            Err(status) => {
                tracing::info!(at = neighbour.address, reason = status.message(), "copy not taken");
                Ok(Copy::Unreachable)
            }
        }
    }
}

/// Whether the answer says that there is no good copy.
fn lacks(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::DataLoss | Code::OutOfRange)
}

// === impl Inner ===

impl Inner {
    /// The reachable keepers of a content in their order, and this vault's organisation; `None` if the ledger does not name it.
    fn keepers(&self, kept: &Kept) -> Option<(Vec<Neighbour>, String)> {
        let home = access::home(&self.state(&kept.channel), &kept.record)?;
        let own = self.ledger.signer().msp_id().to_owned();
        let neighbours = self.ledger.neighbours(&kept.channel);
        let names: Vec<&str> = neighbours.iter().map(|one| one.msp_id.as_str()).collect();
        let ordered = order(kept.cid.as_str(), home.as_str(), &names);
        let first_of = |msp_id: &&str| neighbours.iter().find(|one| one.msp_id == **msp_id);
        Some((ordered.iter().filter_map(first_of).cloned().collect(), own))
    }

    fn prove_request(
        &self,
        to: &Neighbour,
        kept: &Kept,
        block: u64,
    ) -> Result<SignedRequest, Error> {
        let (timestamp, nanos) = moment();
        self.sign(&ProveHeader {
            channel_id: kept.channel.clone(),
            identity: self.ledger.signer().serialized(),
            cid: kept.cid.to_string(),
            timestamp,
            block,
            vault: vault_name(&to.msp_id, &to.address),
            nonce: nonce()?,
            nanos,
            call: "Prove".to_owned(),
        })
    }

    fn put_request(&self, to: &Neighbour, kept: &Kept) -> Result<SignedRequest, Error> {
        let (timestamp, nanos) = moment();
        self.sign(&PutHeader {
            channel_id: kept.channel.clone(),
            identity: self.ledger.signer().serialized(),
            cid: kept.cid.to_string(),
            size: kept.size,
            timestamp,
            record_id: kept.record.to_string(),
            version: kept.version,
            vault: vault_name(&to.msp_id, &to.address),
            nonce: nonce()?,
            nanos,
            call: "Put".to_owned(),
        })
    }

    fn sign(&self, header: &impl Message) -> Result<SignedRequest, Error> {
        let request = header.encode_to_vec();
        let signature = self.ledger.signer().sign(&request)?.into();
        Ok(SignedRequest { request: request.into(), signature })
    }

    /// Whether this vault has a content, and every byte of it is what it was.
    pub(crate) fn holds(&self, cid: &ContentId) -> bool {
        let Ok(mut stored) = self.contents.stored(cid.as_str()) else { return false };
        let chunks = stored.tree().size.div_ceil(CHUNK_BYTES as u64);
        (0..chunks).all(|number| stored.chunk(number, cid.as_str()).is_ok())
    }
}

fn moment() -> (i64, u32) {
    let since = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

fn nonce() -> Result<bytes::Bytes, Error> {
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| Error::Malformed("no randomness"))?;
    Ok(nonce.into())
}

fn random() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Error::Malformed("no randomness"))?;
    Ok(u64::from_be_bytes(bytes))
}
