//! Clients that write private values under random keys and remember what was reported VALID.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carecord_sdk::{Contract, Error};

use super::{COLLECTIONS, Collection};
use crate::acceptance::load as public;
use crate::acceptance::trial::Trial;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk};

const CLIENTS: usize = 24;
/// Pause of a client after a failure.
const PAUSE: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_millis(20);

/// A private value that was reported VALID.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Position in the list of collections.
    pub(super) collection: usize,
    /// Its key.
    pub(super) key: String,
    /// The value.
    pub(super) value: String,
}

/// Clients at work in a thread of their own.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Outcome<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    written: Mutex<Vec<Written>>,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// One collection as one member's client sees it.
struct Way {
    collection: usize,
    msp_id: String,
    contract: Contract,
}

// === impl Written ===

impl Written {
    /// Its collection.
    pub(super) fn of(&self) -> &'static Collection {
        &COLLECTIONS[self.collection]
    }

    fn new(collection: usize) -> Self {
        let of = &COLLECTIONS[collection];
        let random = || hex::encode(rand::random::<[u8; 16]>());
        Self {
            collection,
            key: format!("{}{}", of.key_mark(), random()),
            value: format!("{}{}{}", of.value_mark(), random(), random()),
        }
    }
}

// === impl Load ===

impl Load {
    /// Starts the clients, at the members of all collections.
    pub(super) fn start(trial: &Trial) -> Outcome<Self> {
        let shared = Arc::<Shared>::default();
        let (own, dir) = (Arc::clone(&shared), trial.dir().to_owned());
        let thread = std::thread::spawn(move || work(&own, &dir));
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until `count` writes in all are VALID.
    pub(super) async fn wait_for(&self, count: usize, patience: Duration) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        loop {
            let valid = lock(&self.shared.written).len();
            if valid >= count {
                return Ok(());
            }
            let over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            if over || Instant::now() >= deadline {
                let cause = format!("{valid} of {count} writes are VALID: {}", self.errors());
                return Err(Failure::new(Code::Short, cause));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets calls under way end; what is VALID, and how often what failed.
    pub(super) fn stop(mut self) -> Outcome<(Vec<Written>, String)> {
        self.shared.stop.store(true, Ordering::SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result?,
            _ => return Err(Failure::new(Code::Short, "the load's thread panicked")),
        }
        let errors = self.errors();
        Ok((std::mem::take(&mut *lock(&self.shared.written)), errors))
    }

    fn errors(&self) -> String {
        let errors = lock(&self.shared.errors);
        let kinds: Vec<_> =
            errors.iter().map(|(kind, times)| format!("{times} × {kind}")).collect();
        if kinds.is_empty() { "none".to_owned() } else { kinds.join("; ") }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, dir: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Short, error))?;
    let session = Session::open(dir)?;
    runtime.block_on(async {
        let ways = ways(&session)?;
        let clients = (0..CLIENTS).map(|number| client(shared, &ways, number));
        futures::future::join_all(clients).await;
        Ok(())
    })
}

fn ways(session: &Session) -> Outcome<Vec<Way>> {
    let mut ways = Vec::new();
    for (collection, of) in COLLECTIONS.iter().enumerate() {
        for node in session.file().nodes_of("peer").filter(|node| of.has(&node.organisation)) {
            let contract = public::contract(session, &node.name)?;
            ways.push(Way { collection, msp_id: node.msp_id.clone(), contract });
        }
    }
    Ok(ways)
}

async fn client(shared: &Shared, ways: &[Way], client: usize) {
    for number in 0_usize.. {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let way = &ways[(client + number) % ways.len()];
        let written = Written::new(way.collection);
        match write(way, &written).await {
            Ok(()) => lock(&shared.written).push(written),
            Err(error) => {
                let kind = from_sdk(&error).code().to_owned();
                *lock(&shared.errors).entry(kind).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn write(way: &Way, written: &Written) -> Result<(), Error> {
    let proposal = way
        .contract
        .proposal("putPrivate")
        .arguments([written.of().name])
        .transient("key", written.key.clone())
        .transient("value", written.value.clone())
        .organisations([way.msp_id.clone()])
        .build()?;
    let transaction = proposal.endorse().await?;
    transaction.submit().await?.wait_valid().await?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
