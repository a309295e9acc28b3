//! Blocks that are signed, agreed or fetched, as the owner carries that out.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_consensus::{Event, NodeId};
use carecord_proto::common::{Block, MetadataSignature};

use super::Owner;
use crate::Error;
use crate::channel::admission;
use crate::cluster;

impl Owner<'_> {
    /// `metadata_value ‖ signature_header ‖ header`, as Fabric's block signatures cover it.
    pub(super) fn sign(
        &self,
        metadata_value: &[u8],
        header: &[u8],
    ) -> Result<MetadataSignature, Error> {
        let signer = self.start.shared.signer.get();
        let (signature_header, signature) =
            admission::sign_block(&*signer, metadata_value, header)?;
        Ok(MetadataSignature { signature_header, signature, identifier_header: Bytes::new() })
    }

    pub(super) fn committed(&mut self, block: &Block, is_config: bool) {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        if is_config && let Err(error) = self.reconfigure(block) {
            return self.halted(format!("configuration block {number}: {error}"));
        }
        self.publish(number);
    }

    pub(super) fn caught_up(&mut self, number: u64, config_changed: bool) {
        if config_changed {
            let outcome = self.start.shared.log.last_config_block(number).and_then(|block| {
                let bundle = Bundle::from_block(&block)?;
                self.put_in_force(bundle, &block)
            });
            if let Err(error) = outcome {
                return self.halted(format!("configuration below block {number}: {error}"));
            }
        }
        self.publish(number);
    }

    pub(super) fn publish(&self, number: u64) {
        let name = [self.start.shared.name.as_str()];
        let metrics = &self.start.host.metrics;
        metrics.raft.committed_block_number.with_label_values(&name).set(number as i64);
        self.start.shared.deliverable(number + 1, metrics);
    }

    pub(super) fn reconfigure(&mut self, block: &Block) -> Result<(), Error> {
        let config = carecord_proto::block::config_envelope(block)?.ok_or(Error::NoConfig)?;
        let known = self.start.shared.bundle.load();
        // What this node fetched as a follower was decided then; Raft brings it once more.
        let again = config.config.as_ref().is_some_and(|c| c.sequence <= known.sequence());
        let bundle = if again { Bundle::from_block(block)? } else { known.next_bundle(&config)? };
        self.put_in_force(bundle, block)
    }

    pub(super) fn fetch(&mut self, from: NodeId, start: u64, end: u64) {
        let shared = Arc::clone(&self.start.shared);
        let before = shared.log.header_hash(start.saturating_sub(1));
        let Ok(Some(previous_hash)) = before else {
            self.next.push_back(Event::FetchFailed);
            return;
        };
        let members = shared.members.load_full();
        let others = members.all().filter(|member| member.id != self.start.own);
        let mut addresses: Vec<_> = others.map(|m| (m.id != from, m.address.clone())).collect();
        addresses.sort();
        let addresses = addresses.into_iter().map(|(_, address)| address).collect();
        let bundle = shared.bundle.load_full();
        let begin = cluster::FetchStart { number: start, end, previous_hash, bundle };
        let links = Arc::clone(&self.start.host.links);
        let (name, inbox) = (shared.name.clone(), shared.inbox.clone());
        tokio::spawn(cluster::fetch(links, name, addresses, begin, inbox));
    }
}
