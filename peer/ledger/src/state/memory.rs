//! The engine of tests and of the simulation: ordered maps, which a crash empties back to the last flush.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Column, Engine, EngineError, Entry, Read, WriteBatch, take_within};

type Map = BTreeMap<(Column, Vec<u8>), Bytes>;

/// An engine in memory. Clones share their content; snapshots copy only when somebody writes meanwhile.
#[derive(Debug, Default, Clone)]
pub struct MemoryEngine {
    disk: Arc<RwLock<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    current: Arc<Map>,
    flushed: Arc<Map>,
    /// Writes that still succeed before one fails, if a test limits them.
    writes_left: Option<u32>,
}

impl MemoryEngine {
    /// Forgets what was not flushed, as a power cut does to an engine without a write-ahead log.
    pub fn crash(&self) {
        let mut disk = self.disk.write();
        disk.current = Arc::clone(&disk.flushed);
        disk.writes_left = None;
    }

    /// A second engine with the same content.
    pub fn fork(&self) -> Self {
        let disk = self.disk.read();
        let (current, flushed) = (Arc::clone(&disk.current), Arc::clone(&disk.flushed));
        MemoryEngine { disk: Arc::new(RwLock::new(Disk { current, flushed, writes_left: None })) }
    }

    /// Lets `count` more writes succeed and then fails every one.
    pub fn fail_after(&self, count: u32) {
        self.disk.write().writes_left = Some(count);
    }

    /// How many rows are stored.
    pub fn rows(&self) -> usize {
        self.disk.read().current.len()
    }

    /// All rows of a column, for comparing two engines.
    pub fn dump(&self, column: Column) -> Vec<Entry> {
        let map = Arc::clone(&self.disk.read().current);
        map.iter()
            .filter(|((at, _), _)| *at == column)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }
}

impl Read for MemoryEngine {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Snapshot(Arc::clone(&self.disk.read().current)).get(column, key)
    }

    fn scan_within(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, EngineError> {
        Snapshot(Arc::clone(&self.disk.read().current)).scan_within(column, from, to, limit, bytes)
    }
}

impl Engine for MemoryEngine {
    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(Snapshot(Arc::clone(&self.disk.read().current)))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut disk = self.disk.write();
        if let Some(left) = disk.writes_left {
            disk.writes_left =
                Some(left.checked_sub(1).ok_or(EngineError::Injected("write failed"))?);
        }
        let map = Arc::make_mut(&mut disk.current);
        for (column, key, value) in batch.into_writes() {
            match value {
                Some(value) => map.insert((column, key), value),
                None => map.remove(&(column, key)),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut disk = self.disk.write();
        disk.flushed = Arc::clone(&disk.current);
        Ok(())
    }

    fn rewrite(&self, _: &[super::Range]) -> Result<bool, EngineError> {
        self.flush().map(|()| true)
    }
}

struct Snapshot(Arc<Map>);

impl Read for Snapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(&(column, key.to_vec())).cloned())
    }

    fn scan_within(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let (from, to) = ((column, from.to_vec()), (column, to.to_vec()));
        let rows = self.0.range((Bound::Included(from), Bound::Excluded(to)));
        take_within(rows.map(|((_, key), value)| Ok((key.clone(), value.clone()))), limit, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_does_not_see_later_writes_and_a_crash_keeps_what_was_flushed() {
        let engine = MemoryEngine::default();
        let put = |value: &'static str| {
            let mut batch = WriteBatch::default();
            batch.put(Column::State, b"k".to_vec(), value);
            engine.write(batch).unwrap();
        };
        put("1");
        engine.flush().unwrap();
        let snapshot = engine.snapshot();
        put("2");
        assert_eq!(snapshot.get(Column::State, b"k").unwrap().unwrap(), "1");
        assert_eq!(engine.get(Column::State, b"k").unwrap().unwrap(), "2");
        drop(snapshot);
        engine.crash();
        assert_eq!(engine.get(Column::State, b"k").unwrap().unwrap(), "1");
    }
}
