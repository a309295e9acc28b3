//! Every limit of the way of private data, named, in one place.

use std::time::Duration;

/// Calls of the service at once.
pub(crate) const MAX_CALLS: usize = 256;
/// The largest request or answer: the largest write set of one transaction, and some more.
pub(super) const MAX_MESSAGE_BYTES: usize = carecord_ledger::MAX_TRANSACTION_BYTES + (8 << 20);
/// Write sets in one push.
pub(super) const MAX_PUSH_SETS: usize = 256;
/// Their bytes, above which a push takes no further one.
pub(super) const PUSH_BYTES: usize = 4 << 20;
/// Pushes that wait for one peer; a further one fails at once.
pub(super) const MAX_WAITING_PUSHES: usize = 1024;
/// How long a peer may take to answer a push.
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Collections in one write set.
pub(super) const MAX_COLLECTIONS: usize = 256;
/// Write sets that one pull asks for.
pub(super) const MAX_DIGESTS: usize = 1024;
/// Bytes of write sets in one answer, above which the caller asks again for the rest.
pub(super) const FOUND_BYTES: usize = 8 << 20;
/// How long a commit waits for sets that it needs: it goes on without them.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long reconciliation waits for one page of missing sets.
pub(super) const RECONCILE_TIMEOUT: Duration = Duration::from_secs(10);
/// Missing sets that are looked for at a time.
pub(super) const RECONCILE_PAGE: usize = 100;
/// Pages of one round.
pub(super) const RECONCILE_PAGES: usize = 100;
/// The pause between rounds; a block that left something missing begins one at once.
pub(super) const RECONCILE_PAUSE: Duration = Duration::from_secs(10);
/// The shortest time between two rounds, whatever blocks leave missing.
pub(super) const RECONCILE_MIN_PAUSE: Duration = Duration::from_millis(500);
/// How often a keeper looks whether purges are pending, and the pause between two rewritings of files.
pub(super) const PURGE_PAUSE: Duration = Duration::from_secs(5);
/// Within this time of its commit a purge's bytes are in no file of the peer; later is an error in the log.
pub(super) const PURGE_DEADLINE: Duration = Duration::from_secs(60);
/// Write sets that are noted in one synced write, and those that wait for it.
pub(super) const MAX_NOTES: usize = 512;
/// Transactions of which it is remembered who has pushed their sets, twice over.
pub(super) const MAX_HOLDERS: usize = 10_000;
/// Private bytes in one block of a deliver stream.
pub(crate) const MAX_DELIVERED_BYTES: usize = 64 << 20;
/// Length of a transaction's id.
pub(super) const TX_ID_CHARS: usize = 64;

const _: () = assert!(PUSH_BYTES < MAX_MESSAGE_BYTES && FOUND_BYTES < MAX_MESSAGE_BYTES);
