//! The gRPC service `carecord.vault.Vault`: one function for each call, checks first, disk second.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use carecord_comm::vault::vault_server::Vault;
use carecord_proto::carecord::vault::{
    DeleteWrapsResponse, GetResponse, ProveResponse, PutRequest, PutResponse, PutWrapsResponse,
    ReleaseWrapResponse, SignedRequest, put_request,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::limits::{CHUNKS_WAITING, SWEEP_PAUSE, TRANSFER_PAUSE_MAX};
use crate::outgoing::Outgoing;
use crate::replicate::Fresh;
use crate::sweep::Swept;
use crate::transfers::Transfers;
use crate::{Contents, Error, Ledger, Limits, Store};

/// The service; cheap to clone.
#[derive(Clone)]
pub struct VaultService(pub(crate) Arc<Inner>);

/// What all requests work with.
pub(crate) struct Inner {
    /// The name by which requests mean this vault.
    pub(crate) name: String,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) contents: Contents,
    pub(crate) store: Arc<Store>,
    pub(crate) limits: Limits,
    pub(crate) transfers: Arc<Transfers>,
    /// When contents were last looked through on behalf of somebody over their quota.
    pub(crate) settled: Mutex<Option<std::time::Instant>>,
    /// Contents that are named since the copies were looked after.
    pub(crate) fresh: Fresh,
}

// === impl VaultService ===

impl VaultService {
    /// A vault of this [`name`](carecord_proto::vault_name) over these stores that believes this ledger.
    pub fn new(
        name: &str,
        ledger: Arc<dyn Ledger>,
        contents: Contents,
        store: Store,
        limits: Limits,
    ) -> Self {
        let name = name.to_owned();
        let store = Arc::new(store);
        let (transfers, settled) = (Arc::default(), Mutex::default());
        let fresh = Fresh::default();
        Self(Arc::new(Inner { name, ledger, contents, store, limits, transfers, settled, fresh }))
    }

    /// Removes contents that no record names, now and then, until the future is dropped.
    pub async fn keep_clean(&self) {
        if self.0.limits.unnamed_seconds == 0 {
            tracing::warn!("contents that no record names are never removed, as configured");
        }
        loop {
            if let Err(status) = self.sweep(now()).await {
                tracing::warn!(reason = status.message(), "contents could not be looked through");
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
    }

    /// Looks through the contents that no record names, as of `now`.
    pub async fn sweep(&self, now: i64) -> Result<Swept, Status> {
        self.blocking(move |inner| inner.sweep(now)).await
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
        mut content: Outgoing,
        sender: &mpsc::Sender<Result<GetResponse, Status>>,
    ) {
        loop {
            let read = self.blocking(move |_| {
                let chunk = content.next()?;
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
        let (mut incoming, upload) = begun;
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
        let stored = self.blocking(move |inner| inner.finish_put(incoming, &upload)).await?;
        Ok(Response::new(stored))
    }

    async fn get(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let signed = request.into_inner();
        let opened = self.blocking(move |inner| inner.open_content(&signed)).await?;
        let (content, place) = opened;
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
        Ok(Response::new(deleted))
    }

    async fn prove(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<ProveResponse>, Status> {
        let signed = request.into_inner();
        Ok(Response::new(self.blocking(move |inner| inner.prove(&signed)).await?))
    }
}

/// The next part of an upload; one that does not come in time ends it.
async fn part(parts: &mut Streaming<PutRequest>) -> Result<Option<put_request::Part>, Status> {
    let next = tokio::time::timeout(TRANSFER_PAUSE_MAX, parts.message()).await;
    let next = next.map_err(|_| Status::from(Error::Stalled))??;
    Ok(next.and_then(|request| request.part))
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
