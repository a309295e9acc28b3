//! Write sets on their way to the disk: those that come together are noted in one synced write.

use std::sync::Arc;

use carecord_ledger::{Ledger, NoteError, Noted};
use tokio::sync::{mpsc, oneshot};

use super::limits::MAX_NOTES;

/// Where write sets are handed over; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    waiting: mpsc::Sender<Waiting>,
}

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
        (Self { waiting }, write(ledger, sets))
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
