//! Getting blocks from other orderers: a node that was away, or is new, fetches what it lacks and trusts none of it.

use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::verify::BlockVerifier;
use carecord_channel::Bundle;
use carecord_comm::cluster::cluster_client::ClusterClient;
use carecord_consensus::Event;
use carecord_proto::carecord::orderer::BlocksRequest;
use carecord_proto::common::Block;
use prost::Message;
use tonic::transport::Channel;

use super::Links;
use crate::Error;
use crate::channel::{Inbox, Input};

/// Bytes of blocks that are handed to the owner at a time.
const PORTION_BYTES: usize = 8 << 20;

/// Where a fetch begins: the first block wanted and what must stand before it.
pub(crate) struct Start {
    pub(crate) number: u64,
    pub(crate) end: u64,
    pub(crate) previous_hash: Bytes,
    pub(crate) bundle: Arc<Bundle>,
}

/// Fetches from the first address that serves, and reports to the owner.
pub(crate) async fn fetch(
    links: Arc<Links>,
    channel: String,
    addresses: Vec<String>,
    mut start: Start,
    inbox: Inbox,
) {
    for address in addresses {
        for attempt in 0..links.certificates() {
            let client = links.client(&channel, &address, attempt);
            match fetch_from(client, &channel, &mut start, &inbox).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%channel, %address, %error, "blocks could not be fetched");
                    if !error.is_stranger() {
                        break;
                    }
                }
            }
        }
    }
    inbox.send(Input::Core(Event::FetchFailed)).await;
}

async fn fetch_from(
    client: Result<ClusterClient<Channel>, Error>,
    channel: &str,
    start: &mut Start,
    inbox: &Inbox,
) -> Result<(), Error> {
    let request =
        BlocksRequest { channel: channel.to_owned(), start: start.number, end: start.end };
    let mut stream = client?.blocks(request).await?.into_inner();
    let mut portion = Portion::default();
    while start.number <= start.end {
        let Some(response) = stream.message().await? else { break };
        verify(&response.block, start)?;
        portion.push(response.block);
        if portion.bytes >= PORTION_BYTES {
            portion.hand_over(inbox).await;
        }
    }
    portion.hand_over(inbox).await;
    if start.number <= start.end {
        Err(Error::FetchedTooFew { next: start.number })
    } else {
        Ok(())
    }
}

/// Checks a block against the one before it and the configuration in force, which it may itself change.
fn verify(bytes: &Bytes, start: &mut Start) -> Result<(), Error> {
    let block = Block::decode(bytes.clone())?;
    let verifier = BlockVerifier::new(Arc::clone(&start.bundle));
    verifier.verify(&block, start.number, Some(&start.previous_hash))?;
    if let Some(config) = carecord_proto::block::config_envelope(&block)? {
        start.bundle = Arc::new(start.bundle.next_bundle(&config)?);
    }
    let header = block.header.as_ref().ok_or(Error::NoHeader)?;
    start.previous_hash = Bytes::copy_from_slice(&carecord_proto::block::header_hash(header));
    start.number += 1;
    Ok(())
}

#[derive(Default)]
struct Portion {
    blocks: Vec<Bytes>,
    bytes: usize,
}

// === impl Portion ===

impl Portion {
    fn push(&mut self, block: Bytes) {
        self.bytes += block.len();
        self.blocks.push(block);
    }

    async fn hand_over(&mut self, inbox: &Inbox) {
        self.bytes = 0;
        let blocks = std::mem::take(&mut self.blocks);
        if !blocks.is_empty() {
            inbox.send(Input::Core(Event::BlocksFetched { blocks })).await;
        }
    }
}
