//! A chain as a file: `common.Block` messages, each preceded by its length as a varint.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use carecord_proto::block;
use carecord_proto::common::Block;
use carecord_proto::protos::TxValidationCode;
use prost::Message;
use serde::Serialize;

use super::fetch::{self, Range};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::NodeEntry;

/// What was exported, schema `carecord.export/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Always `carecord.export/v1`.
    pub schema: &'static str,
    /// Blocks written.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Transactions that are marked valid; none are marked in an orderer's chain.
    pub valid: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes the chain of `channel` at `node` to `out`, from block 0 to the height that it has now.
pub async fn export(
    session: &Session,
    node: &NodeEntry,
    channel: &str,
    out: &Path,
) -> Outcome<Export> {
    let failed = |error: &std::io::Error| Failure::file(out, error);
    let height = super::height(session, node, channel).await?;
    let draft = draft_of(out);
    let file = File::create(draft.as_deref().unwrap_or(out)).map_err(|error| failed(&error))?;
    let mut file = BufWriter::new(file);
    let mut export =
        Export { schema: "carecord.export/v1", blocks: 0, transactions: 0, valid: 0, bytes: 0 };
    fetch::stream(session, node, channel, Range::Between(0, height - 1), |block| {
        let bytes = block.encode_length_delimited_to_vec();
        file.write_all(&bytes).map_err(|error| failed(&error))?;
        export.count(&block, bytes.len());
        Ok(())
    })
    .await?;
    file.into_inner()
        .map_err(|error| failed(error.error()))?
        .sync_all()
        .map_err(|error| failed(&error))?;
    if let Some(draft) = draft {
        std::fs::rename(&draft, out).map_err(|error| failed(&error))?;
    }
    Ok(export)
}

/// Where a file grows before it gets its name; a device or a pipe is written to as it is, never replaced.
fn draft_of(out: &Path) -> Option<PathBuf> {
    let is_special = out.metadata().is_ok_and(|found| !found.is_file());
    (!is_special).then(|| out.with_extension("part"))
}

/// Reads a file that [`export`] wrote.
pub fn read_export(path: &Path) -> Outcome<Vec<Block>> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let mut rest = bytes::Bytes::from(bytes);
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let block = Block::decode_length_delimited(&mut rest).map_err(|error| {
            Failure::new(Code::LedgerDamaged, format!("block {}: {error}", blocks.len()))
                .at(path.display())
        })?;
        blocks.push(block);
    }
    Ok(blocks)
}

// === impl Export ===

impl Export {
    fn count(&mut self, block: &Block, bytes: usize) {
        self.blocks += 1;
        self.bytes += bytes as u64;
        self.transactions += block::envelopes(block).len() as u64;
        let valid = TxValidationCode::Valid as u8;
        self.valid += block::flags(block).iter().filter(|flag| **flag == valid).count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        assert_eq!(draft_of(Path::new("/dev/null")), None);
        assert_eq!(draft_of(Path::new("/tmp/no/chain.bin")), Some("/tmp/no/chain.part".into()));
    }

    #[test]
    fn what_is_written_with_lengths_is_read_again() {
        let path = std::env::temp_dir().join(format!("carecord-export-{}", std::process::id()));
        let blocks: Vec<Block> = (0..3)
            .map(|number| block::new(number, bytes::Bytes::new(), vec![vec![7; 300].into()]))
            .collect();
        let bytes: Vec<u8> =
            blocks.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_export(&path).unwrap(), blocks);
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(read_export(&path).unwrap_err().to_string().contains("CR-LED-002"));
        std::fs::remove_file(path).unwrap();
    }
}
