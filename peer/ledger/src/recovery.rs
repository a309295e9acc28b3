//! From the block log to state: at every start, whatever was lost.
//!
//! Replay takes the flags from the stored blocks, merges the writes again, and compares the commit hash with the stored
//! one. A difference means that log or state or this program is wrong, and the ledger does not open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::{Block, ConfigEnvelope};
use carecord_proto::envelope;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::{CollHashedRwSet, TxRwSet};
use prost::Message;

use crate::blocks::Blocks;
use crate::error::Error;
use crate::index::Savepoint;
use crate::ledger::{Tip, reader};
use crate::mvcc::{self, Candidate};
use crate::private::{PrivateStore, Spot};
use crate::snapshot::{self, Snapshot};
use crate::state::{Engine, StateView};
use crate::validator::action_of;
use crate::write::{self, Judged};

/// Whether a ledger can start with this block.
pub(crate) fn check_genesis(genesis: &Block) -> Result<(), Error> {
    let refused = |reason: &dyn std::fmt::Display| Error::Genesis(reason.to_string());
    let header = genesis.header.clone().unwrap_or_default();
    if header.number != 0 || !header.previous_hash.is_empty() {
        return Err(refused(&"it is not block 0"));
    }
    let data_hash = genesis.data.as_ref().map(block::data_hash).unwrap_or_default();
    if header.data_hash != data_hash[..] {
        return Err(refused(&"its data hash does not match"));
    }
    let bundle = Bundle::from_block(genesis).map_err(|error| refused(&error))?;
    check_application(&bundle).map_err(|reason| refused(&reason))
}

/// Whether a configuration asks for the validator there is: the one of Fabric 2.0 and later.
pub(crate) fn check_application(bundle: &Bundle) -> Result<(), &'static str> {
    let application = bundle.application().ok_or("it has no application organisations")?;
    match application.capabilities.v2_0_validation() {
        true => Ok(()),
        false => Err("it lacks the application capability V2_0"),
    }
}

/// Where a ledger lies.
pub(crate) struct Stores<'a> {
    pub(crate) blocks: &'a Blocks,
    pub(crate) engine: &'a dyn Engine,
    pub(crate) private: &'a PrivateStore,
}

/// The snapshot that stands for the blocks before the log's first one.
pub(crate) struct Base {
    dir: PathBuf,
    snapshot: Snapshot,
}

impl Base {
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        Ok(Base { dir: dir.to_owned(), snapshot: Snapshot::read(dir)? })
    }

    pub(crate) fn height(&self) -> u64 {
        self.snapshot.height()
    }
}

/// Brings state to the height of the log and gives the end of the chain.
pub(crate) fn recover(
    stores: &Stores<'_>,
    base: Option<&Base>,
    history: bool,
) -> Result<Tip, Error> {
    let Stores { blocks, engine, private } = *stores;
    let mut savepoint = Savepoint::read(engine)?;
    if let (None, Some(base)) = (&savepoint, base) {
        savepoint = Some(snapshot::fill(&base.dir, engine)?.savepoint());
    }
    let log = blocks.height().max(base.map_or(0, Base::height));
    let state = savepoint.as_ref().map_or(0, |savepoint| savepoint.height);
    if state > log {
        return Err(Error::LogBehindState { state, log });
    }
    for number in state..log {
        let stored = stored_block(blocks, number)?;
        savepoint = Some(replay(&stored, savepoint, engine, private, history)?);
    }
    let Some(savepoint) = savepoint else {
        return Err(Error::Genesis("the block log is empty".into()));
    };
    let previous_hash = end_of_chain(blocks, base, &savepoint)?;
    let channel_id = match base {
        Some(base) => base.snapshot.channel.clone(),
        None => block::channel_id(&stored_block(blocks, 0)?)
            .map_err(|error| Error::Genesis(error.to_string()))?,
    };
    let bundle = current_bundle(&channel_id, engine)?;
    Ok(Tip { savepoint, previous_hash, bundle: Arc::new(bundle) })
}

/// The hash before the last block's, which must be the one that state was made from.
fn end_of_chain(
    blocks: &Blocks,
    base: Option<&Base>,
    savepoint: &Savepoint,
) -> Result<Bytes, Error> {
    let number = savepoint.height - 1;
    let (hash, previous) = match base {
        Some(Base { snapshot, .. }) if snapshot.block == number => {
            (snapshot.header_hash, snapshot.previous_hash.clone().into())
        }
        _ => {
            let header = stored_block(blocks, number)?.header.unwrap_or_default();
            (block::header_hash(&header), header.previous_hash)
        }
    };
    match hash == savepoint.header_hash {
        true => Ok(previous),
        false => Err(Error::Stored { number, reason: "state belongs to another chain" }),
    }
}

fn stored_block(blocks: &Blocks, number: u64) -> Result<Block, Error> {
    blocks.read(number)?.ok_or(Error::Stored { number, reason: "it is missing" })
}

pub(crate) fn current_bundle(channel_id: &str, engine: &dyn Engine) -> Result<Bundle, Error> {
    let refused = |reason: String| Error::Genesis(reason);
    let stored = write::config(StateView::new(reader(engine)))?;
    let stored = stored.ok_or_else(|| refused("state holds no configuration".into()))?;
    let envelope = ConfigEnvelope::decode(stored).map_err(|error| refused(error.to_string()))?;
    let config = envelope.config.unwrap_or_default();
    Bundle::from_config(channel_id, &config).map_err(|error| refused(error.to_string()))
}

pub(crate) fn replay(
    stored: &Block,
    previous: Option<Savepoint>,
    engine: &dyn Engine,
    private: &PrivateStore,
    history: bool,
) -> Result<Savepoint, Error> {
    let number = block::number(stored);
    let chained = stored.header.as_ref().is_some_and(|header| match &previous {
        Some(savepoint) => header.previous_hash == savepoint.header_hash[..],
        None => number == 0,
    });
    if !chained {
        return Err(Error::Stored { number, reason: "it does not follow the block before" });
    }
    let codes = stored_codes(stored)?;
    let envelopes = block::envelopes(stored);
    let sets = valid_sets(envelopes, &codes);
    let valid: Vec<_> =
        sets.iter().map(|(position, rwset)| Candidate { position: *position, rwset }).collect();
    let state = StateView::new(reader(engine));
    let mut updates = mvcc::replay(number, &valid, state)?;
    if let Some(config) = valid_config(stored, &codes) {
        write::add_config(&mut updates, config, number);
    }
    let tx_ids: Vec<String> = envelopes.iter().map(index_id).collect();
    let tx_ids: Vec<_> = tx_ids.iter().map(String::as_str).collect();
    let taken = write::taken(private, number, &valid, &tx_ids, state).map_err(Error::Private)?;
    let held = &taken.held[..];
    let judged = Judged { block: stored, codes: &codes, tx_ids, valid, updates, previous, held };
    let savepoint = judged.savepoint();
    check_commit_hash(stored, &savepoint)?;
    let batch = judged.batch(&savepoint, state, private, history)?;
    private.keep(number, &taken, &judged.updates).map_err(Error::Private)?;
    engine.write(batch)?;
    let tx_ids = judged.tx_ids.iter().copied();
    private.forget(number, tx_ids).map_err(Error::Private)?;
    Ok(savepoint)
}

fn check_commit_hash(stored: &Block, savepoint: &Savepoint) -> Result<(), Error> {
    let expected = block::commit_hash(stored);
    let replayed = savepoint.commit_hash.as_ref().map(|hash| &hash[..]);
    if expected.as_deref() == replayed {
        return Ok(());
    }
    Err(Error::Diverged {
        number: block::number(stored),
        replayed: hex::encode(replayed.unwrap_or_default()),
        stored: hex::encode(expected.unwrap_or_default()),
    })
}

fn stored_codes(stored: &Block) -> Result<Vec<Code>, Error> {
    let number = block::number(stored);
    let flags = block::flags(stored);
    let codes: Option<Vec<Code>> =
        flags.iter().map(|flag| Code::try_from(i32::from(*flag)).ok()).collect();
    codes
        .filter(|codes| codes.len() == block::envelopes(stored).len())
        .ok_or(Error::Stored { number, reason: "its flags are damaged" })
}

fn valid_sets(envelopes: &[Bytes], codes: &[Code]) -> Vec<(u64, TxRwSet)> {
    let valid = (0..).zip(envelopes).zip(codes).filter(|(_, code)| **code == Code::Valid);
    valid
        .filter_map(|((position, raw), _)| action_of(raw).map(|(_, rwset)| (position, rwset)))
        .collect()
}

/// What a stored block says of a collection's part of one of its valid transactions.
pub(crate) fn stored_set(stored: &Block, spot: &Spot) -> Option<CollHashedRwSet> {
    let tx = usize::try_from(spot.tx).ok()?;
    let code = Code::try_from(i32::from(*block::flags(stored).get(tx)?)).ok()?;
    let (_, rwset) =
        action_of(block::envelopes(stored).get(tx)?).filter(|_| code == Code::Valid)?;
    let namespace = rwset.namespaces.into_iter().find(|ns| ns.namespace == spot.namespace)?;
    namespace.collections.into_iter().find(|set| set.name == spot.collection)
}

/// The configuration envelope of a valid configuration block.
fn valid_config(stored: &Block, codes: &[Code]) -> Option<Bytes> {
    if codes != [Code::Valid] || !block::is_config(stored) {
        return None;
    }
    let raw = block::envelopes(stored).first()?;
    let opened = carecord_proto::wellformed::open_envelope(raw).ok()?;
    Some(envelope::Opened::open(&opened).ok()?.payload.data)
}

/// The id under which the index knows an envelope: the one its header names, else the one it should name.
pub(crate) fn index_id(raw: &Bytes) -> String {
    let opened = carecord_proto::wellformed::open_envelope(raw).ok();
    let opened = opened.and_then(|envelope| envelope::Opened::open(&envelope).ok());
    match opened {
        None => String::new(),
        Some(opened) if opened.channel_header.tx_id.is_empty() => opened.expected_tx_id(),
        Some(opened) => opened.channel_header.tx_id,
    }
}
