//! Blocks by number, over a crash and from other threads.

use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::block_log::LABEL;
use carecord_blocks::record_log::{Check, Options};
use carecord_blocks::storage::{Simulated, Storage};
use carecord_blocks::{BlockLog, Error};
use carecord_proto::block;
use carecord_proto::common::Block;

const OPTIONS: Options = Options { label: LABEL, segment_bytes: 2000, check: Check::Heads };

fn block_at(number: u64) -> Block {
    block::new(
        number,
        Bytes::new(),
        vec![Bytes::from(vec![number as u8; 10 + number as usize % 50])],
    )
}

fn open(storage: &Arc<Simulated>) -> BlockLog {
    BlockLog::open(Arc::clone(storage) as Arc<dyn Storage>, OPTIONS).unwrap()
}

fn filled(numbers: std::ops::Range<u64>) -> (Arc<Simulated>, BlockLog) {
    let storage = Simulated::new();
    let mut log = open(&storage);
    numbers.for_each(|number| log.append_block(&block_at(number)).unwrap());
    log.sync().unwrap();
    (storage, log)
}

#[test]
fn every_block_is_found_by_its_number_before_and_after_opening_again() {
    let (storage, log) = filled(0..100);
    let check = |log: &BlockLog| {
        let reader = log.reader();
        assert_eq!((log.height(), reader.height(), reader.first()), (100, 100, 0));
        for number in 0..100 {
            assert_eq!(reader.block(number).unwrap(), Some(block_at(number)));
        }
        assert_eq!(reader.read(100).unwrap(), None);
        let from: Vec<_> = reader.blocks_from(37).collect::<Result<_, _>>().unwrap();
        assert_eq!(from, (37..100).map(block_at).collect::<Vec<_>>());
    };
    check(&log);
    drop(log);
    check(&open(&storage));
}

#[test]
fn a_log_may_begin_at_a_snapshots_block() {
    let (storage, log) = filled(1000..1040);
    drop(log);
    let log = open(&storage);
    let reader = log.reader();
    assert_eq!((log.height(), reader.first()), (1040, 1000));
    assert_eq!(reader.block(1033).unwrap(), Some(block_at(1033)));
    assert_eq!(reader.read(999).unwrap(), None);
}

#[test]
fn blocks_are_appended_in_order_and_shown_once_they_are_synced() {
    let (_, mut log) = filled(0..3);
    let reader = log.reader();
    let mut blocks = reader.blocks_from(3);
    let error = log.append_block(&block_at(4)).unwrap_err();
    assert!(matches!(error, Error::OutOfOrder { expected: 3, found: 4 }));
    log.append_block(&block_at(3)).unwrap();
    assert_eq!((log.height(), reader.height()), (4, 3));
    assert!(blocks.next().is_none());
    log.sync().unwrap();
    assert_eq!(blocks.next().unwrap().unwrap(), block_at(3));
    assert!(blocks.next().is_none());
}

#[test]
fn blocks_that_were_not_synced_can_be_appended_again_after_a_crash() {
    let (storage, mut log) = filled(0..3);
    log.append_block(&block_at(3)).unwrap();
    log.append_block(&block_at(4)).unwrap();
    drop(log);
    storage.crash(|n| n / 2);
    let mut log = open(&storage);
    assert!((3..5).contains(&log.height()));
    (log.height()..6).for_each(|number| log.append_block(&block_at(number)).unwrap());
    log.sync().unwrap();
    let all: Vec<_> = log.reader().blocks_from(0).collect::<Result<_, _>>().unwrap();
    assert_eq!(all, (0..6).map(block_at).collect::<Vec<_>>());
}

#[test]
fn readers_on_other_threads_read_while_blocks_are_appended() {
    let (_, mut log) = filled(0..1);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut blocks = log.reader().blocks_from(0);
            std::thread::spawn(move || {
                let mut number = 0;
                while number < 200 {
                    let Some(found) = blocks.next() else { continue };
                    assert_eq!(found.unwrap(), block_at(number));
                    number += 1;
                }
            })
        })
        .collect();
    for number in 1..200 {
        log.append_block(&block_at(number)).unwrap();
        log.sync().unwrap();
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn a_log_that_was_cut_ends_there_and_goes_on_from_there() {
    for first in [0, 1000] {
        for number in first..first + 60 {
            let (storage, mut log) = filled(first..first + 60);
            log.cut(number).unwrap();
            drop(log);
            let mut log = open(&storage);
            assert_eq!(log.height(), if number == first { 0 } else { number });
            assert_eq!(log.read(number).unwrap(), None);
            for number in number..first + 60 {
                log.append_block(&block_at(number)).unwrap();
            }
            log.sync().unwrap();
            drop(log);
            let reader = open(&storage).reader();
            for number in first..first + 60 {
                assert_eq!(reader.block(number).unwrap(), Some(block_at(number)));
            }
        }
    }
}
