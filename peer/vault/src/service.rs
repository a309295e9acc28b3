//! The gRPC service `carecord.vault.Vault`: one function for each call, checks first, disk second.

use std::io::Read;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
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
use crate::limits::{CHUNK_BYTES, CHUNKS_WAITING, WRAP_BYTES_MAX, WRAPS_PER_REQUEST};
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
}

// === impl VaultService ===

impl VaultService {
    /// A vault over these stores that believes this ledger.
    pub fn new(ledger: Arc<dyn Ledger>, contents: Contents, wraps: Wraps) -> Self {
        Self(Arc::new(Inner { ledger, contents, wraps }))
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
}

#[tonic::async_trait]
impl Vault for VaultService {
    type GetStream = ReceiverStream<Result<GetResponse, Status>>;

    async fn put(
        &self,
        request: Request<Streaming<PutRequest>>,
    ) -> Result<Response<PutResponse>, Status> {
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|request| request.part);
        let Some(put_request::Part::Header(signed)) = first else {
            return Err(Error::Malformed("the first part is not a header").into());
        };
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let vault = self.clone();
        let store = tokio::spawn(async move {
            vault.blocking(move |inner| inner.put(&signed, chunks)).await
        });
        while let Some(part) = parts.message().await? {
            let Some(put_request::Part::Chunk(chunk)) = part.part else {
                return Err(Error::Malformed("a second header").into());
            };
            if sender.send(Some(chunk)).await.is_err() {
                break; // refused; the reason is the store's answer
            }
        }
        // Only a whole upload ends with `None`; a lost stream drops the sender instead.
        let _ = sender.send(None).await;
        let stored = store.await.map_err(|_| Status::internal("vault request ended early"))??;
        Ok(Response::new(stored))
    }

    async fn get(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let signed = request.into_inner();
        let mut content = self.blocking(move |inner| inner.open_content(&signed)).await?;
        let (sender, stream) = mpsc::channel(CHUNKS_WAITING);
        tokio::task::spawn_blocking(move || send_content(&mut content, &sender));
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
    fn put(
        &self,
        signed: &SignedRequest,
        mut chunks: mpsc::Receiver<Option<Bytes>>,
    ) -> Result<PutResponse, Error> {
        let caller: Verified<PutHeader> = self.verify(signed)?;
        self.may_store(&caller.header.channel_id, &caller)?;
        let PutHeader { cid, size, .. } = caller.header;
        let mut incoming = self.contents.begin(&cid, size)?;
        loop {
            match chunks.blocking_recv() {
                Some(Some(chunk)) => incoming.write(&chunk)?,
                Some(None) => break,
                None => return Err(Error::Malformed("the upload broke off")),
            }
        }
        Ok(PutResponse { size: incoming.finish()?, cid })
    }

    fn open_content(&self, signed: &SignedRequest) -> Result<impl Read + use<>, Error> {
        let caller: Verified<GetHeader> = self.verify(signed)?;
        self.may_store(&caller.header.channel_id, &caller)?;
        self.contents.read(&caller.header.cid)
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
        self.wraps.put(&channel_id, &record, &named)
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
        let event = committed.event.filter(|event| {
            event.chaincode_id == HEALTH && event.event_name == RECORD_ACCESS
        });
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
        let recipient =
            if recipient_kid.is_empty() { None } else { Some(kid(recipient_kid)?) };
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

fn send_content(content: &mut impl Read, sender: &mpsc::Sender<Result<GetResponse, Status>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let answer = match content.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                Ok(GetResponse { chunk: chunk.into() })
            }
            Err(error) => Err(Status::unavailable(format!("CR-VLT-020 content: {error}"))),
        };
        let failed = answer.is_err();
        if sender.blocking_send(answer).is_err() || failed {
            return;
        }
    }
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
