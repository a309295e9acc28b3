//! The vault of one organisation: store and fetch ciphertexts, store, release and delete wraps.

mod large;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::vault::vault_client::VaultClient;
use carecord_msp::Signer;
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, DeleteWrapsResponse, GetHeader, GetResponse, PutHeader, PutRequest,
    PutWrapsHeader, ReleaseWrapHeader, SignedRequest, Wrap, put_request,
};
use carecord_proto::{content, vault_name};
use prost::Message;
use tonic::transport::Channel;

use crate::Error;

pub use large::Sent;

/// Bytes of one piece of a ciphertext on the wire.
const CHUNK_BYTES: usize = 256 << 10;

/// Wraps that a vault takes in one request.
const WRAPS_PER_REQUEST: usize = 1_000;
/// Bytes of a request's nonce.
const NONCE_BYTES: usize = 16;
/// A vault's answer when it has no place for a transfer.
const BUSY: &str = "CR-VLT-014";

/// How often a transfer is tried when the vault is busy, and the first pause between two tries.
const BUSY_TRIES: u32 = 6;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A peer as a person reaches it.
#[derive(Clone, Debug)]
pub struct PeerAt {
    /// The connection.
    pub channel: Channel,
    /// The address by which its vault is known, `host:port`. It comes from where the connection's address comes from,
    /// never from the peer itself: a vault that could choose its name could have requests signed for another one.
    pub address: String,
}

/// A vault as one person uses it; cheap to clone.
#[derive(Clone)]
pub struct Vault {
    client: VaultClient<Channel>,
    /// The name of the vault that requests are signed for.
    name: String,
    channel_id: String,
    signer: Arc<dyn Signer>,
}

/// The version of a record that names, or will name, a content.
#[derive(Clone, Copy, Debug)]
pub struct NamedBy<'a> {
    /// The record.
    pub record_id: &'a str,
    /// Its version, from 1.
    pub version: u64,
}

/// What is fresh in every request.
struct Fresh {
    timestamp: i64,
    nanos: u32,
    nonce: Bytes,
}

// === impl Vault ===

impl Vault {
    /// The vault of organisation `msp_id` at this peer, for records of the ledger channel `channel_id`.
    pub fn new(peer: &PeerAt, msp_id: &str, channel_id: &str, signer: Arc<dyn Signer>) -> Self {
        let client = VaultClient::new(peer.channel.clone());
        let name = vault_name(msp_id, &peer.address);
        Self { client, name, channel_id: channel_id.to_owned(), signer }
    }

    /// Stores a ciphertext that a version of a record will name, and answers its content id.
    ///
    /// The vault removes it after a time (a day, unless its operator says otherwise) if that version is not committed.
    pub async fn put(&self, sealed: &[u8], named_by: NamedBy<'_>) -> Result<String, Error> {
        let cid = content::id(sealed);
        let chunks = sealed.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice);
        let chunks: Vec<_> = chunks.map(put_request::Part::Chunk).collect();
        let put = async || {
            let header = self.put_header(&cid, sealed.len() as u64, named_by)?;
            let parts = std::iter::once(header).chain(chunks.iter().cloned());
            let parts: Vec<_> = parts.map(|part| PutRequest { part: Some(part) }).collect();
            Ok(self.client.clone().put(tokio_stream::iter(parts)).await)
        };
        patiently(put).await?;
        Ok(cid)
    }

    fn put_header(
        &self,
        cid: &str,
        size: u64,
        named_by: NamedBy<'_>,
    ) -> Result<put_request::Part, Error> {
        let Fresh { timestamp, nanos, nonce } = fresh()?;
        let header = PutHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            cid: cid.to_owned(),
            size,
            record_id: named_by.record_id.to_owned(),
            version: named_by.version,
            timestamp,
            nanos,
            nonce,
            vault: self.name.clone(),
            call: "Put".to_owned(),
        };
        Ok(put_request::Part::Header(self.sign(&header)?))
    }

    /// Fetches a ciphertext and checks that it has its content id.
    pub async fn get(&self, cid: &str) -> Result<Vec<u8>, Error> {
        let mut stream = self.part(cid, 0, 0).await?;
        let mut sealed = Vec::new();
        while let Some(part) = stream.message().await.map_err(failed)? {
            sealed.extend_from_slice(&part.chunk);
        }
        if content::id(&sealed) != cid {
            return Err(Error::Untrusted("the vault sent bytes with another content id"));
        }
        Ok(sealed)
    }

    /// A stream of `length` bytes from `offset`, or of all to the end if `length` is 0.
    async fn part(
        &self,
        cid: &str,
        offset: u64,
        length: u64,
    ) -> Result<tonic::Streaming<GetResponse>, Error> {
        let get = async || {
            let Fresh { timestamp, nanos, nonce } = fresh()?;
            let header = GetHeader {
                channel_id: self.channel_id.clone(),
                identity: self.signer.serialized(),
                cid: cid.to_owned(),
                offset,
                length,
                timestamp,
                nanos,
                nonce,
                vault: self.name.clone(),
                call: "Get".to_owned(),
            };
            Ok(self.client.clone().get(self.sign(&header)?).await)
        };
        Ok(patiently(get).await?.into_inner())
    }

    /// Stores wraps of a committed record's data key; each names the person whose registered key it is for.
    pub async fn put_wraps(&self, record_id: &str, wraps: Vec<Wrap>) -> Result<(), Error> {
        for wraps in wraps.chunks(WRAPS_PER_REQUEST) {
            self.put_some_wraps(record_id, wraps.to_vec()).await?;
        }
        Ok(())
    }

    async fn put_some_wraps(&self, record_id: &str, wraps: Vec<Wrap>) -> Result<(), Error> {
        let Fresh { timestamp, nanos, nonce } = fresh()?;
        let header = PutWrapsHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            wraps,
            timestamp,
            nanos,
            nonce,
            vault: self.name.clone(),
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
        let Fresh { timestamp, nanos, nonce } = fresh()?;
        let header = ReleaseWrapHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            recipient_kid: recipient_kid.to_owned(),
            transaction_id: tx_id.to_owned(),
            timestamp,
            nanos,
            nonce,
            vault: self.name.clone(),
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
        Ok(self.delete(record_id, recipient_kid, None).await?.deleted)
    }

    /// The same, and the vault's signed receipt, which verifies offline.
    pub async fn delete_wraps_with_receipt(
        &self,
        record_id: &str,
        recipient_kid: Option<&str>,
    ) -> Result<DeleteWrapsResponse, Error> {
        self.delete(record_id, recipient_kid, None).await
    }

    /// Deletes all wraps of one version of a record, known by its data key; answers how many there were.
    pub async fn delete_version_wraps(
        &self,
        record_id: &str,
        data_key_id: &str,
    ) -> Result<u32, Error> {
        Ok(self.delete(record_id, None, Some(data_key_id)).await?.deleted)
    }

    async fn delete(
        &self,
        record_id: &str,
        recipient_kid: Option<&str>,
        data_key_id: Option<&str>,
    ) -> Result<DeleteWrapsResponse, Error> {
        let Fresh { timestamp, nanos, nonce } = fresh()?;
        let header = DeleteWrapsHeader {
            channel_id: self.channel_id.clone(),
            identity: self.signer.serialized(),
            record_id: record_id.to_owned(),
            recipient_kid: recipient_kid.unwrap_or_default().to_owned(),
            data_key_id: data_key_id.unwrap_or_default().to_owned(),
            timestamp,
            nanos,
            nonce,
            vault: self.name.clone(),
            call: "DeleteWraps".to_owned(),
        };
        let signed = self.sign(&header)?;
        let answer = self.client.clone().delete_wraps(signed).await.map_err(failed)?;
        Ok(answer.into_inner())
    }

    fn sign(&self, header: &impl Message) -> Result<SignedRequest, Error> {
        let request = header.encode_to_vec();
        let signature = self.signer.sign(&request)?.into();
        Ok(SignedRequest { request: request.into(), signature })
    }
}

/// Repeats a transfer that the vault had no place for, a few times and later each time; signed anew, since a signature
/// serves once.
async fn patiently<T>(
    mut call: impl AsyncFnMut() -> Result<Result<T, tonic::Status>, Error>,
) -> Result<T, Error> {
    let mut pause = BUSY_PAUSE;
    for _ in 1..BUSY_TRIES {
        match call().await? {
            Err(status) if status.message().starts_with(BUSY) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer.map_err(failed),
        }
    }
    call().await?.map_err(failed)
}

fn failed(status: tonic::Status) -> Error {
    Error::gateway("vault", status)
}

fn fresh() -> Result<Fresh, Error> {
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| Error::NoRandomness)?;
    let now = crate::proposal::now();
    let nanos = u32::try_from(now.nanos).unwrap_or_default();
    Ok(Fresh { timestamp: now.seconds, nanos, nonce: nonce.into() })
}
