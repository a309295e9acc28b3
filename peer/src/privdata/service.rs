//! The gRPC service `carecord.privdata.PrivateData`.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use carecord_channel::acl::EVENT_BLOCK;
use carecord_comm::{peer_certificate, privdata::private_data_server};
use carecord_ledger::{Collection, Noted, Spot};
use carecord_proto::{
    carecord::privdata::{
        Digest, FoundSet, PullRequest, PullResponse, PushRequest, PushResponse, PushedSet,
        RemovalRequest, SignedReceipt, SignedRequest, Taken,
    },
    rwset::TxPvtRwSet,
};
use tonic::{Request, Response, Status};

use super::{
    limits::{
        FOUND_BYTES, MAX_COLLECTIONS, MAX_DIGESTS, MAX_MESSAGE_BYTES, MAX_PUSH_SETS, TX_ID_CHARS,
    },
    receipt::receipt,
    signed::{Caller, hear},
};
use crate::{acl, channel::Channel, peer::Peer};

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct PrivateDataService {
    pub(crate) peer: Arc<Peer>,
}

// === impl PrivateDataService ===

impl PrivateDataService {
    /// The service with its message limits.
    pub(crate) fn server(peer: Arc<Peer>) -> private_data_server::PrivateDataServer<Self> {
        private_data_server::PrivateDataServer::new(Self { peer })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl private_data_server::PrivateData for PrivateDataService {
    async fn push(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<PushResponse>, Status> {
        let certificate = peer_certificate(&request).cloned();
        let (asked, caller): (PushRequest, _) =
            hear(&self.peer, request.get_ref(), certificate.as_ref())?;
        caller.must_be_peer()?;
        limited("write sets", asked.sets.len(), MAX_PUSH_SETS)?;
        let source = caller.identity.msp_id().to_owned();
        let channel = &caller.channel;
        let looked: Vec<_> =
            asked.sets.into_iter().map(|set| to_note(channel, &source, set)).collect();
        let sets = looked.iter().filter_map(|looked| looked.as_ref().ok().cloned()).collect();
        let noted = channel.notes().note(sets).await.map_err(Status::internal)?;
        let mut noted = noted.into_iter();
        let answers = looked.into_iter().map(|looked| {
            let taken = looked.and_then(|set| match noted.next() {
                Some(Ok(())) => {
                    channel.notes().is_held_by(&source, &set.tx_id, &set.set);
                    Ok(())
                }
                Some(Err(error)) => Err(error.to_string()),
                None => Err("it was not noted".to_owned()),
            });
            Taken { taken: taken.is_ok(), cause: taken.err().unwrap_or_default() }
        });
        Ok(PushResponse { answers: answers.collect() }.into())
    }

    async fn pull(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<PullResponse>, Status> {
        let started = Instant::now();
        let certificate = peer_certificate(&request).cloned();
        let (asked, caller): (PullRequest, _) =
            hear(&self.peer, request.get_ref(), certificate.as_ref())?;
        caller.must_be_peer()?;
        limited("digests", asked.digests.len(), MAX_DIGESTS)?;
        let channel_id = caller.channel.id().to_owned();
        let found = tokio::task::spawn_blocking(move || found(&caller, &asked.digests)).await;
        let found = found.map_err(|error| Status::internal(error.to_string()))?;
        let found = found.map_err(|error| Status::internal(error.to_string()))?;
        let retrieve = &self.peer.config().metrics.private_data.retrieve_duration;
        retrieve.with_label_values(&[&channel_id]).observe(started.elapsed().as_secs_f64());
        Ok(PullResponse { found }.into())
    }

    async fn removal(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<SignedReceipt>, Status> {
        let (asked, caller): (RemovalRequest, _) = hear(&self.peer, request.get_ref(), None)?;
        acl::check_identity(&caller.channel.bundle(), EVENT_BLOCK, &caller.identity)
            .map_err(Status::permission_denied)?;
        let peer = Arc::clone(&self.peer);
        let made =
            tokio::task::spawn_blocking(move || receipt(&peer, &caller.channel, asked)).await;
        let made = made.map_err(|error| Status::internal(error.to_string()))?;
        Ok(made.map_err(Status::failed_precondition)?.into())
    }
}

fn limited(what: &str, count: usize, limit: usize) -> Result<(), Status> {
    if count <= limit {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("a request may have {limit} {what}, not {count}")))
}

/// A pushed set as it is noted, or why it is not.
fn to_note(channel: &Channel, source: &str, pushed: PushedSet) -> Result<Noted, String> {
    let PushedSet { tx_id, height, private_set } = pushed;
    if tx_id.len() != TX_ID_CHARS || !tx_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("its transaction's id is none".to_owned());
    }
    let set = TxPvtRwSet::from_bytes(&private_set)
        .map_err(|_| "the private write set cannot be read".to_owned())?;
    let count: usize = set.namespaces.iter().map(|ns| ns.collections.len()).sum();
    if count == 0 || count > MAX_COLLECTIONS {
        return Err(format!("it has {count} collections, and may have 1 to {MAX_COLLECTIONS}"));
    }
    if channel.is_spent(&tx_id).map_err(|error| error.to_string())? {
        return Err("its transaction is committed already".to_owned());
    }
    let own = channel.ledger().own_part(set).map_err(|error| error.to_string())?;
    let left: usize = own.namespaces.iter().map(|ns| ns.collections.len()).sum();
    if left < count {
        return Err(format!("this peer is no member of {} of its collections", count - left));
    }
    // A height above our own would outlive everything.
    let height = height.min(channel.ledger().height());
    Ok(Noted { tx_id, height, source: source.to_owned(), set: own })
}

/// The sets that the caller may have and this peer has, until their bytes reach the limit.
fn found(caller: &Caller, digests: &[Digest]) -> Result<Vec<FoundSet>, carecord_ledger::Error> {
    let ledger = caller.channel.ledger();
    let mut admitted = BTreeMap::new();
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (index, digest) in (0..).zip(digests) {
        let Digest { block, tx, tx_id, namespace, collection, hash } = digest;
        let key = (namespace, collection, *block);
        if !admitted.contains_key(&key) {
            let then = ledger.collection_at(namespace, collection, *block)?;
            admitted.insert(key, then.is_some_and(|then| may_have(&then, caller)));
        }
        if !admitted.get(&key).copied().unwrap_or_default() {
            continue;
        }
        let spot = Spot {
            block: *block,
            tx: *tx,
            namespace: namespace.clone(),
            collection: collection.clone(),
        };
        if let Some(rwset) = ledger.private_set(&spot, tx_id, hash)? {
            bytes += rwset.len();
            found.push(FoundSet { index, rwset });
            if bytes >= FOUND_BYTES {
                break;
            }
        }
    }
    Ok(found)
}

fn may_have(collection: &Collection, caller: &Caller) -> bool {
    collection.admits(&caller.identity)
}
