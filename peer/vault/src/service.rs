//! The gRPC service `carecord.vault.Vault`: one function for each call, checks first, disk second.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use carecord_comm::vault::vault_server::Vault;
use carecord_health::access::{self, Request as Access};
use carecord_health::events::RECORD_ACCESS;
use carecord_health::ids::{Id, Kid};
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, DeleteWrapsResponse, GetHeader, GetResponse, PutHeader, PutRequest,
    PutResponse, PutWrapsHeader, PutWrapsResponse, ReleaseWrapHeader, ReleaseWrapResponse,
    SignedRequest, Wrap, put_request,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::caller::{self, Verified, key_hash};
use crate::contents::Incoming;
use crate::limits::{
    CHUNK_BYTES, CHUNKS_WAITING, TRANSFER_PAUSE_MAX, WRAP_BYTES_MAX, WRAPS_PER_REQUEST,
};
use crate::transfers::{Place, Transfers};
use crate::{Contents, Error, Ledger, Wraps};

/// The chaincode whose events are evidence.
const HEALTH: &str = "health";

/// The service; cheap to clone.
#[derive(Clone)]
pub struct VaultService(Arc<Inner>);

struct Inner {
    ledger: Arc<dyn Ledger>,
    contents: Contents,
    wraps: Wraps,
    transfers: Arc<Transfers>,
}

// === impl VaultService ===

impl VaultService {
    /// A vault over these stores that believes this ledger.
    pub fn new(ledger: Arc<dyn Ledger>, contents: Contents, wraps: Wraps) -> Self {
        let transfers = Arc::default();
        Self(Arc::new(Inner { ledger, contents, wraps, transfers }))
    }

    /// Runs a check or a disk access beside the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        Ok(done.map_err(|_| Status::internal("vault request ended early"))??)
    }

    async fn send_content(
        &self,
        mut content: File,
        sender: &mpsc::Sender<Result<GetResponse, Status>>,
    ) {
        loop {
            let read = self.blocking(move |_| {
                let mut chunk = vec![0; CHUNK_BYTES];
                let count = content
                    .read(&mut chunk)
                    .map_err(|source| Error::Disk { what: "a content".to_owned(), source })?;
                chunk.truncate(count);
                Ok((content, chunk))
            });
            let answer = match read.await {
                Ok((_, chunk)) if chunk.is_empty() => return,
                Ok((rest, chunk)) => {
                    content = rest;
                    Ok(GetResponse { chunk: chunk.into() })
                }
                Err(status) => {
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            };
            let sent = tokio::time::timeout(TRANSFER_PAUSE_MAX, sender.send(answer)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return; // gone, or it does not read
            }
        }
    }
}

#[tonic::async_trait]
impl Vault for VaultService {
    type GetStream = ReceiverStream<Result<GetResponse, Status>>;

    async fn put(
        &self,
        request: Request<Streaming<PutRequest>>,
    ) -> Result<Response<PutResponse>, Status> {
        let mut parts = request.into_inner();
        let first = part(&mut parts).await?;
        let Some(put_request::Part::Header(signed)) = first else {
            return Err(Error::Malformed("the first part is not a header").into());
        };
        let begun = self.blocking(move |inner| inner.begin_put(&signed)).await?;
        let (mut incoming, cid, _place) = begun;
        while let Some(part) = part(&mut parts).await? {
            let put_request::Part::Chunk(chunk) = part else {
                return Err(Error::Malformed("a second header").into());
            };
            // A thread for the time of the write only: a client that stalls holds a place, not a thread.
            incoming = self
                .blocking(move |_| {
                    incoming.write(&chunk)?;
                    Ok(incoming)
                })
                .await?;
        }
        let size = self.blocking(move |_| incoming.finish()).await?;
        Ok(Response::new(PutResponse { size, cid }))
    }

    async fn get(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let signed = request.into_inner();
        let (content, place) = self.blocking(move |inner| inner.open_content(&signed)).await?;
        let (sender, stream) = mpsc::channel(CHUNKS_WAITING);
        let vault = self.clone();
        tokio::spawn(async move {
            vault.send_content(content, &sender).await;
            drop(place);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn put_wraps(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<PutWrapsResponse>, Status> {
        let signed = request.into_inner();
        self.blocking(move |inner| inner.put_wraps(&signed)).await?;
        Ok(Response::new(PutWrapsResponse {}))
    }

    async fn release_wrap(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<ReleaseWrapResponse>, Status> {
        let signed = request.into_inner();
        let wrap = self.blocking(move |inner| inner.release_wrap(&signed)).await?;
        Ok(Response::new(ReleaseWrapResponse { wrap: Some(wrap) }))
    }

    async fn delete_wraps(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<DeleteWrapsResponse>, Status> {
        let signed = request.into_inner();
        let deleted = self.blocking(move |inner| inner.delete_wraps(&signed)).await?;
        Ok(Response::new(DeleteWrapsResponse { deleted }))
    }
}

// === impl Inner ===

impl Inner {
    fn begin_put(&self, signed: &SignedRequest) -> Result<(Incoming, String, Place), Error> {
        let caller: Verified<PutHeader> = self.verify(signed)?;
        self.may_store(&caller.header.channel_id, &caller)?;
        let place = self.transfers.enter(&caller.key)?;
        let PutHeader { cid, size, .. } = caller.header;
        Ok((self.contents.begin(&cid, size)?, cid, place))
    }

    fn open_content(&self, signed: &SignedRequest) -> Result<(File, Place), Error> {
        let caller: Verified<GetHeader> = self.verify(signed)?;
        self.may_store(&caller.header.channel_id, &caller)?;
        let place = self.transfers.enter(&caller.key)?;
        Ok((self.contents.read(&caller.header.cid)?, place))
    }

    fn put_wraps(&self, signed: &SignedRequest) -> Result<(), Error> {
        let caller: Verified<PutWrapsHeader> = self.verify(signed)?;
        let PutWrapsHeader { channel_id, record_id, wraps, .. } = caller.header;
        if wraps.len() > WRAPS_PER_REQUEST || wraps.iter().any(is_too_large) {
            return Err(Error::TooManyWraps);
        }
        let record = id(record_id)?;
        let state = self.state(&channel_id);
        let mut named = Vec::with_capacity(wraps.len());
        for wrap in wraps {
            let data_key = id(wrap.data_key_id.clone())?;
            if !access::may_put_wraps(&state, &record, &data_key, &caller.key) {
                return Err(Error::Denied);
            }
            named.push((data_key, kid(wrap.recipient_kid.clone())?, wrap));
        }
        // Only the owner may replace a wrap that is there: nobody else can take a reader's key away.
        let may_replace = access::may_delete_wraps(&state, &record, &caller.key);
        self.wraps.put(&channel_id, &record, &named, may_replace)
    }

    fn release_wrap(&self, signed: &SignedRequest) -> Result<Wrap, Error> {
        let now = now();
        let caller: Verified<ReleaseWrapHeader> = self.verify(signed)?;
        let ReleaseWrapHeader { channel_id, record_id, recipient_kid, transaction_id, .. } =
            caller.header;
        let (record, recipient) = (id(record_id)?, kid(recipient_kid)?);
        let committed = self.ledger.valid_transaction(&channel_id, &transaction_id);
        let committed = committed.ok_or(Error::Denied)?;
        if key_hash(&committed.creator)? != caller.key {
            return Err(Error::Denied);
        }
        let event = committed
            .event
            .filter(|event| event.chaincode_id == HEALTH && event.event_name == RECORD_ACCESS);
        let event = event.ok_or(Error::Denied)?;
        let asked = Access { record: &record, reader: &caller.key, recipient: &recipient, now };
        let evidence = access::access_granted(&event.payload, &asked).map_err(denied)?;
        access::still_granted(&self.state(&channel_id), &evidence).map_err(denied)?;
        let data_key = evidence.data_key.as_ref().ok_or(Error::Denied)?;
        let wrap = self.wraps.get(&channel_id, &record, data_key, &recipient)?;
        let wrap = wrap.ok_or(Error::Denied)?;
        if !self.wraps.use_once(&channel_id, &transaction_id, now)? {
            return Err(Error::Denied);
        }
        Ok(wrap)
    }

    fn delete_wraps(&self, signed: &SignedRequest) -> Result<u32, Error> {
        let caller: Verified<DeleteWrapsHeader> = self.verify(signed)?;
        let DeleteWrapsHeader { channel_id, record_id, recipient_kid, .. } = caller.header;
        let record = id(record_id)?;
        if !access::may_delete_wraps(&self.state(&channel_id), &record, &caller.key) {
            return Err(Error::Denied);
        }
        let recipient = if recipient_kid.is_empty() { None } else { Some(kid(recipient_kid)?) };
        self.wraps.delete(&channel_id, &record, recipient.as_ref())
    }

    fn verify<H: caller::Header>(&self, signed: &SignedRequest) -> Result<Verified<H>, Error> {
        caller::verify(self.ledger.as_ref(), signed, now())
    }

    fn may_store<H>(&self, channel: &str, caller: &Verified<H>) -> Result<(), Error> {
        let allowed = access::may_store(&self.state(channel), &caller.key);
        if allowed { Ok(()) } else { Err(Error::Denied) }
    }

    fn state(&self, channel: &str) -> impl Fn(&str) -> Option<Vec<u8>> {
        move |key| self.ledger.health_value(channel, key)
    }
}

/// The next part of an upload; one that does not come in time ends it.
async fn part(parts: &mut Streaming<PutRequest>) -> Result<Option<put_request::Part>, Status> {
    let next = tokio::time::timeout(TRANSFER_PAUSE_MAX, parts.message()).await;
    let next = next.map_err(|_| Status::from(Error::Stalled))??;
    Ok(next.and_then(|request| request.part))
}

fn denied(reason: access::NotGranted) -> Error {
    tracing::info!(%reason, "wrap not released");
    Error::Denied
}

fn is_too_large(wrap: &Wrap) -> bool {
    wrap.enc.len() + wrap.ciphertext.len() > WRAP_BYTES_MAX
}

fn id(text: String) -> Result<Id, Error> {
    Id::new(text).ok_or(Error::Malformed("record or data key id"))
}

fn kid(text: String) -> Result<Kid, Error> {
    Kid::new(text).ok_or(Error::Malformed("key id"))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
