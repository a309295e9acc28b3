//! Write sets on their way to the disk: those that come together are noted in one synced write.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use carecord_ledger::{Ledger, NoteError, Noted};
use carecord_proto::rwset::TxPvtRwSet;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::limits::{MAX_HOLDERS, MAX_NOTES};

/// Where write sets are handed over.
#[derive(Debug)]
pub(crate) struct Notes {
    waiting: mpsc::Sender<Waiting>,
    holders: Mutex<Holders>,
}

/// Which organisations' peers have pushed which sets lately: they have them on their disks.
#[derive(Debug, Default)]
struct Holders {
    newer: HashMap<String, HashSet<Holder>>,
    older: HashMap<String, HashSet<Holder>>,
}

/// An organisation, and the hash of a set in a collection that a peer of it has.
type Holder = (String, String, String, [u8; 32]);

/// Sets, and who waits for them to be on the disk.
#[derive(Debug)]
struct Waiting {
    sets: Vec<Noted>,
    answer: oneshot::Sender<Result<Vec<Result<(), NoteError>>, String>>,
}

// === impl Notes ===

impl Notes {
    /// The queue, and the work that empties it.
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, impl Future<Output = ()>) {
        let (waiting, sets) = mpsc::channel(MAX_NOTES);
        (Self { waiting, holders: Mutex::default() }, write(ledger, sets))
    }

    /// Remembers that a peer of an organisation has a set.
    pub(super) fn is_held_by(&self, msp_id: &str, tx_id: &str, set: &TxPvtRwSet) {
        let mut holders = self.holders.lock();
        if holders.newer.len() >= MAX_HOLDERS {
            holders.older = std::mem::take(&mut holders.newer);
        }
        let of = holders.newer.entry(tx_id.to_owned()).or_default();
        for ns in &set.namespaces {
            for set in &ns.collections {
                of.insert((msp_id.to_owned(), ns.namespace.clone(), set.name.clone(), set.hash()));
            }
        }
    }

    /// The organisations of which a peer has said that it has this set.
    pub(super) fn holders(
        &self,
        tx_id: &str,
        namespace: &str,
        collection: &str,
        hash: [u8; 32],
    ) -> HashSet<String> {
        let holders = self.holders.lock();
        let known = [&holders.newer, &holders.older].into_iter().filter_map(|it| it.get(tx_id));
        let of = known
            .flatten()
            .filter(|(_, of, name, it)| of == namespace && name == collection && *it == hash);
        of.map(|(msp_id, ..)| msp_id.clone()).collect()
    }

    /// Waits until these sets are on the disk, each or not at all; an error is the disk's.
    pub(super) async fn note(
        &self,
        sets: Vec<Noted>,
    ) -> Result<Vec<Result<(), NoteError>>, String> {
        let (answer, noted) = oneshot::channel();
        let stopped = || "the peer stops".to_owned();
        self.waiting.send(Waiting { sets, answer }).await.map_err(|_| stopped())?;
        noted.await.map_err(|_| stopped())?
    }
}

async fn write(ledger: Arc<Ledger>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MAX_NOTES).await > 0 {
        let (sets, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|waiting| (waiting.sets, waiting.answer)).unzip();
        let lengths: Vec<_> = sets.iter().map(Vec::len).collect();
        let ledger = Arc::clone(&ledger);
        let sets: Vec<_> = sets.into_iter().flatten().collect();
        let noted = tokio::task::spawn_blocking(move || ledger.note_sets(&sets)).await;
        let noted = match noted {
            Ok(Ok(noted)) => Ok(noted),
            Ok(Err(error)) => Err(format!("private data: {error}")),
            Err(error) => Err(error.to_string()),
        };
        match noted {
            Err(reason) => {
                answers.into_iter().for_each(|answer| drop(answer.send(Err(reason.clone()))));
            }
            Ok(noted) => {
                let mut noted = noted.into_iter();
                for (answer, length) in answers.into_iter().zip(lengths) {
                    // Whoever waited may have gone; the set is noted all the same.
                    let _ = answer.send(Ok(noted.by_ref().take(length).collect()));
                }
            }
        }
    }
}
