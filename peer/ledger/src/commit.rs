//! The commit of one block, top to bottom: verify, judge, log, write.
//!
//! The block reaches the log, with flags and commit hash, and is synced before state is written; whatever is lost after
//! that is replayed. Private data alone is synced before the block, because no replay could bring it back. An error on the way never turns into a verdict: the ledger stops and says why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_blocks::verify::BlockVerifier;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::{Block, ConfigEnvelope, HeaderType};
use carecord_proto::protos::{ChaincodeEvent, TxValidationCode as Code};
use prost::Message;

use crate::cause::Cause;
use crate::definition::LIFECYCLE;
use crate::error::Error;
use crate::ledger::{Ledger, Tip, reader};
use crate::mvcc::{self, Candidate};
use crate::recovery;
use crate::state::StateView;
use crate::validator::{Decided, Examined, Kind, Prefetched, decide};
use crate::write::{self, Judged, flags};

/// What became of a block.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its number.
    pub number: u64,
    /// The hash of its header.
    pub header_hash: [u8; 32],
    /// Its commit hash.
    pub commit_hash: Option<[u8; 32]>,
    /// The block as stored, with flags and commit hash.
    pub block: Arc<Block>,
    /// Its transactions, in order.
    pub transactions: Vec<CommittedTx>,
    /// The new configuration, if the block brought one.
    pub bundle: Option<Arc<Bundle>>,
    /// Whether a private write set that this peer should hold did not arrive.
    pub is_missing_private_data: bool,
    /// What it took; for metrics, never for a verdict.
    pub spent: Spent,
}

/// Where the time of a commit went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// The append to the block log, synced.
    pub log: Duration,
    /// The write of state, history and indexes.
    pub state: Duration,
}

/// What became of a transaction.
#[derive(Debug, Clone)]
pub struct CommittedTx {
    /// Its id; empty if its header cannot be read.
    pub tx_id: String,
    /// Its verdict.
    pub code: Code,
    /// Why it is not valid, where there are words for it.
    pub cause: Option<Cause>,
    /// What its header says it is.
    pub header_type: Option<HeaderType>,
    /// The invoked chaincode, if it got so far.
    pub chaincode: String,
    /// The version of it that the endorsers ran, if it got so far.
    pub version: String,
    /// The chaincode's event, if it got so far.
    pub event: Option<ChaincodeEvent>,
}

impl Ledger {
    /// Checks that a block continues this chain: number, hashes, form, and the orderers' signatures.
    pub fn verify(&self, block: &Block) -> Result<(), Error> {
        let tip = self.tip.read().clone();
        verify(block, &tip)
    }

    /// Appends the next block.
    ///
    /// A block that does not continue the chain is refused and changes nothing. After any other error the ledger has
    /// stopped: open it again.
    pub fn commit(&self, block: Block, prefetched: Prefetched) -> Result<Committed, Error> {
        let _one_at_a_time = self.committing.lock();
        if let Some(reason) = self.halted() {
            return Err(Error::Halted { channel: self.channel_id.clone(), reason });
        }
        let tip = self.tip.read().clone();
        verify(&block, &tip)?;
        let committed = self.append(block, prefetched, tip);
        if let Err(error) = &committed {
            *self.halted.write() = Some(error.to_string());
        }
        committed
    }

    fn append(
        &self,
        mut block: Block,
        prefetched: Prefetched,
        tip: Tip,
    ) -> Result<Committed, Error> {
        let number = block::number(&block);
        let header = block.header.clone().unwrap_or_default();
        let prefetched = match prefetched.fits(&block, &tip.bundle) {
            true => prefetched,
            false => self.prefetch(&block),
        };
        let transactions = &prefetched.transactions;
        let state = StateView::new(reader(&*self.engine));
        let Decided { mut codes, mut causes } = decide(&prefetched, state)?;

        let candidates = candidates(transactions, &codes);
        let mut outcome = mvcc::check(number, &candidates, state)?;
        let judged = outcome.codes.iter().zip(outcome.causes);
        for (candidate, (code, cause)) in candidates.iter().zip(judged) {
            codes[candidate.position as usize] = *code;
            causes[candidate.position as usize] = cause;
        }
        let config = config(transactions, &codes, &tip.bundle, number)?;
        if let Some((envelope, _)) = &config {
            write::add_config(&mut outcome.updates, envelope.clone(), number);
        }

        let valid = candidates.into_iter().filter(|c| codes[c.position as usize] == Code::Valid);
        let (valid, previous) = (valid.collect::<Vec<_>>(), Some(tip.savepoint.clone()));
        let tx_ids: Vec<_> = transactions.iter().map(|it| it.tx_id.as_str()).collect();
        let taken = write::taken(&self.private, number, &valid, &tx_ids, state);
        let taken = taken.map_err(Error::Private)?;
        let (updates, held) = (outcome.updates, &taken.held[..]);
        let judged =
            Judged { block: &block, codes: &codes, tx_ids, valid, updates, previous, held };
        let savepoint = judged.savepoint();
        let batch = judged.batch(&savepoint, state, &self.private, self.options.history)?;
        let updates = judged.updates;

        block::set_flags(&mut block, &flags(&codes));
        block::set_commit_hash(&mut block, savepoint.commit_hash.as_ref().map_or(&[], |h| &h[..]));
        let started = Instant::now();
        self.private.keep(number, &taken, &updates).map_err(Error::Private)?;
        self.blocks.append(&block)?;
        let log = started.elapsed();
        self.engine.write(batch)?;
        if updates.public(LIFECYCLE).is_some_and(|rows| !rows.is_empty()) {
            self.collections.forget();
        }
        let tx_ids = prefetched.transactions.iter().map(|it| it.tx_id.as_str());
        self.private.forget(number, tx_ids).map_err(Error::Private)?;
        let spent = Spent { log, state: started.elapsed() - log };

        let bundle = config.map(|(_, bundle)| bundle);
        *self.tip.write() = Tip {
            savepoint: savepoint.clone(),
            previous_hash: header.previous_hash,
            bundle: bundle.clone().unwrap_or(tip.bundle),
        };
        Ok(Committed {
            number,
            header_hash: savepoint.header_hash,
            commit_hash: savepoint.commit_hash,
            block: Arc::new(block),
            transactions: summaries(prefetched.transactions, &codes, causes),
            bundle,
            is_missing_private_data: taken.is_missing_any(),
            spent,
        })
    }
}

fn verify(block: &Block, tip: &Tip) -> Result<(), Error> {
    let Tip { savepoint, bundle, .. } = tip;
    BlockVerifier::new(Arc::clone(bundle))
        .verify(block, savepoint.height, Some(&savepoint.header_hash))
        .map_err(|source| Error::Block { number: block::number(block), source })
}

fn candidates<'a>(transactions: &'a [Examined], codes: &[Code]) -> Vec<Candidate<'a>> {
    let valid = (0..).zip(transactions).zip(codes).filter(|(_, code)| **code == Code::Valid);
    valid
        .filter_map(|((position, examined), _)| {
            let Ok(Kind::Endorser(endorsed)) = &examined.kind else { return None };
            let body = endorsed.body.as_ref().ok()?;
            Some(Candidate { position, rwset: &body.rwset })
        })
        .collect()
}

/// The configuration of a configuration block, applied; one that does not follow stops the channel.
fn config(
    transactions: &[Examined],
    codes: &[Code],
    current: &Bundle,
    number: u64,
) -> Result<Option<(Bytes, Arc<Bundle>)>, Error> {
    let refused = |reason: String| Error::Config { number, reason };
    let mut configs =
        transactions.iter().zip(codes).filter_map(|(examined, code)| match &examined.kind {
            Ok(Kind::Config(envelope)) if *code == Code::Valid => Some(envelope),
            _ => None,
        });
    let Some(bytes) = configs.next() else { return Ok(None) };
    if transactions.len() != 1 {
        return Err(refused("a configuration must be alone in its block".into()));
    }
    let envelope =
        ConfigEnvelope::decode(bytes.clone()).map_err(|error| refused(error.to_string()))?;
    let bundle = current.next_bundle(&envelope).map_err(|error| refused(error.to_string()))?;
    recovery::check_application(&bundle).map_err(|reason| refused(reason.to_owned()))?;
    Ok(Some((bytes.clone(), Arc::new(bundle))))
}

fn summaries(
    transactions: Vec<Examined>,
    codes: &[Code],
    causes: Vec<Option<Cause>>,
) -> Vec<CommittedTx> {
    let summary = |((examined, code), cause): ((Examined, &Code), _)| {
        let mut summary = CommittedTx {
            tx_id: examined.tx_id,
            code: *code,
            cause,
            header_type: examined.header_type,
            chaincode: String::new(),
            version: String::new(),
            event: None,
        };
        if let Ok(Kind::Endorser(endorsed)) = examined.kind
            && let Ok(body) = &endorsed.body
        {
            summary.chaincode.clone_from(&body.chaincode);
            summary.version.clone_from(&body.version);
            summary.event.clone_from(&body.event);
        }
        summary
    };
    transactions.into_iter().zip(codes).zip(causes).map(summary).collect()
}
