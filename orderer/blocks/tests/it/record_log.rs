//! The record log on both storages: what was synced is there or is missed loudly, and nothing else ever appears.

use std::sync::Arc;

use carecord_blocks::record_log::{Check, Options, Record};
use carecord_blocks::storage::{Disk, Simulated, Storage};
use carecord_blocks::{Error, RecordLog};
use proptest::prelude::*;

const FIRST: &str = "00000000000000000000.log";
const OPTIONS: Options = Options { label: *b"TEST", segment_bytes: 400, check: Check::Everything };
/// One segment, so that the end of the log is the end of the first file.
const LONG: Options = Options { segment_bytes: 1 << 20, ..OPTIONS };

fn open(storage: &Arc<Simulated>, options: Options) -> Result<RecordLog, Error> {
    RecordLog::open(Arc::clone(storage) as Arc<dyn Storage>, options)
}

fn body(i: u64) -> Vec<u8> {
    (0..20 + i % 7 * 13).map(|n| (n * 31 + i) as u8).collect()
}

fn fill(log: &mut RecordLog, numbers: std::ops::Range<u64>) {
    for i in numbers {
        log.append(i as u8 % 5, i, i / 3, &body(i)).unwrap();
    }
}

fn records(log: &RecordLog) -> Vec<Record> {
    log.scan(0).records().collect::<Result<_, _>>().unwrap()
}

fn written(count: u64, options: Options) -> Arc<Simulated> {
    let storage = Simulated::new();
    let mut log = open(&storage, options).unwrap();
    fill(&mut log, 0..count);
    log.sync().unwrap();
    storage
}

#[test]
fn what_was_synced_is_there_after_opening_again_over_many_segments() {
    let storage = written(40, OPTIONS);
    assert!(storage.list().unwrap().len() > 5);
    for check in [Check::Everything, Check::Heads] {
        let log = open(&storage, Options { check, ..OPTIONS }).unwrap();
        let found = records(&log);
        assert_eq!(found.len(), 40);
        for (i, record) in (0..).zip(&found) {
            assert_eq!((record.kind, record.index, record.term), (i as u8 % 5, i, i / 3));
            assert_eq!(record.bytes, body(i));
            assert_eq!(log.read(record.position).unwrap(), *record);
        }
        assert_eq!((log.end(), log.cut_bytes()), (found[39].next, 0));
    }
}

#[test]
fn the_same_holds_on_a_disk_and_a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/channel");
    let storage = Disk::open(&path).unwrap();
    let mut log = RecordLog::open(Arc::clone(&storage) as Arc<dyn Storage>, OPTIONS).unwrap();
    fill(&mut log, 0..25);
    log.sync().unwrap();
    assert!(Disk::open(&path).is_err());
    let before = records(&log);
    drop((log, storage));
    let log = RecordLog::open(Disk::open(&path).unwrap(), OPTIONS).unwrap();
    assert_eq!(records(&log), before);
}

#[test]
fn readers_see_what_is_synced_and_nothing_else() {
    let storage = Simulated::new();
    let mut log = open(&storage, OPTIONS).unwrap();
    let reader = log.reader();
    fill(&mut log, 0..3);
    assert_eq!(reader.scan(0).count(), 0);
    assert_eq!(log.scan(0).count(), 3);
    log.sync().unwrap();
    fill(&mut log, 3..4);
    let heads: Vec<_> = reader.scan(0).collect::<Result<_, _>>().unwrap();
    assert_eq!(heads.len(), 3);
    assert!(matches!(reader.read(heads[2].next), Err(Error::NoRecord(_))));
    assert!(reader.head(heads[2].next).unwrap().is_none());
}

#[test]
fn a_log_cut_at_any_byte_of_unsynced_records_opens_with_those_before() {
    let storage = written(5, LONG);
    let synced = storage.content(FIRST).len();
    let mut log = open(&storage, LONG).unwrap();
    fill(&mut log, 5..8);
    let ends: Vec<u64> = log.scan(0).map(|head| head.unwrap().next).collect();
    let (bytes, mark) = (storage.content(FIRST), storage.content("synced"));
    for len in synced..=bytes.len() {
        let cut = Simulated::new();
        cut.set_content(FIRST, bytes[..len].to_vec());
        cut.set_content("synced", mark.clone());
        let log = open(&cut, LONG).unwrap();
        let whole = ends.iter().filter(|end| **end <= len as u64).count();
        assert_eq!(records(&log).len(), whole, "cut at {len}");
        assert_eq!(log.cut_bytes(), len as u64 - log.end());
        assert_eq!(cut.content(FIRST).len() as u64, log.end());
    }
}

#[test]
fn a_log_cut_at_any_byte_of_synced_records_does_not_open() {
    let storage = written(8, LONG);
    let (bytes, mark) = (storage.content(FIRST), storage.content("synced"));
    let log = open(&storage, LONG).unwrap();
    let from = records(&log)[5].position as usize;
    for len in from..bytes.len() {
        let cut = Simulated::new();
        cut.set_content(FIRST, bytes[..len].to_vec());
        cut.set_content("synced", mark.clone());
        let error = open(&cut, LONG).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "cut at {len}: {error}");
    }
}

#[test]
fn one_flipped_byte_anywhere_in_a_log_is_found_with_file_and_offset() {
    let storage = written(12, OPTIONS);
    let names: Vec<_> =
        storage.list().unwrap().into_iter().filter(|name| name != "synced").collect();
    assert!(names.len() > 2);
    for name in &names {
        for at in 0..storage.content(name).len() {
            let mask = 1 << (at % 8);
            storage.rot(name, at, mask);
            match open(&storage, OPTIONS) {
                Err(Error::Corrupt { file, offset, .. }) => {
                    assert_eq!(file, format!("simulated/{name}"));
                    assert!(offset <= at as u64, "byte {at} of {name} was reported at {offset}");
                }
                Err(Error::Foreign { .. }) if at < 16 => {}
                other => panic!("byte {at} of {name}: {:?}", other.map(|log| log.end())),
            }
            storage.rot(name, at, mask);
        }
    }
    assert_eq!(records(&open(&storage, OPTIONS).unwrap()).len(), 12);
}

#[test]
fn with_heads_checked_a_rotten_body_of_a_closed_segment_is_found_when_it_is_read() {
    let storage = written(12, OPTIONS);
    storage.rot(FIRST, 32 + 32 + 3, 0x10);
    let log = open(&storage, Options { check: Check::Heads, ..OPTIONS }).unwrap();
    let error = log.read(0).unwrap_err().to_string();
    let expected = format!(
        "simulated/{FIRST} is corrupt at byte 32: checksum of a record's body does not match"
    );
    assert_eq!(error, expected);
}

#[test]
fn a_flipped_byte_of_the_mark_loses_nothing() {
    let storage = written(12, OPTIONS);
    for at in 0..storage.content("synced").len() {
        storage.rot("synced", at, 0x40);
        assert_eq!(records(&open(&storage, OPTIONS).unwrap()).len(), 12);
        storage.rot("synced", at, 0x40);
    }
}

#[test]
fn missing_segments_are_noticed() {
    let expect = |remove: &[usize], reason: &str| {
        let storage = written(12, OPTIONS);
        let names: Vec<_> =
            storage.list().unwrap().into_iter().filter(|name| name != "synced").collect();
        remove.iter().for_each(|i| storage.remove(&names[*i]));
        let error = open(&storage, OPTIONS).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    };
    let count = written(12, OPTIONS).list().unwrap().len() - 1;
    expect(&[0], "the segment before it is missing or has another length");
    expect(&[1], "the segment before it is missing or has another length");
    expect(&[count - 1], "log is shorter than what was synced");
    expect(&(0..count).collect::<Vec<_>>(), "all segments of the log are missing");
}

#[test]
fn another_kind_of_log_and_a_later_version_are_not_opened() {
    let storage = written(3, LONG);
    let error = open(&storage, Options { label: *b"ELSE", ..LONG }).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "simulated/{FIRST} is not a log that this version can read: it holds another kind of log"
        )
    );
}

#[test]
fn after_a_failed_write_or_sync_nothing_more_is_written() {
    let storage = written(3, LONG);
    let mut log = open(&storage, LONG).unwrap();
    fill(&mut log, 3..4);
    storage.fail();
    let error = log.sync().unwrap_err().to_string();
    assert_eq!(error, format!("simulated/{FIRST}: simulated disk failure"));
    assert!(matches!(log.append(1, 9, 0, b"x"), Err(Error::Stopped(_))));
    assert!(matches!(log.sync(), Err(Error::Stopped(_))));
    storage.crash(|_| 0);
    assert_eq!(records(&open(&storage, LONG).unwrap()).len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Appends, syncs and crashes in any order: every synced record is there after a crash, every record that is there
    /// was written, in order, without gaps.
    #[test]
    fn crashes_lose_at_most_what_was_not_synced(
        rounds in proptest::collection::vec((1u64..12, any::<bool>(), any::<u64>()), 1..8)
    ) {
        let storage = Simulated::new();
        let (mut durable, mut next) = (0, 0);
        for (count, sync, seed) in rounds {
            let mut log = open(&storage, OPTIONS).unwrap();
            let found = records(&log);
            prop_assert!((durable..=next).contains(&(found.len() as u64)), "{durable} {} {next}", found.len());
            for (i, record) in (0..).zip(&found) {
                prop_assert_eq!((record.index, &record.bytes[..]), (i, &body(i)[..]));
            }
            durable = found.len() as u64;
            fill(&mut log, durable..durable + count);
            next = durable + count;
            if sync {
                log.sync().unwrap();
                durable = next;
                fill(&mut log, next..next + 2);
                next += 2;
            }
            drop(log);
            let mut state = seed;
            storage.crash(|n| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as usize % n
            });
        }
    }
}

#[test]
fn a_log_in_use_is_copied_as_far_as_it_was_synced_and_a_damaged_one_is_not() {
    use carecord_blocks::record_log::{copy, is_log};

    let dir = tempfile::tempdir().unwrap();
    let (live, to) = (dir.path().join("live"), |n: u64| dir.path().join(format!("copy{n}")));
    let mut log = RecordLog::open(Disk::open(&live).unwrap(), OPTIONS).unwrap();
    for synced in [0, 3, 20, 41] {
        let have = log.scan(0).count() as u64;
        fill(&mut log, have..synced);
        log.sync().unwrap();
        // Written and not synced: it is not in the copy.
        log.append(1, 99, 0, b"tail").unwrap();
        let copied = copy(&live, &to(synced), Some(OPTIONS.label)).unwrap();
        assert_eq!((copied.records, copied.last_index), (synced, synced.checked_sub(1)));
        assert!(is_log(&to(synced)));
        let again = RecordLog::open(Disk::open(to(synced)).unwrap(), OPTIONS).unwrap();
        assert_eq!(records(&again), records(&log)[..synced as usize]);
        drop(again);
        drop(log);
        // The tail goes, as in a crash.
        let end = copied.bytes.max(32);
        let mut opened = RecordLog::open(Disk::open(&live).unwrap(), OPTIONS).unwrap();
        opened.cut(end).unwrap();
        log = opened;
    }
    let first = live.join(FIRST);
    let bytes = std::fs::read(&first).unwrap();
    for at in (0..bytes.len()).step_by(17) {
        let mut altered = bytes.clone();
        altered[at] ^= 8;
        std::fs::write(&first, altered).unwrap();
        assert!(copy(&live, &to(1000 + at as u64), Some(OPTIONS.label)).is_err(), "byte {at}");
    }
}
