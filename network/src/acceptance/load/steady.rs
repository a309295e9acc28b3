//! Transactions at a steady rate, each kept by its client until it is VALID: the same envelope is sent again, a few times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_proto::protos::TxValidationCode;
use carecord_sdk::{Contract, Error, Transaction};

use super::{PAUSE, Shared, lock};
use crate::session::from_sdk;

/// Times that a client sends an envelope again.
pub(in crate::acceptance) const RESENDS_MAX: usize = 3;
/// Pauses before it does: an orderer that leaves and an election take about so long.
const PAUSES: [Duration; RESENDS_MAX] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// Clients that share the rate; more transactions than this are not under way at once.
pub(super) const CLIENTS: usize = 160;

/// When each transaction is due.
#[derive(Debug)]
pub(super) struct Pace {
    begun: Instant,
    rate: u64,
    next: AtomicU64,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(rate: u64) -> Self {
        Self { begun: Instant::now(), rate, next: AtomicU64::new(0) }
    }

    /// Waits until the next transaction is due; who is late catches up.
    async fn tick(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.begun + Duration::from_micros(number * 1_000_000 / self.rate);
        tokio::time::sleep_until(due.into()).await;
    }
}

/// Writes a new key at each tick.
pub(super) async fn client(shared: &Shared, contracts: &[Contract], client: usize, pace: &Pace) {
    let run = rand::random::<u32>();
    for number in 0_usize.. {
        pace.tick().await;
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let contract = &contracts[(client + number) % contracts.len()];
        let key = format!("{run:08x}-{client}-{number}");
        if let Some(transaction) = endorsed(shared, contract, &key).await {
            shared.note(&format!("sent {}", transaction.tx_id()));
            see_through(shared, &transaction, &key).await;
        }
    }
}

/// What no peer endorsed is no transaction yet: another key takes its turn.
async fn endorsed(shared: &Shared, contract: &Contract, key: &str) -> Option<Transaction> {
    let value = Bytes::copy_from_slice(key.as_bytes());
    let proposal = contract.proposal("put").arguments([value.clone(), value]).build();
    let result = match proposal {
        Ok(proposal) => proposal.endorse().await,
        Err(error) => Err(error),
    };
    match result {
        Ok(transaction) => Some(transaction),
        Err(error) => {
            failed(shared, "endorse", &worded(&error));
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// Sends it, and again until it is VALID or was sent too often.
async fn see_through(shared: &Shared, transaction: &Transaction, key: &str) {
    let tx_id = transaction.tx_id();
    for resends in 0..=RESENDS_MAX {
        if let Some(pause) = resends.checked_sub(1).map(|at| PAUSES[at]) {
            tokio::time::sleep(pause).await;
        }
        let commit = match transaction.clone().submit().await {
            Ok(commit) => commit,
            Err(error) => {
                failed(shared, "submit", &worded(&error));
                continue;
            }
        };
        shared.note(&format!("accepted {tx_id}"));
        match commit.status().await {
            Ok(status) if status.code == TxValidationCode::Valid => {
                shared.note(&format!("valid {tx_id} {} {key}", status.block));
                lock(&shared.resends)[resends] += 1;
                shared.beat();
                return;
            }
            // Final: the judgement finds it, for it was sent and is not VALID.
            Ok(status) => return failed(shared, "commit", status.code.as_str_name()),
            Err(error) => failed(shared, "status", &worded(&error)),
        }
    }
    failed(shared, "given up", "after all resends");
}

fn worded(error: &Error) -> String {
    let failure = from_sdk(error);
    format!("{}: {}", failure.code(), failure.cause())
}

fn failed(shared: &Shared, step: &str, what: &str) {
    *lock(&shared.errors).entry(format!("{step} {what}")).or_default() += 1;
}
