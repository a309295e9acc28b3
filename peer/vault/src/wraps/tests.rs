use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use carecord_health::ids::KeyHash;

use super::*;

const CHANNEL: &str = "care";

fn id(digit: char) -> Id {
    Id::new(digit.to_string().repeat(32)).unwrap()
}

fn kid(number: usize) -> Kid {
    Kid::new(format!("{number:032x}")).unwrap()
}

fn wrap(secret: &str) -> Wrap {
    Wrap { ciphertext: secret.to_owned().into(), ..Wrap::default() }
}

/// A request never seen before.
fn once(at: i64) -> Once {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let caller = KeyHash::new("a".repeat(64)).unwrap();
    let nonce = vec![NEXT.fetch_add(1, Ordering::Relaxed); 16].into();
    Once { caller, nonce, at: Moment { seconds: at, nanos: 5 } }
}

fn put(store: &Store, wraps: &[Named], at: i64) -> Result<(), Error> {
    put_within(store, wraps, at, &Limits::default())
}

fn put_within(store: &Store, wraps: &[Named], at: i64, limits: &Limits) -> Result<(), Error> {
    store.put((CHANNEL, &id('a')), wraps, false, (&once(at), at), limits)
}

fn delete(store: &Store, recipient: Option<&Kid>, at: i64) -> u32 {
    let which = Which { recipient, data_key: None };
    store.delete((CHANNEL, &id('a')), which, (&once(at), at)).unwrap()
}

fn get(store: &Store, recipient: usize) -> Option<Wrap> {
    store.get(CHANNEL, &id('a'), &id('d'), &kid(recipient)).unwrap()
}

#[test]
fn a_deleted_wrap_is_gone_and_so_are_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "the-wrapped-bytes-of-a-key";
    let store = Store::open(dir.path(), 0).unwrap();
    put(&store, &[(id('d'), kid(1), wrap(secret)), (id('d'), kid(2), wrap("other"))], 1).unwrap();
    assert!(on_disk(dir.path(), secret), "the scan can find it");

    assert_eq!(delete(&store, Some(&kid(1)), 2), 1);
    assert_eq!(get(&store, 1), None);
    assert!(get(&store, 2).is_some());
    drop(store);
    let store = Store::open(dir.path(), 2).unwrap();
    assert_eq!(delete(&store, None, 3), 1);
    drop(store);
    assert!(!on_disk(dir.path(), secret));
}

#[test]
fn a_delete_that_a_crash_cut_short_is_ended_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "the-wrapped-bytes-of-a-key";
    let store = Store::open(dir.path(), 0).unwrap();
    put(&store, &[(id('d'), kid(1), wrap(secret))], 1).unwrap();
    store.db.flush().unwrap();
    // As `delete`, up to where it would rewrite the tables.
    assert_eq!(store.delete_rows(CHANNEL, &id('a'), Which::default()).unwrap(), 1);
    drop(store);
    assert!(on_disk(dir.path(), secret));
    drop(Store::open(dir.path(), 1).unwrap());
    assert!(!on_disk(dir.path(), secret));
}

#[test]
fn a_version_can_be_deleted_without_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    put(&store, &[(id('d'), kid(1), wrap("w")), (id('e'), kid(1), wrap("w"))], 1).unwrap();
    let (old, record) = (id('e'), id('a'));
    let which = Which { recipient: None, data_key: Some(&old) };
    assert_eq!(store.delete((CHANNEL, &record), which, (&once(2), 2)).unwrap(), 1);
    assert!(get(&store, 1).is_some());
    let older = put(&store, &[(id('e'), kid(2), wrap("w"))], 2);
    assert!(matches!(older, Err(Error::DeletedSince)), "{older:?}");
    put(&store, &[(id('d'), kid(2), wrap("w"))], 2).unwrap();
}

#[test]
fn only_who_may_replace_replaces_a_wrap_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    let put = |text: &str, may_replace| {
        let (named, limits) = ([(id('d'), kid(1), wrap(text))], Limits::default());
        let request = (&once(1), 1);
        store.put((CHANNEL, &id('a')), &named, may_replace, request, &limits).unwrap();
        get(&store, 1).unwrap().ciphertext
    };
    assert_eq!(put("first", false), "first");
    assert_eq!(put("second", false), "first");
    assert_eq!(put("third", true), "third");
}

#[test]
fn a_version_and_a_record_hold_so_many_wraps_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    let limits = Limits { wraps_per_version: 3, wraps_per_record: 5, ..Limits::default() };
    let put = |version, kids: std::ops::Range<usize>| {
        let named: Vec<_> = kids.map(|n| (id(version), kid(n), wrap("w"))).collect();
        put_within(&store, &named, 1, &limits)
    };
    assert!(matches!(put('d', 0..4), Err(Error::WrapsFull)), "all or none");
    assert_eq!(get(&store, 0), None);
    put('d', 0..3).unwrap();
    put('d', 0..3).unwrap(); // the same ones take no more room
    assert!(matches!(put('d', 3..4), Err(Error::WrapsFull)));
    assert!(matches!(put('e', 0..3), Err(Error::WrapsFull)), "six of the record");
    put('e', 0..2).unwrap();
    delete(&store, None, 2);
    let again = [(id('d'), kid(3), wrap("w"))];
    put_within(&store, &again, 3, &limits).unwrap();
}

#[test]
fn deletes_are_remembered_as_long_as_an_older_request_could_come() {
    let dir = tempfile::tempdir().unwrap();
    let begin = 100_000;
    let store = Store::open(dir.path(), begin).unwrap();
    delete(&store, Some(&kid(1)), begin);
    let named = [(id('d'), kid(1), wrap("w"))];
    assert!(matches!(put(&store, &named, begin), Err(Error::DeletedSince)));
    let end = begin + crate::limits::REQUEST_WINDOW_SECONDS;
    drop(store);
    let store = Store::open(dir.path(), end).unwrap();
    assert!(matches!(put(&store, &named, begin), Err(Error::DeletedSince)));
    store.forget(end + 1).unwrap();
    assert!(!store.has(&tombstone(CHANNEL, &id('a'), kid(1).as_str(), ALL)).unwrap());
}

#[test]
fn damage_in_the_middle_of_the_log_is_an_error_and_not_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    for number in 1..5 {
        put(&store, &[(id('d'), kid(number), wrap("w"))], 1).unwrap();
    }
    drop(store);
    let log = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.extension().is_some_and(|e| e == "log"));
    let log = log.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert!(Store::open(dir.path(), 0).is_err());
}

#[test]
fn an_access_transaction_serves_once_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    assert!(store.use_once("care", "tx", 100).unwrap());
    assert!(!store.use_once("care", "tx", 101).unwrap());
    drop(store);
    let store = Store::open(dir.path(), 100 + USED_KEPT_SECONDS).unwrap();
    assert!(!store.use_once("care", "tx", 102).unwrap());
}

#[test]
fn of_many_uses_at_once_one_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    let served = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| store.use_once("care", "tx", 1).unwrap())).collect();
        tries.into_iter().map(|t| t.join().unwrap()).filter(|served| *served).count()
    });
    assert_eq!(served, 1);
}

fn on_disk(path: &Path, text: &str) -> bool {
    std::fs::read_dir(path).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
