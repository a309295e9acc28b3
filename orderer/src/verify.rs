//! A channel's log checked from end to end, on the files of an orderer that is stopped.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::RecordLog;
use carecord_blocks::record_log::{Check, Options};
use carecord_blocks::storage::{Disk, Storage};
use carecord_consensus::Restored;
use carecord_proto::block;
use carecord_proto::common::Block;
use prost::Message;

use crate::Error;
use crate::storage::{LABEL, open_on};

/// What was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogReport {
    /// Records of whatever kind.
    pub records: u64,
    /// How many blocks.
    pub height: u64,
    /// Transactions in them.
    pub transactions: u64,
}

/// Reads every record as a start would, and every block's place in the chain of hashes.
pub fn verify_log(path: &Path, check: Check) -> Result<LogReport, Error> {
    let disk: Arc<dyn Storage> = Disk::open(path)
        .map_err(|source| Error::Disk { what: path.display().to_string(), source })?;
    let log = RecordLog::open(disk, Options { check, ..Options::new(LABEL) })?;
    let records = log.scan(0).count() as u64;
    let opened = open_on(log)?;
    let known = opened.restored.as_ref().map_or(0, Restored::stored);
    let mut report = LogReport { records, height: 0, transactions: 0 };
    let mut previous = Bytes::new();
    while let Some(bytes) = opened.log.block(report.height)? {
        let found = Block::decode(bytes)?;
        let header = found.header.clone().ok_or(Error::NoHeader)?;
        let data_hash = found.data.as_ref().map(block::data_hash).unwrap_or_default();
        let follows = header.number == report.height
            && header.previous_hash == previous
            && header.data_hash == data_hash[..];
        if !follows && report.height >= known {
            break; // left over from a leader that was voted out
        }
        if !follows {
            return Err(Error::Chain(report.height));
        }
        previous = Bytes::copy_from_slice(&block::header_hash(&header));
        report.transactions += block::envelopes(&found).len() as u64;
        report.height += 1;
    }
    Ok(report)
}
