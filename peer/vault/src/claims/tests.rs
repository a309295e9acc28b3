use carecord_proto::content;

use super::*;

fn claim(caller: char, text: &str, size: u64) -> Claim {
    Claim {
        cid: ContentId::new(content::id(text.as_bytes())).unwrap(),
        caller: KeyHash::new(caller.to_string().repeat(64)).unwrap(),
        channel: "care".to_owned(),
        record: Id::new("1".repeat(32)).unwrap(),
        version: 1,
        size,
        at: 7,
        msp_id: "Hospital/A".to_owned(),
    }
}

const LIMITS: fn() -> Limits = || Limits {
    unnamed_bytes_per_person: 100,
    unnamed_contents_per_person: 3,
    unnamed_bytes_per_organisation: 150,
    ..Limits::default()
};

fn keep(store: &Arc<Store>, claim: &Claim) -> Result<(), Error> {
    let room = store.reserve(claim, &LIMITS())?;
    store.keep(claim, || false, || Ok(()))?;
    drop(room);
    Ok(())
}

#[test]
fn a_claim_reads_back_as_it_was_written() {
    let claim = claim('a', "x", 5);
    assert_eq!(Claim::parse(&claim.key(), claim.value().as_bytes()), Some(claim));
}

#[test]
fn people_and_organisations_store_so_much_unnamed_also_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    keep(&store, &claim('a', "1", 60)).unwrap();
    keep(&store, &claim('a', "1", 60)).unwrap(); // the same once more is no more
    drop(store);
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    assert!(matches!(keep(&store, &claim('a', "2", 41)), Err(Error::Quota)));
    keep(&store, &claim('a', "2", 40)).unwrap();
    assert!(matches!(keep(&store, &claim('b', "3", 51)), Err(Error::Quota)), "organisation");
    keep(&store, &claim('b', "3", 50)).unwrap();
    store.settle(&claim('a', "1", 60).cid, |_| true).unwrap();
    keep(&store, &claim('a', "4", 60)).unwrap();
}

#[test]
fn an_upload_that_ends_early_gives_its_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    let room = store.reserve(&claim('a', "1", 100), &LIMITS()).unwrap();
    assert!(store.reserve(&claim('a', "2", 1), &LIMITS()).is_err());
    assert_eq!(store.usage.lock().coming_bytes(), 100);
    drop(room);
    assert!(store.reserve(&claim('a', "2", 100), &LIMITS()).is_ok());
    assert_eq!(store.usage.lock().coming_bytes(), 0);
}

#[test]
fn small_contents_are_counted_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    for text in ["1", "2", "3"] {
        keep(&store, &claim('a', text, 1)).unwrap();
    }
    assert!(matches!(keep(&store, &claim('a', "4", 1)), Err(Error::Quota)));
}

#[test]
fn a_content_goes_with_its_last_claim_and_never_once_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    let (one, two) = (claim('a', "same", 5), claim('b', "same", 5));
    keep(&store, &one).unwrap();
    keep(&store, &two).unwrap();
    let kept = || -> Result<(), Error> { panic!("it is still claimed") };
    assert!(!store.expire(&one, kept).unwrap());
    assert!(store.expire(&two, || Ok(())).unwrap());
    keep(&store, &one).unwrap();
    store.settle(&one.cid, |_| true).unwrap();
    assert!(!store.expire(&one, kept).unwrap());
    // Somebody else's promise about a named content is none.
    store.keep(&two, || true, || Ok(())).unwrap();
    assert!(store.claims_of(&two.cid).unwrap().is_empty());
}

#[test]
fn a_renewed_claim_does_not_expire_with_the_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), 0).unwrap());
    let old = claim('a', "x", 5);
    keep(&store, &old).unwrap();
    keep(&store, &Claim { at: 99, ..old.clone() }).unwrap();
    assert!(!store.expire(&old, || panic!("it was renewed")).unwrap());
}
