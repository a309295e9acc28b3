//! Signed writes that were served, so that none is served again.
//!
//! A request is known by its time, its caller and its nonce. It is remembered as long as its time lies in the window in
//! which it would be accepted, also over a restart: its row is written in one batch with what the request did.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use bytes::Bytes;
use carecord_health::ids::KeyHash;
use rocksdb::WriteBatch;

use crate::limits::{REMEMBERED_MAX, REMEMBERED_PER_CALLER, REQUEST_WINDOW_SECONDS};
use crate::{Error, Store};

const PREFIX: &str = "n/";
const MINUTE: i64 = 60;

/// A request that writes: who signed it, when, and its nonce.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    pub(crate) caller: KeyHash,
    pub(crate) nonce: Bytes,
    pub(crate) at: Moment,
}

/// A request's time: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

/// How many rows there are, by minute and caller; the rows themselves stay on the disk.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    minutes: BTreeMap<i64, HashMap<KeyHash, usize>>,
}

// === impl Once ===

impl Once {
    fn key(&self) -> String {
        format!("{}{}/{}", bound(self.at.seconds), self.caller, hex::encode(&self.nonce))
    }
}

// === impl Moment ===

impl Moment {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.seconds.to_be_bytes()[..], &self.nanos.to_be_bytes()].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seconds, nanos) = bytes.split_first_chunk::<8>()?;
        let nanos = u32::from_be_bytes(nanos.try_into().ok()?);
        Some(Self { seconds: i64::from_be_bytes(*seconds), nanos })
    }
}

// === impl Remembered ===

impl Remembered {
    /// What the database remembers that still counts.
    pub(crate) fn read(store: &Store, now: i64) -> Result<Self, Error> {
        forget_before(store, horizon(now))?;
        let mut read = Self::default();
        store.each_from(PREFIX, &bound(horizon(now)), &mut |key, _| {
            if let Some((at, caller)) = parse(key) {
                read.count(at, caller);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(read)
    }

    /// Adds the request to `batch` if it was not served before.
    pub(crate) fn admit(
        &mut self,
        store: &Store,
        once: &Once,
        now: i64,
        batch: &mut WriteBatch,
    ) -> Result<(), Error> {
        self.forget(store, now)?;
        if once.at.seconds < horizon(now) {
            return Err(Error::OutsideWindow);
        }
        let key = once.key();
        if store.has(&key)? {
            return Err(Error::Replayed);
        }
        let of_caller = |minute: &HashMap<KeyHash, usize>| minute.get(&once.caller).copied();
        let own: usize = self.minutes.values().filter_map(of_caller).sum();
        let all: usize = self.minutes.values().flat_map(HashMap::values).sum();
        if own >= REMEMBERED_PER_CALLER || all >= REMEMBERED_MAX {
            return Err(Error::TooManyRequests);
        }
        batch.put(key, []);
        self.count(once.at.seconds, once.caller.clone());
        Ok(())
    }

    /// Drops the minutes that have left the window.
    fn forget(&mut self, store: &Store, now: i64) -> Result<(), Error> {
        let first = horizon(now).div_euclid(MINUTE);
        if self.minutes.first_key_value().is_some_and(|(minute, _)| *minute < first) {
            forget_before(store, first * MINUTE)?;
            self.minutes = self.minutes.split_off(&first);
        }
        Ok(())
    }

    fn count(&mut self, at: i64, caller: KeyHash) {
        let minute = self.minutes.entry(at.div_euclid(MINUTE)).or_default();
        *minute.entry(caller).or_default() += 1;
    }
}

fn forget_before(store: &Store, seconds: i64) -> Result<(), Error> {
    let mut batch = WriteBatch::default();
    batch.delete_range(bound(0), bound(seconds));
    store.write(batch)
}

/// The earliest time of a request that can still be accepted.
pub(crate) fn horizon(now: i64) -> i64 {
    now.saturating_sub(REQUEST_WINDOW_SECONDS)
}

/// Where the rows of a second begin.
fn bound(seconds: i64) -> String {
    format!("{PREFIX}{:020}/", seconds.max(0))
}

fn parse(key: &str) -> Option<(i64, KeyHash)> {
    let (at, rest) = key.strip_prefix(PREFIX)?.split_once('/')?;
    let (caller, _) = rest.split_once('/')?;
    Some((at.parse().ok()?, KeyHash::new(caller)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(digit: u8, at: i64) -> Once {
        let caller = KeyHash::new("a".repeat(64)).unwrap();
        Once { caller, nonce: vec![digit; 16].into(), at: Moment { seconds: at, nanos: 0 } }
    }

    fn serve(store: &Store, once: &Once, now: i64) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        store.writing().admit(store, once, now, &mut batch)?;
        store.write(batch)
    }

    fn rows(store: &Store) -> usize {
        let mut rows = 0;
        let count = |_: &str, _: &[u8]| {
            rows += 1;
            Ok(ControlFlow::Continue(()))
        };
        store.each(PREFIX, count).unwrap();
        rows
    }

    #[test]
    fn a_request_is_served_once_also_after_a_restart_and_forgotten_when_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let (begin, end) = (10_000, 10_000 + REQUEST_WINDOW_SECONDS);
        let store = Store::open(dir.path(), begin).unwrap();
        serve(&store, &once(1, begin), begin).unwrap();
        serve(&store, &once(2, begin), begin).unwrap();
        assert!(matches!(serve(&store, &once(1, begin), end), Err(Error::Replayed)));
        drop(store);
        let store = Store::open(dir.path(), end).unwrap();
        assert!(matches!(serve(&store, &once(1, begin), end), Err(Error::Replayed)));
        let late = end + MINUTE;
        assert!(matches!(serve(&store, &once(1, begin), late), Err(Error::OutsideWindow)));
        serve(&store, &once(1, late), late).unwrap();
        assert_eq!(rows(&store), 1, "what has left the window takes no room");
    }

    #[test]
    fn one_callers_requests_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let first = once(1, 10_000);
        let mut remembered = store.writing();
        for _ in 0..REMEMBERED_PER_CALLER {
            remembered.count(10_000, first.caller.clone());
        }
        let mut batch = WriteBatch::default();
        let more = remembered.admit(&store, &first, 10_000, &mut batch);
        assert!(matches!(more, Err(Error::TooManyRequests)));
        let caller = KeyHash::new("b".repeat(64)).unwrap();
        let other = Once { caller, ..first };
        assert!(remembered.admit(&store, &other, 10_000, &mut batch).is_ok());
    }
}
