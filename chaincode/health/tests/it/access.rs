//! What a vault can rely on.

use carecord_chaincode::serde_json::{self, Value, json};
use carecord_health::{
    access::{
        ACCESS_SECONDS_MAX, CLOCK_SKEW, NotGranted, Request, access_granted, current_content,
        is_registered_key, may_delete_wraps, may_put_wraps, may_store, names_content,
        still_granted,
    },
    events::RecordAccess,
    ids::{ContentId, Id, KeyHash, Kid},
};

use crate::{
    people,
    town::{
        Person, Town, add_record, assert_valid, grant_to, key_registration, new_record,
        random_bytes, random_cid, random_id,
    },
};

struct Opened {
    town: Town,
    patient: Person,
    author: Person,
    doctor: Person,
    record: Id,
    grant: String,
    event: Vec<u8>,
    evidence: RecordAccess,
}

/// A record that the granted doctor has just opened.
fn opened() -> Opened {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let args = ["records:Open", &record, "TREAT"];
    let done = town.ledger.submit("health", &doctor.identity, &args);
    assert_valid(&done);
    let (name, event) = done.event.unwrap();
    assert_eq!(name, "RecordAccess");
    assert_eq!(event, done.response.payload);
    let evidence = serde_json::from_slice(&event).unwrap();
    let record = Id::new(record).unwrap();
    Opened { town, patient, author, doctor, record, grant, event: event.to_vec(), evidence }
}

fn hash(person: &Person) -> KeyHash {
    KeyHash::new(person.identity.caller().key_hash.clone()).unwrap()
}

impl Opened {
    fn holds(&self) -> Result<(), NotGranted> {
        still_granted(&self.state(), &self.evidence)
    }

    fn state(&self) -> impl Fn(&str) -> Option<Vec<u8>> + '_ {
        |key| {
            let key = ("health".to_owned(), key.to_owned());
            self.town.ledger.state().get(&key).map(|v| v.value.to_vec())
        }
    }
}

#[test]
fn the_event_of_a_permitted_open_grants_exactly_what_was_asked() {
    let opened = opened();
    let (reader, kid) = (hash(&opened.doctor), opened.evidence.recipient.clone().unwrap());
    let now = opened.evidence.at;
    let request = |record, reader, recipient, now| {
        let request = Request { record, reader, recipient, now };
        access_granted(&opened.event, &request)
    };
    let granted = request(&opened.record, &reader, &kid, now).unwrap();
    assert_eq!(granted, opened.evidence);
    let other_record = Id::new(random_id()).unwrap();
    let other_reader = KeyHash::new(hex::encode(random_bytes::<32>())).unwrap();
    let other_kid = Kid::new(random_id()).unwrap();
    let expired = now + ACCESS_SECONDS_MAX;
    for (answer, why) in [
        (request(&other_record, &reader, &kid, now), NotGranted::Other),
        (request(&opened.record, &other_reader, &kid, now), NotGranted::Other),
        (request(&opened.record, &reader, &other_kid, now), NotGranted::Other),
        (request(&opened.record, &reader, &kid, expired), NotGranted::Expired),
    ] {
        assert_eq!(answer, Err(why));
    }
    assert!(request(&opened.record, &reader, &kid, expired - 1).is_ok());
}

#[test]
fn nothing_is_released_before_consent_begins_by_the_vaults_clock() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let recorded = Id::new(record.clone()).unwrap();
    let begins = town.ledger.now + 800;
    let grant = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["read"],
        "purposes": ["TREAT"], "from": begins, "until": begins + 10_000});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &grant.to_string()]);
    let asked = |event: &RecordAccess, person: &Person, now| {
        let recipient = event.recipient.clone().unwrap();
        let reader = hash(person);
        let request = Request { record: &recorded, reader: &reader, recipient: &recipient, now };
        access_granted(&serde_json::to_vec(event).unwrap(), &request).map(drop)
    };
    // The doctor's clock runs ahead by less than the skew that the vault allows: the grant's start still counts.
    town.ledger.now = begins + 10;
    let ahead: RecordAccess = town.ok(&doctor.identity, &["records:Open", &record, "TREAT"]);
    assert_eq!(ahead.from, begins);
    assert_eq!(asked(&ahead, &doctor, begins - 1), Err(NotGranted::Expired));
    assert_eq!(asked(&ahead, &doctor, begins), Ok(()));
    // A permit dated further ahead waits for its own time, also where the consent is old.
    town.ledger.now = begins + 850;
    let later: RecordAccess = town.ok(&doctor.identity, &["records:Open", &record, "TREAT"]);
    let owner: RecordAccess = town.ok(&patient.identity, &["records:Open", &record, "PATRQT"]);
    assert_eq!(owner.from, 0);
    for (evidence, person) in [(&later, &doctor), (&owner, &patient)] {
        let early = evidence.at - CLOCK_SKEW - 1;
        assert_eq!(asked(evidence, person, early), Err(NotGranted::Expired));
        assert_eq!(asked(evidence, person, evidence.at - CLOCK_SKEW), Ok(()));
    }
}

#[test]
fn denied_or_damaged_evidence_grants_nothing() {
    let opened = opened();
    let (reader, kid) = (hash(&opened.doctor), opened.evidence.recipient.clone().unwrap());
    let request = Request {
        record: &opened.record,
        reader: &reader,
        recipient: &kid,
        now: opened.evidence.at,
    };
    let mut denied: Value = serde_json::from_slice(&opened.event).unwrap();
    denied["decision"] = json!("deny");
    assert_eq!(access_granted(denied.to_string().as_bytes(), &request), Err(NotGranted::Denied));
    let mut newer: Value = serde_json::from_slice(&opened.event).unwrap();
    newer["form"] = json!(2);
    assert_eq!(access_granted(newer.to_string().as_bytes(), &request), Err(NotGranted::Malformed));
    for bad in [b"".as_slice(), b"{}", b"null", &opened.event[1..]] {
        assert_eq!(access_granted(bad, &request), Err(NotGranted::Malformed));
    }
    // A claim to last longer than the limit does not help.
    let mut long: Value = serde_json::from_slice(&opened.event).unwrap();
    long["expires"] = json!(i64::MAX);
    let late = Request { now: opened.evidence.at + ACCESS_SECONDS_MAX, ..request };
    assert_eq!(access_granted(long.to_string().as_bytes(), &late), Err(NotGranted::Expired));
}

#[test]
fn whatever_is_withdrawn_after_the_open_stops_the_release() {
    type Act = fn(&mut Opened);
    let acts: [(&str, Act); 8] = [
        ("revoke", |o| {
            let args = ["consent:Revoke", &o.grant];
            let _: Value = o.town.ok(&o.patient.identity, &args);
        }),
        ("hide", |o| {
            let _: Value = o.town.ok(&o.patient.identity, &["records:Hide", o.record.as_str()]);
        }),
        ("deny", |o| {
            let deny = json!({"id": random_id(), "effect": "deny", "verbs": [], "purposes": [],
                "grantee": {"subject": o.doctor.id}, "until": o.town.ledger.now + 1000});
            let args = ["consent:Grant", &deny.to_string()];
            let _: Value = o.town.ok(&o.patient.identity, &args);
        }),
        ("revoke the key", |o| {
            let kid = o.evidence.recipient.clone().unwrap();
            let args = ["identity:RevokeKey", kid.as_str()];
            let _: Value = o.town.ok(&o.doctor.identity, &args);
        }),
        ("retract", |o| {
            let _: Value = o.town.ok(&o.author.identity, &["records:Retract", o.record.as_str()]);
        }),
        ("suspend", |o| {
            let admin = std::mem::replace(&mut o.town.admin_b, crate::town::nobody().identity);
            let _: Value = o.town.ok(&admin, &["identity:Suspend", &o.doctor.id]);
        }),
        ("rotate", |o| {
            let kid = o.evidence.recipient.clone().unwrap();
            let next =
                key_registration(&o.doctor.identity, &o.doctor.id, "care", 2, Some(kid.as_str()));
            let args = ["identity:RotateKey", &next.to_string()];
            let _: Value = o.town.ok(&o.doctor.identity, &args);
        }),
        ("new version", |o| {
            let version = json!({"id": o.record, "version": 2, "cid": random_cid(), "size": 5,
                "suite": 1, "dataKey": random_id(),
                "commitment": hex::encode(random_bytes::<32>())});
            let args = ["records:AddVersion", &version.to_string()];
            let _: Value = o.town.ok(&o.author.identity, &args);
        }),
    ];
    for (name, act) in acts {
        let mut opened = opened();
        assert_eq!(opened.holds(), Ok(()), "before {name}");
        act(&mut opened);
        assert_eq!(opened.holds(), Err(NotGranted::Withdrawn), "after {name}");
    }
}

#[test]
fn wraps_are_put_by_owner_or_author_and_deleted_by_the_owner() {
    let opened = opened();
    let state = opened.state();
    let key = opened.evidence.data_key.clone().unwrap();
    let put = |person: &Person, key: &Id| may_put_wraps(&state, &opened.record, key, &hash(person));
    assert!(put(&opened.patient, &key) && put(&opened.author, &key));
    assert!(!put(&opened.doctor, &key));
    assert!(!put(&opened.patient, &Id::new(random_id()).unwrap()));
    let delete = |person: &Person| may_delete_wraps(&state, &opened.record, &hash(person));
    assert!(delete(&opened.patient) && !delete(&opened.author) && !delete(&opened.doctor));
    assert!(may_store(&state, &hash(&opened.doctor)));
    assert!(!may_store(&state, &KeyHash::new(hex::encode(random_bytes::<32>())).unwrap()));
}

#[test]
fn evidence_for_one_record_never_serves_the_data_key_of_another() {
    let mut opened = opened();
    // A doctor whose consent has ended names the old data key in a record that they may open themselves.
    let mut record = new_record(&opened.town.other_patient.id);
    record["dataKey"] = json!(opened.evidence.data_key);
    let args = ["records:Add", &record.to_string()];
    opened.town.refused(&opened.doctor.identity, &args, "CR-CC-040");
}

#[test]
fn a_key_counts_for_who_registered_it_and_stays_good_for_one_rotation() {
    let mut opened = opened();
    let kid = opened.evidence.recipient.clone().unwrap();
    let doctor = Id::new(opened.doctor.id.clone()).unwrap();
    let other = Id::new(opened.patient.id.clone()).unwrap();
    let is_theirs = |o: &Opened, who: &Id, kid: &Kid| is_registered_key(&o.state(), who, kid);
    assert!(is_theirs(&opened, &doctor, &kid));
    assert!(!is_theirs(&opened, &other, &kid));
    assert!(!is_theirs(&opened, &doctor, &Kid::new(random_id()).unwrap()));
    let mut last = kid.clone();
    for (seq, still) in [(2, true), (3, false)] {
        let next = key_registration(
            &opened.doctor.identity,
            &opened.doctor.id,
            "care",
            seq,
            Some(last.as_str()),
        );
        last = Kid::new(next["kid"].as_str().unwrap()).unwrap();
        let args = ["identity:RotateKey", &next.to_string()];
        let _: Value = opened.town.ok(&opened.doctor.identity, &args);
        assert_eq!(is_theirs(&opened, &doctor, &kid), still, "after rotation to {seq}");
    }
}

#[test]
fn a_content_is_named_by_the_version_that_holds_it_and_by_no_other() {
    let opened = opened();
    let state = opened.state();
    let cid = current_content(&state, &opened.record).unwrap();
    assert!(names_content(&state, &opened.record, 1, &cid));
    assert!(!names_content(&state, &opened.record, 2, &cid));
    assert!(!names_content(&state, &opened.record, 1, &ContentId::new(random_cid()).unwrap()));
    assert!(!names_content(&state, &Id::new(random_id()).unwrap(), 1, &cid));
}
