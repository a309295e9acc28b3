//! Proofs of possession: one block of a content and the way from it to the root.
//!
//! Whoever asks chooses the block: contract `storage` by a seed that nobody alone controls, another vault at random.

use carecord_health::merkle::{self, Bytes32, HASH_BYTES};
use carecord_proto::carecord::vault::{ProveHeader, ProveResponse, SignedRequest};

use crate::Error;
use crate::caller::Verified;
use crate::service::Inner;
use crate::tree::{BLOCK_BYTES, CHUNK_BYTES, Tree};

// === impl Inner ===

impl Inner {
    /// Shows the block that is asked for.
    pub(crate) fn prove(&self, signed: &SignedRequest) -> Result<ProveResponse, Error> {
        let caller: Verified<ProveHeader> = self.verify(signed)?;
        self.may_fetch(&caller.header.channel_id, &caller)?;
        let _place = self.transfers.enter(&caller.key)?;
        let ProveHeader { cid, block, .. } = caller.header;
        let mut stored = self.contents.stored(&cid)?;
        if block >= stored.tree().blocks() {
            return Err(Error::OutOfRange);
        }
        let of_chunk = (CHUNK_BYTES / BLOCK_BYTES) as u64;
        let chunk = stored.chunk(block / of_chunk, &cid)?;
        let path = stored.tree().path(block, &chunk).ok_or(Error::Damaged)?;
        let at = (block % of_chunk) as usize * BLOCK_BYTES;
        let bytes = chunk[at..].chunks(BLOCK_BYTES).next().unwrap_or_default();
        Ok(ProveResponse {
            block: bytes.to_vec().into(),
            path: path.iter().map(|hash| hash.to_vec().into()).collect(),
            root: stored.tree().root().to_vec().into(),
            size: stored.tree().size,
        })
    }
}

/// Whether another vault's answer shows this block of the content of this tree. Its own root is not believed.
pub(crate) fn shows(answer: &ProveResponse, block: u64, tree: &Tree) -> bool {
    let hash = |bytes: &bytes::Bytes| -> Option<Bytes32> {
        (bytes.len() == HASH_BYTES).then(|| bytes[..].try_into().expect("32 bytes"))
    };
    let Some(path) = answer.path.iter().map(hash).collect::<Option<Vec<_>>>() else {
        return false;
    };
    answer.block.len() <= BLOCK_BYTES
        && merkle::proves(&merkle::leaf(&answer.block), block, tree.blocks(), &path, &tree.root())
}
