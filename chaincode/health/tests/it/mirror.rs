//! Under random operations: the indexes by patient and by grantee mirror each other, and what is within permits no more.

use std::collections::BTreeSet;

use carecord_chaincode::{
    key::split,
    serde_json::{Value, json},
    test_util::Verdict,
};
use carecord_health::{
    consent::{
        Grant, Grantee, Scope,
        decision::{Facts, Question, Reader, decide},
        within::is_within,
    },
    ids::{Id, MspId},
    vocabulary::{Decision, Effect, Purpose, Role, Verb},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    people,
    town::{Person, Town, YEAR, random_id},
};

const OPERATIONS: usize = 1_000;
const PAIRS: usize = 200_000;

/// The attributes of every key of one kind.
fn keys(town: &Town, kind: &str) -> BTreeSet<Vec<String>> {
    let parts = |key: &str| {
        split(key).ok().map(|(k, a)| (k.to_owned(), a.iter().map(|a| (*a).to_owned()).collect()))
    };
    town.ledger
        .state()
        .keys()
        .filter_map(|(_, key)| parts(key))
        .filter(|(found, _)| found == kind)
        .map(|(_, attributes)| attributes)
        .collect()
}

fn assert_mirrored(town: &Town) {
    let turned = |kind, order: [usize; 3]| -> BTreeSet<Vec<String>> {
        keys(town, kind).into_iter().map(|a| order.map(|i| a[i].clone()).to_vec()).collect()
    };
    // grant: patient, grantee, id; granted: grantee, patient, id.
    assert_eq!(keys(town, "grant"), turned("granted", [1, 0, 2]));
    // linked: patient, group, subject; links: subject, patient, group.
    assert_eq!(keys(town, "linked"), turned("links", [1, 2, 0]));
    let ids: BTreeSet<String> = keys(town, "grant").into_iter().map(|a| a[2].clone()).collect();
    assert_eq!(ids, keys(town, "grantref").into_iter().map(|a| a[0].clone()).collect());
}

#[test]
fn the_indexes_mirror_each_other_after_every_random_operation() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor, other_doctor);
    let patients = [&patient, &other_patient];
    let doctors = [&author, &doctor, &other_doctor];
    let groups: Vec<String> = (0..3).map(|_| random_id()).collect();
    let mut grants = vec![(random_id(), 0)];
    let mut offers = vec![(random_id(), 0)];
    let (mut done, mut passed_on) = (0, 0);
    for step in 0..OPERATIONS {
        let patient: &Person = patients.choose(&mut rng).unwrap();
        let (a, b) = (rng.random_range(0..3), rng.random_range(0..3));
        let group = groups.choose(&mut rng).unwrap().clone();
        let (grant, holder) = grants.choose(&mut rng).unwrap().clone();
        let (offer, asked) = offers[rng.random_range(0..offers.len().min(4))].clone();
        let (id, until) = (random_id(), town.ledger.now + YEAR - step as i64);
        let body = |more: Value| {
            let mut body = json!({"id": id, "verbs": ["read", "forward"], "purposes": ["TREAT"],
                                  "until": until});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body.to_string()
        };
        let own = &patient.identity;
        let to_one = json!({"grantee": {"subject": doctors[a].id}, "delegate": 2});
        let onward = json!({"grant": grant, "to": doctors[b].id, "delegate": 1});
        let linked = doctors[a].id.clone();
        let (who, args) = match rng.random_range(0..11) {
            0 => (own, vec!["consent:Grant", &body(to_one)].map_owned()),
            1 => (
                own,
                vec!["consent:Grant", &body(json!({"grantee": {"group": group}}))].map_owned(),
            ),
            2 => (own, vec!["consent:Revoke", &grant].map_owned()),
            3 => (own, vec!["consent:Link", &group, &linked].map_owned()),
            4 => (own, vec!["consent:Unlink", &group, &linked].map_owned()),
            5 | 6 => (&doctors[holder].identity, vec!["consent:Refer", &body(onward)].map_owned()),
            7 | 8 => (&doctors[asked].identity, vec!["consent:AcceptReferral", &offer].map_owned()),
            9 => (&doctors[asked].identity, vec!["consent:EndReferral", &offer].map_owned()),
            _ => {
                let amendment = json!({"id": grant, "until": until}).to_string();
                (own, vec!["consent:Amend", &amendment].map_owned())
            }
        };
        let before = town.ledger.state().clone();
        if town.ledger.submit("health", who, &args).verdict != Verdict::Valid {
            assert!(before == *town.ledger.state(), "a refusal changed the state");
            continue;
        }
        done += 1;
        match args[0].as_str() {
            "consent:Grant" => grants.push((id, a)),
            "consent:AcceptReferral" => {
                passed_on += 1;
                grants.push((offer, asked));
            }
            "consent:Refer" => offers.insert(0, (id, b)),
            _ => {}
        }
        assert_mirrored(&town);
    }
    assert!(done > OPERATIONS / 4 && passed_on > 10, "{done} took effect, {passed_on} passed on");
}

trait MapOwned {
    fn map_owned(self) -> Vec<String>;
}

impl MapOwned for Vec<&str> {
    fn map_owned(self) -> Vec<String> {
        self.into_iter().map(str::to_owned).collect()
    }
}

fn id(n: u32) -> Id {
    Id::new(format!("{n:032x}")).unwrap()
}

fn some<T: Clone>(rng: &mut ChaCha8Rng, from: &[T], most: usize) -> Vec<T> {
    (0..rng.random_range(0..=most)).map(|_| from.choose(rng).unwrap().clone()).collect()
}

fn random(rng: &mut ChaCha8Rng, n: u32) -> Grant {
    let ids = |rng: &mut ChaCha8Rng, from: u32| {
        let pool: Vec<Id> = (from..from + 3).map(id).collect();
        if rng.random_bool(0.4) { some(rng, &pool, 3) } else { vec![] }
    };
    let from = rng.random_range(0..6);
    let edge = |rng: &mut ChaCha8Rng| rng.random_bool(0.3).then(|| rng.random_range(0..8));
    Grant {
        id: id(n),
        patient: id(1),
        effect: Effect::Permit,
        grantee: Grantee::Subject { subject: id(2) },
        verbs: some(rng, &Verb::ALL[..2], 3),
        purposes: some(rng, &[Purpose::Treatment, Purpose::Operations], 3),
        scope: Scope {
            records: ids(rng, 100),
            except_records: ids(rng, 100),
            tags: ids(rng, 200),
            except_tags: ids(rng, 200),
            created_from: edge(rng),
            created_until: edge(rng),
        },
        from,
        until: from + rng.random_range(1..6),
        created: 0,
        revoked: None,
        delegate: None,
        parent: None,
    }
}

#[test]
fn whatever_a_grant_within_another_permits_the_other_permits_too() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let msp = MspId::new("AMSP").unwrap();
    let reader = Reader { id: id(2), role: Role::Practitioner, msp, groups: vec![] };
    let (mut within, mut permitted) = (0, 0);
    for pair in 0..PAIRS {
        let wide = random(&mut rng, 10);
        // Half of them start from the wide one, so that many are within.
        let mut narrow = random(&mut rng, 11);
        if pair % 2 == 0 {
            let fresh = narrow.clone();
            narrow = Grant { id: id(11), ..wide.clone() };
            match rng.random_range(0..4) {
                0 => narrow.scope = fresh.scope,
                1 => narrow.verbs = fresh.verbs,
                2 => (narrow.from, narrow.until) = (fresh.from, fresh.until),
                _ => narrow.scope.except_records.extend(fresh.scope.except_records),
            }
        }
        if !is_within(&narrow, &wide) {
            continue;
        }
        within += 1;
        let pool: Vec<Id> = (200..203).map(id).collect();
        for _ in 0..8 {
            let record = Facts {
                id: id(rng.random_range(100..103)),
                tags: some(&mut rng, &pool, 2),
                created: rng.random_range(0..8),
                withdrawn: false,
            };
            let question = Question {
                reader: &reader,
                owner: &id(1),
                record: &record,
                verb: *Verb::ALL[..2].choose(&mut rng).unwrap(),
                purpose: Purpose::Treatment,
                now: rng.random_range(0..12),
            };
            let permits = |grant: &Grant| {
                decide(&question, std::slice::from_ref(grant)).decision == Decision::Permit
            };
            if permits(&narrow) {
                permitted += 1;
                assert!(permits(&wide), "{narrow:?} is not within {wide:?}: {question:?}");
            }
        }
    }
    assert!(within > 5_000 && permitted > 1_000, "{within} {permitted}");
}
