//! Whether a range query would return the same keys at the same versions now.
//!
//! The range is read again over committed state overlaid with the block's earlier writes. The end key belongs to it
//! only if the iterator was not exhausted: then it is the last key that was seen.

use std::ops::Bound;

use bytes::Bytes;
use carecord_proto::kvrwset::range_query_info::ReadsInfo;
use carecord_proto::kvrwset::{KvRead, QueryReadsMerkleSummary, RangeQueryInfo};
use carecord_proto::rwset::RangeQueryResults;

use crate::cause::Conflict;
use crate::mvcc::gone_or_written;
use crate::state::{EngineError, StateView, Version};
use crate::updates::{Place, Row, Updates};

/// The smallest number of children a node of a hash tree can have.
const MIN_DEGREE: u32 = 2;

/// Rows read from the state at a time.
const CHUNK: usize = 256;

/// What no longer is as `query` recorded it; none if it still gives the same.
pub(crate) fn changed(
    namespace: &str,
    query: &RangeQueryInfo,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Conflict>, EngineError> {
    match &query.reads_info {
        Some(ReadsInfo::ReadsMerkleHashes(recorded)) => {
            changed_summary(recorded, namespace, query, preceding, state)
        }
        Some(ReadsInfo::RawReads(recorded)) => {
            changed_reads(&recorded.kv_reads, namespace, query, preceding, state)
        }
        None => changed_reads(&[], namespace, query, preceding, state),
    }
}

/// Hashes do not tell which key differs, so the newest write in the range stands for it.
fn changed_summary(
    recorded: &QueryReadsMerkleSummary,
    namespace: &str,
    query: &RangeQueryInfo,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Conflict>, EngineError> {
    let range = (query.start_key.as_str(), query.end_key.as_str());
    if recorded.max_degree < MIN_DEGREE {
        // no tree has this degree; a Fabric peer would stop here
        return Ok(Some(Conflict::of_range(namespace, range, None)));
    }
    let mut results = RangeQueryResults::new(recorded.max_degree);
    let mut newest = None;
    each(namespace, query, preceding, state, |key, version| {
        newest = newest.max(Some(version));
        results.add(KvRead { key, version: Some(version.into()) });
        true
    })?;
    let holds = results.done().1.as_ref() == Some(recorded);
    Ok((!holds).then(|| Conflict::of_range(namespace, range, newest)))
}

fn changed_reads(
    recorded: &[KvRead],
    namespace: &str,
    query: &RangeQueryInfo,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Option<Conflict>, EngineError> {
    let mut expected = recorded.iter();
    let mut differs: Option<(Option<&KvRead>, Option<(String, Version)>)> = None;
    each(namespace, query, preceding, state, |key, version| {
        let read = expected.next();
        let equal = read.is_some_and(|read| {
            read.key == key && read.version.as_ref().map(Version::from) == Some(version)
        });
        if !equal {
            differs = Some((read, Some((key, version))));
        }
        equal
    })?;
    let differs = differs.or_else(|| expected.next().map(|read| (Some(read), None)));
    let Some((read, found)) = differs else { return Ok(None) };
    match (read, &found) {
        // What was read comes before what is found now, so it has gone.
        (Some(read), found) if found.as_ref().is_none_or(|(key, _)| read.key < *key) => {
            gone(public(namespace, &read.key), preceding, state).map(Some)
        }
        (_, Some((key, version))) => {
            Ok(Some(Conflict::of_key(public(namespace, key), Some(*version), false)))
        }
        (_, None) => {
            let range = (query.start_key.as_str(), query.end_key.as_str());
            Ok(Some(Conflict::of_range(namespace, range, None)))
        }
    }
}

fn public<'a>(namespace: &'a str, key: &'a str) -> Place<'a> {
    Place { namespace, collection: None, key: key.as_bytes() }
}

/// A key that was in a range and is there no more: who deleted it, in this block or before.
fn gone(
    place: Place<'_>,
    preceding: &Updates,
    state: StateView<'_>,
) -> Result<Conflict, EngineError> {
    match preceding.get(place) {
        Some(row) => Ok(Conflict::of_key(place, Some(row.version), row.value.is_none())),
        None => {
            let committed = place.read(state)?.map(|stored| stored.version);
            gone_or_written(place, committed, state)
        }
    }
}

/// Calls `visit` for each key of the range until it says stop.
fn each(
    namespace: &str,
    query: &RangeQueryInfo,
    preceding: &Updates,
    state: StateView<'_>,
    mut visit: impl FnMut(String, Version) -> bool,
) -> Result<(), EngineError> {
    let (start, end) = (query.start_key.as_bytes(), query.end_key.as_bytes());
    let mut overlay = overlay(namespace, start, end, preceding).peekable();
    let mut committed = Committed::new(namespace, start, end, state);
    let mut emit = |key: &[u8], version| {
        let key = String::from_utf8(key.to_vec()).expect("written keys are UTF-8");
        visit(key, version)
    };
    loop {
        let next = committed.peek()?;
        let from_overlay = match (&next, overlay.peek()) {
            (None, None) => break,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some((key, _)), Some((changed, _))) => {
                if key == *changed {
                    committed.advance();
                    true
                } else {
                    *changed < key
                }
            }
        };
        let go_on = if from_overlay {
            let (key, row) = overlay.next().expect("peeked above");
            row.value.is_none() || emit(key, row.version)
        } else {
            let (key, version) = next.expect("not from the overlay");
            committed.advance();
            emit(&key, version)
        };
        if !go_on {
            return Ok(());
        }
    }
    if !query.itr_exhausted {
        let place = Place { namespace, collection: None, key: end };
        let last = match preceding.get(place) {
            Some(row) => row.value.as_ref().map(|_| row.version),
            None => place.read(state)?.map(|stored| stored.version),
        };
        if let Some(version) = last {
            emit(end, version);
        }
    }
    Ok(())
}

fn overlay<'a>(
    namespace: &str,
    start: &'a [u8],
    end: &'a [u8],
    preceding: &'a Updates,
) -> impl Iterator<Item = (&'a Bytes, &'a Row)> {
    let from = (Bound::Included(start), Bound::Unbounded);
    let rows = preceding.public(namespace).map(|rows| rows.range::<[u8], _>(from));
    rows.into_iter().flatten().take_while(move |(key, _)| end.is_empty() || &key[..] < end)
}

/// Committed keys of a range, read in chunks.
struct Committed<'a> {
    namespace: &'a str,
    end: &'a [u8],
    state: StateView<'a>,
    chunk: std::vec::IntoIter<(Bytes, Version)>,
    next: Option<(Bytes, Version)>,
    /// Where the next chunk starts; none after the last.
    resume: Option<Vec<u8>>,
}

impl<'a> Committed<'a> {
    fn new(namespace: &'a str, start: &[u8], end: &'a [u8], state: StateView<'a>) -> Self {
        let resume = Some(start.to_vec());
        Committed { namespace, end, state, chunk: Vec::new().into_iter(), next: None, resume }
    }

    fn peek(&mut self) -> Result<Option<(Bytes, Version)>, EngineError> {
        if self.next.is_none() {
            self.next = self.chunk.next();
        }
        if self.next.is_none()
            && let Some(from) = self.resume.take()
        {
            let rows = self.state.range(self.namespace, &from, self.end, CHUNK)?;
            if rows.len() == CHUNK {
                let mut after = rows[CHUNK - 1].0.to_vec();
                after.push(0);
                self.resume = Some(after);
            }
            let rows: Vec<_> = rows.into_iter().map(|(key, row)| (key, row.version)).collect();
            self.chunk = rows.into_iter();
            self.next = self.chunk.next();
        }
        Ok(self.next.clone())
    }

    fn advance(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use carecord_proto::kvrwset::QueryReads;
    use carecord_proto::rwset::kv_read;

    use super::*;
    use crate::state::{Engine, MemoryEngine, WriteBatch};

    fn row(value: Option<&'static str>, block: u64) -> Row {
        let value = value.map(|value| Bytes::from_static(value.as_bytes()));
        Row { value, metadata: Bytes::new(), version: Version { block, tx: 0 } }
    }

    fn updates(rows: &[(&str, Option<&'static str>, u64)]) -> Updates {
        let mut updates = Updates::default();
        for (key, value, block) in rows {
            let place = Place { namespace: "ns", collection: None, key: key.as_bytes() };
            updates.insert(place, row(*value, *block));
        }
        updates
    }

    fn query(start: &str, end: &str, itr_exhausted: bool, reads_info: ReadsInfo) -> RangeQueryInfo {
        let (start_key, end_key) = (start.to_owned(), end.to_owned());
        RangeQueryInfo { start_key, end_key, itr_exhausted, reads_info: Some(reads_info) }
    }

    fn raw(keys: &[&str]) -> ReadsInfo {
        let kv_reads = keys.iter().map(|key| kv_read(key, Some((1, 0)))).collect();
        ReadsInfo::RawReads(QueryReads { kv_reads })
    }

    /// Committed: a, b, c at block 1.
    fn check(query: &RangeQueryInfo, changes: &[(&str, Option<&'static str>, u64)]) -> bool {
        let engine = MemoryEngine::default();
        let mut batch = WriteBatch::default();
        updates(&[("a", Some("1"), 1), ("b", Some("1"), 1), ("c", Some("1"), 1)])
            .write_to(&mut batch);
        engine.write(batch).unwrap();
        let snapshot = engine.snapshot();
        let state = StateView::new(&*snapshot);
        changed("ns", query, &updates(changes), state).unwrap().is_none()
    }

    #[test]
    fn the_end_key_belongs_to_a_range_that_was_not_exhausted() {
        assert!(check(&query("a", "c", true, raw(&["a", "b"])), &[]));
        assert!(!check(&query("a", "c", false, raw(&["a", "b"])), &[]));
        assert!(check(&query("a", "c", false, raw(&["a", "b", "c"])), &[]));
        assert!(!check(&query("a", "c", false, raw(&["a", "b", "c"])), &[("c", None, 2)]));
        assert!(check(&query("a", "b", false, raw(&["a", "b"])), &[("c", None, 2)]));
        assert!(check(&query("", "", true, raw(&["a", "b", "c"])), &[]));
        assert!(check(&query("x", "b", true, raw(&[])), &[]));
    }

    #[test]
    fn inserts_updates_and_deletes_inside_are_seen() {
        let whole = query("a", "d", true, raw(&["a", "b", "c"]));
        assert!(check(&whole, &[("d", Some("1"), 2)]));
        assert!(!check(&whole, &[("aa", Some("1"), 2)]));
        assert!(!check(&whole, &[("b", Some("2"), 2)]));
        assert!(!check(&whole, &[("b", None, 2)]));
        assert!(check(&whole, &[("bb", None, 2)]));
    }

    #[test]
    fn what_no_simulation_records_never_holds() {
        let no_version = QueryReads { kv_reads: vec![kv_read("a", None)] };
        assert!(!check(&query("a", "b", true, ReadsInfo::RawReads(no_version)), &[]));
        for max_degree in [0, 1, 2, 50, u32::MAX] {
            let summary =
                QueryReadsMerkleSummary { max_degree, max_level: 1, max_level_hashes: vec![] };
            assert!(!check(&query("a", "b", true, ReadsInfo::ReadsMerkleHashes(summary)), &[]));
        }
    }
}
