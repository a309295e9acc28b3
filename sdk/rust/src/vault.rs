//! The vault of one organisation: store and fetch ciphertexts, store, release and delete wraps.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::vault::vault_client::VaultClient;
use carecord_msp::Signer;
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, GetHeader, PutHeader, PutRequest, PutWrapsHeader, ReleaseWrapHeader,
    SignedRequest, Wrap, put_request,
};
use carecord_proto::content;
use prost::Message;
use tonic::transport::Channel;

use crate::Error;

/// Bytes of one piece of a ciphertext on the wire.
const CHUNK_BYTES: usize = 256 << 10;

/// How often a transfer is tried when the vault is busy, and the first pause between two tries.
const BUSY_TRIES: u32 = 6;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A vault as one person uses it; cheap to clone.
#[derive(Clone)]
pub struct Vault {
    client: VaultClient<Channel>,
    channel_id: String,
    signer: Arc<dyn Signer>,
}

// === impl Vault ===

impl Vault {
    /// The vault at the other end of `channel`, for records of the ledger channel `channel_id`.
    pub fn new(channel: Channel, channel_id: &str, signer: Arc<dyn Signer>) -> Self {
        Self { client: VaultClient::new(channel), channel_id: channel_id.to_owned(), signer }
    }

    /// Stores a ciphertext and answers its content id.
    pub async fn put(&self, sealed: &[u8]) -> Result<String, Error> {
        let cid = content::id(sealed);
        let header = PutHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            cid: cid.clone(),
            size: sealed.len() as u64,
            timestamp: now(),
            call: "Put".to_owned(),
        };
        let header = put_request::Part::Header(self.sign(&header)?);
        let chunks = sealed.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice);
        let parts = std::iter::once(header).chain(chunks.map(put_request::Part::Chunk));
        let parts: Vec<_> = parts.map(|part| PutRequest { part: Some(part) }).collect();
        let put = || {
            let (mut client, parts) = (self.client.clone(), parts.clone());
            async move { client.put(tokio_stream::iter(parts)).await }
        };
        patiently(put).await?;
        Ok(cid)
    }

    /// Fetches a ciphertext and checks that it has its content id.
    pub async fn get(&self, cid: &str) -> Result<Vec<u8>, Error> {
        let header = GetHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            cid: cid.to_owned(),
            timestamp: now(),
            call: "Get".to_owned(),
        };
        let signed = self.sign(&header)?;
        let get = || {
            let (mut client, signed) = (self.client.clone(), signed.clone());
            async move { client.get(signed).await }
        };
        let mut stream = patiently(get).await?.into_inner();
        let mut sealed = Vec::new();
        while let Some(part) = stream.message().await.map_err(failed)? {
            sealed.extend_from_slice(&part.chunk);
        }
        if content::id(&sealed) != cid {
            return Err(Error::Untrusted("the vault sent bytes with another content id"));
        }
        Ok(sealed)
    }

    /// Stores wraps of a committed record's data key.
    pub async fn put_wraps(&self, record_id: &str, wraps: Vec<Wrap>) -> Result<(), Error> {
        let header = PutWrapsHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            wraps,
            timestamp: now(),
            call: "PutWraps".to_owned(),
        };
        let signed = self.sign(&header)?;
        self.client.clone().put_wraps(signed).await.map_err(failed)?;
        Ok(())
    }

    /// Asks for the wrap of a record to one's own key, against one's committed `records:Open`.
    pub async fn release_wrap(
        &self,
        record_id: &str,
        recipient_kid: &str,
        tx_id: &str,
    ) -> Result<Wrap, Error> {
        let header = ReleaseWrapHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            recipient_kid: recipient_kid.to_owned(),
            transaction_id: tx_id.to_owned(),
            timestamp: now(),
            call: "ReleaseWrap".to_owned(),
        };
        let signed = self.sign(&header)?;
        let answer = self.client.clone().release_wrap(signed).await.map_err(failed)?;
        answer.into_inner().wrap.ok_or(Error::Answer("release without wrap"))
    }

    /// Deletes the wraps of a record to one reader, or to all; answers how many there were.
    pub async fn delete_wraps(
        &self,
        record_id: &str,
        recipient_kid: Option<&str>,
    ) -> Result<u32, Error> {
        let header = DeleteWrapsHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            recipient_kid: recipient_kid.unwrap_or_default().to_owned(),
            timestamp: now(),
            call: "DeleteWraps".to_owned(),
        };
        let signed = self.sign(&header)?;
        let answer = self.client.clone().delete_wraps(signed).await.map_err(failed)?;
        Ok(answer.into_inner().deleted)
    }

    fn sign(&self, header: &impl Message) -> Result<SignedRequest, Error> {
        let request = header.encode_to_vec();
        let signature = self.signer.sign(&request)?.into();
        Ok(SignedRequest { request: request.into(), signature })
    }
}

/// Repeats a transfer that the vault had no place for, a few times and later each time.
async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, tonic::Status>>,
{
    let mut pause = BUSY_PAUSE;
    for _ in 1..BUSY_TRIES {
        match call().await {
            Err(status) if status.code() == tonic::Code::ResourceExhausted => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer.map_err(failed),
        }
    }
    call().await.map_err(failed)
}

fn failed(status: tonic::Status) -> Error {
    Error::gateway("vault", status)
}

fn now() -> i64 {
    crate::proposal::now().seconds
}
