//! Who may keep how much waiting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Progress, Taken};

/// What the streams of all people together may keep waiting, and once more those of all nodes.
const POOL_KIB: usize = 96 << 10;
/// What the streams of one organisation's people, or of its nodes, may keep waiting.
const ORGANISATION_KIB: usize = 48 << 10;
/// What the streams of one person or node may keep waiting; a larger block takes all of it.
const PERSON_KIB: usize = 24 << 10;
/// A message up to this size is not counted, so that small blocks flow whatever large ones wait for.
const UNCOUNTED_BYTES: usize = 16 << 10;
/// How long a stream waits for its share before it looks for readers that have stalled.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 2_000 });

/// The bytes that deliver streams of a node may keep waiting.
#[derive(Debug, Default)]
pub struct Budget {
    people: Pool,
    nodes: Pool,
    streams: Arc<Mutex<Vec<Weak<Progress>>>>,
}

/// Who reads a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// What its certificate holds, however it was written down.
    pub certificate: Vec<u8>,
    /// Its MSP id.
    pub organisation: String,
    /// Whether it is a peer or an orderer, which a channel's progress depends on.
    pub is_node: bool,
}

/// One reader's part of the budget, shared by its streams.
#[derive(Debug)]
pub struct Share {
    /// From the narrowest to the widest.
    parts: [Arc<Semaphore>; 3],
    progress: Arc<Progress>,
    streams: Arc<Mutex<Vec<Weak<Progress>>>>,
}

#[derive(Debug)]
struct Pool {
    all: Arc<Semaphore>,
    organisations: Parts<String>,
    persons: Parts<Vec<u8>>,
}

#[derive(Debug)]
struct Parts<K>(Mutex<BTreeMap<K, Weak<Semaphore>>>);

// === impl Reader ===

impl Reader {
    /// On whose account a stream reads whose requester has this certificate of this organisation.
    pub fn new(certificate_der: &[u8], msp_id: &str, is_node: bool) -> Self {
        let (certificate, organisation) = (certificate_der.to_vec(), msp_id.to_owned());
        Self { certificate, organisation, is_node }
    }
}

// === impl Budget ===

impl Budget {
    /// The part of `reader` for a stream of this progress.
    pub fn share(&self, reader: &Reader, progress: &Arc<Progress>) -> Share {
        let pool = if reader.is_node { &self.nodes } else { &self.people };
        let parts = [
            pool.persons.part(&reader.certificate, PERSON_KIB),
            pool.organisations.part(&reader.organisation, ORGANISATION_KIB),
            Arc::clone(&pool.all),
        ];
        let mut streams = self.streams.lock();
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(progress));
        Share { parts, progress: Arc::clone(progress), streams: Arc::clone(&self.streams) }
    }
}

impl Default for Pool {
    fn default() -> Self {
        let all = Arc::new(Semaphore::new(POOL_KIB));
        Self { all, organisations: Parts::default(), persons: Parts::default() }
    }
}

impl<K> Default for Parts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Parts<K> {
    fn part(&self, key: &K, kib: usize) -> Arc<Semaphore> {
        let mut all = self.0.lock();
        if let Some(part) = all.get(key).and_then(Weak::upgrade) {
            return part;
        }
        all.retain(|_, part| part.strong_count() > 0);
        let part = Arc::new(Semaphore::new(kib));
        all.insert(key.clone(), Arc::downgrade(&part));
        part
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

// === impl Share ===

impl Share {
    /// Takes `bytes` if they are free now.
    pub fn try_take(&self, bytes: usize) -> Option<Taken> {
        let Some(kib) = counted(bytes) else { return Some(Taken::NOTHING) };
        let permits =
            self.parts.iter().map(|part| Arc::clone(part).try_acquire_many_owned(kib).ok());
        let taken = Taken(permits.collect::<Option<_>>()?);
        self.progress.hold();
        Some(taken)
    }

    /// Waits until `bytes` are free; the caller should hold no block meanwhile.
    pub async fn take(&self, bytes: usize) -> Taken {
        let Some(kib) = counted(bytes) else { return Taken::NOTHING };
        let acquired = self.acquire(kib);
        tokio::pin!(acquired);
        loop {
            match tokio::time::timeout(PATIENCE, &mut acquired).await {
                Ok(taken) => return taken,
                Err(_) => self.cut_stalled(),
            }
        }
    }

    async fn acquire(&self, kib: u32) -> Taken {
        let mut permits = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let permit = Arc::clone(part).acquire_many_owned(kib).await;
            permits.push(permit.expect("the budget is never closed"));
        }
        self.progress.hold();
        Taken(permits)
    }

    fn cut_stalled(&self) {
        let streams: Vec<_> = self.streams.lock().iter().filter_map(Weak::upgrade).collect();
        streams.iter().for_each(|stream| stream.cut_if_stalled());
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.parts[0].available_permits()
    }
}

#[cfg(test)]
impl Budget {
    /// How many people are known.
    pub(super) fn people(&self) -> usize {
        self.people.persons.count()
    }
}

fn counted(bytes: usize) -> Option<u32> {
    let kib = bytes.div_ceil(1024).min(PERSON_KIB);
    (bytes > UNCOUNTED_BYTES).then(|| u32::try_from(kib).expect("a share is small"))
}
