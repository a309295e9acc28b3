//! Ledgers of real Fabric networks: what their orderers held, and what their peers made of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use carecord_ledger::{Committed, Error, ForeignChannels, Ledger, Options};
use carecord_proto::common::Block;
use carecord_proto::{block, fabric_file, testdata};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Where the test data is if nobody says otherwise, as seen from the sources.
const BESIDE: &str = "../shared/data";

/// One ledger of the test data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Golden {
    /// Its name in findings.
    pub(super) name: &'static str,
    folder: &'static str,
    peer: &'static str,
    /// Other channels that the peer had joined.
    known: &'static [&'static str],
}

/// All of them.
pub(super) const GOLDEN: [Golden; 3] = [
    Golden { name: "golden", folder: "fabric-golden", peer: "peer.blk", known: &[] },
    Golden { name: "golden-2", folder: "fabric-golden-2/golden", peer: "peer1.blk", known: &[] },
    Golden { name: "raw", folder: "fabric-golden-2/raw", peer: "peer1.blk", known: &["golden"] },
];

// === impl Golden ===

impl Golden {
    /// The orderer's block file, byte by byte.
    pub(super) fn orderer_file(self) -> Outcome<Bytes> {
        read(&format!("{}/orderer.blk", self.folder))
    }

    /// The peer's blocks, with its codes and commit hashes.
    pub(super) fn peer_blocks(self) -> Outcome<Vec<Block>> {
        blocks(read(&format!("{}/{}", self.folder, self.peer))?)
    }

    /// How the peer's ledger was set up.
    pub(super) fn options(self) -> Options {
        let known: BTreeSet<_> = self.known.iter().map(ToString::to_string).collect();
        let foreign_channels = match known.is_empty() {
            true => ForeignChannels::Refuse,
            false => ForeignChannels::AsFabric(known),
        };
        Options { foreign_channels, ..Options::default() }
    }
}

/// A file or folder of the test data; a check without it falls short.
pub(super) fn data(relative: &str) -> Outcome<PathBuf> {
    let beside = || {
        let path = super::suite::sources().join(BESIDE).join(relative);
        path.exists().then_some(path)
    };
    testdata::path(relative).or_else(beside).ok_or_else(|| {
        Failure::new(Code::Short, format!("the test data has no {relative}"))
            .hint("name the folder of the test data with CARECORD_TESTDATA")
    })
}

fn read(relative: &str) -> Outcome<Bytes> {
    let path = data(relative)?;
    Ok(std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?.into())
}

/// All blocks of a Fabric block file.
pub(super) fn blocks(file: Bytes) -> Outcome<Vec<Block>> {
    fabric_file::read(file)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(Code::LedgerDamaged, error))
}

/// Commits a block as it came from an orderer.
pub(super) fn commit(ledger: &Ledger, block: &Block) -> Result<Committed, Error> {
    let prefetched = ledger.prefetch(block);
    ledger.commit(block.clone(), prefetched)
}

/// Whether a committed block has the peer's codes and commit hash.
pub(super) fn as_fabric(ours: &Block, theirs: &Block) -> bool {
    block::flags(ours) == block::flags(theirs)
        && block::commit_hash(ours) == block::commit_hash(theirs)
}
