//! The consent decision against its truth table, and against an evaluator written a second time in another way.

use std::collections::BTreeSet;

use carecord_health::{
    consent::{
        Grant, Grantee, Scope,
        decision::{Facts, Question, Reader, Reason, decide},
    },
    ids::{Id, MspId},
    vocabulary::{Decision, Effect, Purpose, Role, Verb},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

const REQUESTS: usize = 100_000;

fn id(n: u32) -> Id {
    Id::new(format!("{n:032x}")).unwrap()
}

fn msp(n: u32) -> MspId {
    MspId::new(format!("Org{n}MSP")).unwrap()
}

fn reader(n: u32, role: Role, org: u32) -> Reader {
    Reader { id: id(n), role, msp: msp(org), groups: vec![id(300)] }
}

fn facts() -> Facts {
    Facts { id: id(100), tags: vec![id(200)], created: 10, withdrawn: false }
}

fn permit(n: u32) -> Grant {
    Grant {
        id: id(n),
        patient: id(1),
        effect: Effect::Permit,
        grantee: Grantee::Subject { subject: id(2) },
        verbs: vec![Verb::Read],
        purposes: vec![Purpose::Treatment],
        scope: Scope::everything(),
        from: 0,
        until: 100,
        created: 0,
        revoked: None,
        delegate: None,
        parent: None,
    }
}

fn deny(n: u32) -> Grant {
    Grant { effect: Effect::Deny, verbs: vec![], purposes: vec![], ..permit(n) }
}

#[test]
fn the_rows_of_the_truth_table_decide_in_their_order() {
    let doctor = reader(2, Role::Practitioner, 1);
    let owner = reader(1, Role::Patient, 1);
    let (both, none) = (vec![permit(10), deny(11)], vec![]);
    let one = vec![permit(10)];
    let hidden = Facts { withdrawn: true, ..facts() };
    use Purpose::{Research, Treatment};
    let table = [
        (&owner, &hidden, Treatment, &both, Decision::Permit, Reason::Owner, vec![]),
        (&doctor, &hidden, Research, &both, Decision::Deny, Reason::Purpose, vec![]),
        (&doctor, &hidden, Treatment, &both, Decision::Deny, Reason::Hidden, vec![]),
        (&doctor, &facts(), Treatment, &both, Decision::Deny, Reason::Denied, vec![id(11)]),
        (&doctor, &facts(), Treatment, &one, Decision::Permit, Reason::Granted, vec![id(10)]),
        (&doctor, &facts(), Treatment, &none, Decision::Deny, Reason::Default, vec![]),
    ];
    for (reader, record, purpose, grants, decision, reason, ids) in table {
        let question =
            Question { reader, owner: &id(1), record, verb: Verb::Read, purpose, now: 50 };
        let verdict = decide(&question, grants);
        assert_eq!((verdict.decision, verdict.reason, verdict.grants), (decision, reason, ids));
    }
}

#[test]
fn each_part_of_a_grant_can_miss_alone() {
    let doctor = reader(2, Role::Practitioner, 1);
    let owner = id(1);
    let record = facts();
    let question = Question {
        reader: &doctor,
        owner: &owner,
        record: &record,
        verb: Verb::Read,
        purpose: Purpose::Treatment,
        now: 50,
    };
    let scope = Scope::everything;
    let base = || permit(10);
    let misses = [
        Grant { patient: id(9), ..base() },
        Grant { grantee: Grantee::Subject { subject: id(3) }, ..base() },
        Grant { grantee: Grantee::Org { org: msp(2) }, ..base() },
        Grant { grantee: Grantee::Role { role: Role::Practitioner, org: msp(2) }, ..base() },
        Grant { grantee: Grantee::Role { role: Role::Insurer, org: msp(1) }, ..base() },
        Grant { grantee: Grantee::Group { group: id(301) }, ..base() },
        Grant { verbs: vec![Verb::Submit], ..base() },
        Grant { verbs: vec![], ..base() },
        Grant { purposes: vec![Purpose::Operations], ..base() },
        Grant { purposes: vec![], ..base() },
        Grant { from: 51, ..base() },
        Grant { until: 50, ..base() },
        Grant { revoked: Some(1), ..base() },
        Grant { scope: Scope { records: vec![id(101)], ..scope() }, ..base() },
        Grant { scope: Scope { except_records: vec![id(100)], ..scope() }, ..base() },
        Grant { scope: Scope { tags: vec![id(201)], ..scope() }, ..base() },
        Grant { scope: Scope { except_tags: vec![id(200)], ..scope() }, ..base() },
        Grant { scope: Scope { created_from: Some(11), ..scope() }, ..base() },
        Grant { scope: Scope { created_until: Some(10), ..scope() }, ..base() },
    ];
    assert_eq!(decide(&question, &[base()]).decision, Decision::Permit);
    for miss in misses {
        let verdict = decide(&question, std::slice::from_ref(&miss));
        assert_eq!(verdict.reason, Reason::Default, "{miss:?}");
    }
}

#[test]
fn a_permit_lasts_from_the_first_grants_start_to_the_last_ones_end() {
    let doctor = reader(2, Role::Practitioner, 1);
    let (owner, record) = (id(1), facts());
    let question = Question {
        reader: &doctor,
        owner: &owner,
        record: &record,
        verb: Verb::Read,
        purpose: Purpose::Treatment,
        now: 50,
    };
    let grants =
        [Grant { from: 20, until: 60, ..permit(10) }, Grant { from: 40, until: 90, ..permit(11) }];
    let verdict = decide(&question, &grants);
    assert_eq!((verdict.from, verdict.until), (20, 90));
}

/// The second opinion: works on sets of words, grant by grant, and collects all objections instead of returning early.
fn second_opinion(question: &Question<'_>, grants: &[Grant]) -> bool {
    let me: BTreeSet<String> = [
        format!("person {}", question.reader.id),
        format!("org {}", question.reader.msp),
        format!("{} of {}", question.reader.role.as_str(), question.reader.msp),
        format!("linked to {}", question.reader.groups[0]),
    ]
    .into();
    let tags: BTreeSet<&str> = question.record.tags.iter().map(Id::as_str).collect();
    let mut permits = 0;
    let mut denials = 0;
    for grant in grants {
        let meant = match &grant.grantee {
            Grantee::Subject { subject } => format!("person {subject}"),
            Grantee::Org { org } => format!("org {org}"),
            Grantee::Role { role, org } => format!("{} of {org}", role.as_str()),
            Grantee::Group { group } => format!("linked to {group}"),
        };
        let words: BTreeSet<&str> = grant.verbs.iter().map(|v| v.as_str()).collect();
        let reasons: BTreeSet<&str> = grant.purposes.iter().map(|p| p.as_str()).collect();
        let total = grant.effect == Effect::Deny;
        let named =
            |set: &BTreeSet<&str>, word| if set.is_empty() { total } else { set.contains(word) };
        let wanted: BTreeSet<&str> = grant.scope.tags.iter().map(Id::as_str).collect();
        let unwanted: BTreeSet<&str> = grant.scope.except_tags.iter().map(Id::as_str).collect();
        let listed: Vec<bool> =
            grant.scope.records.iter().map(|r| *r == question.record.id).collect();
        let mut objections = 0;
        objections += u32::from(grant.patient != *question.owner);
        objections += u32::from(!me.contains(&meant));
        objections += u32::from(!named(&words, question.verb.as_str()));
        objections += u32::from(!named(&reasons, question.purpose.as_str()));
        objections += u32::from(grant.revoked.is_some());
        objections += u32::from(!(grant.from..grant.until).contains(&question.now));
        objections += u32::from(!listed.is_empty() && !listed.contains(&true));
        objections += u32::from(grant.scope.except_records.contains(&question.record.id));
        objections += u32::from(!wanted.is_empty() && wanted.is_disjoint(&tags));
        objections += u32::from(!unwanted.is_disjoint(&tags));
        let earliest = grant.scope.created_from.unwrap_or(i64::MIN);
        let latest = grant.scope.created_until.unwrap_or(i64::MAX);
        objections += u32::from(!(earliest..latest).contains(&question.record.created));
        match (objections, grant.effect) {
            (0, Effect::Permit) => permits += 1,
            (0, Effect::Deny) => denials += 1,
            _ => {}
        }
    }
    let purposes = match question.reader.role.as_str() {
        "patient" => vec!["PATRQT"],
        "practitioner" => vec!["TREAT", "ETREAT", "HOPERAT"],
        "insurer" => vec!["HPAYMT"],
        "researcher" => vec!["HRESCH"],
        _ => vec![],
    };
    question.reader.id == *question.owner
        || (purposes.contains(&question.purpose.as_str())
            && !question.record.withdrawn
            && denials == 0
            && permits > 0)
}

fn some<T: Clone>(rng: &mut ChaCha8Rng, from: &[T], most: usize) -> Vec<T> {
    (0..rng.random_range(0..=most)).map(|_| from.choose(rng).unwrap().clone()).collect()
}

fn random_grant(rng: &mut ChaCha8Rng, n: u32) -> Grant {
    let ids = |from: u32| (from..from + 4).map(id).collect::<Vec<_>>();
    let grantee = match rng.random_range(0..4) {
        3 => Grantee::Group { group: id(rng.random_range(300..303)) },
        0 => Grantee::Subject { subject: id(rng.random_range(1..5)) },
        1 => Grantee::Org { org: msp(rng.random_range(0..2)) },
        _ => Grantee::Role {
            role: *[Role::Practitioner, Role::Insurer].choose(rng).unwrap(),
            org: msp(rng.random_range(0..2)),
        },
    };
    let effect = if rng.random_bool(0.12) { Effect::Deny } else { Effect::Permit };
    let from = rng.random_range(0..12);
    let edge = |rng: &mut ChaCha8Rng| rng.random_bool(0.2).then(|| rng.random_range(0..20));
    let sometimes = |rng: &mut ChaCha8Rng, ids: &[Id]| {
        if rng.random_bool(0.25) { some(rng, ids, 3) } else { vec![] }
    };
    Grant {
        id: id(1000 + n),
        patient: id(if rng.random_bool(0.9) { 1 } else { 2 }),
        effect,
        grantee,
        verbs: some(rng, Verb::ALL, 4),
        purposes: some(rng, Purpose::ALL, 5),
        scope: Scope {
            records: sometimes(rng, &ids(100)),
            except_records: sometimes(rng, &ids(100)),
            tags: sometimes(rng, &ids(200)),
            except_tags: sometimes(rng, &ids(200)),
            created_from: edge(rng),
            created_until: edge(rng),
        },
        from,
        until: from + rng.random_range(1..20),
        created: 0,
        delegate: None,
        parent: None,
        revoked: rng.random_bool(0.1).then_some(3),
    }
}

#[test]
fn a_hundred_thousand_random_requests_are_decided_as_by_the_second_opinion() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut permits, mut reasons) = (0, BTreeSet::new());
    for request in 0..REQUESTS {
        let count = rng.random_range(0..24);
        let grants: Vec<Grant> = (0..count).map(|n| random_grant(&mut rng, n)).collect();
        let roles = [Role::Practitioner, Role::Practitioner, Role::Insurer, Role::Auditor];
        let role = *roles.choose(&mut rng).unwrap();
        let reader = reader(rng.random_range(1..5), role, rng.random_range(0..2));
        let tag_pool: Vec<Id> = (200..204).map(id).collect();
        let record = Facts {
            id: id(rng.random_range(100..104)),
            tags: some(&mut rng, &tag_pool, 2),
            created: rng.random_range(0..20),
            withdrawn: rng.random_bool(0.05),
        };
        let question = Question {
            reader: &reader,
            owner: &id(1),
            record: &record,
            verb: *Verb::ALL.choose(&mut rng).unwrap(),
            purpose: *[
                Purpose::Treatment,
                Purpose::Treatment,
                Purpose::Operations,
                Purpose::Payment,
            ]
            .choose(&mut rng)
            .unwrap(),
            now: rng.random_range(0..20),
        };
        let verdict = decide(&question, &grants);
        let permitted = verdict.decision == Decision::Permit;
        assert_eq!(
            permitted,
            second_opinion(&question, &grants),
            "request {request}: {question:?}"
        );
        permits += usize::from(permitted);
        reasons.insert(format!("{:?}", verdict.reason));
    }
    let share = permits * 100 / REQUESTS;
    assert!((20..=80).contains(&share), "{share} % permits prove too little");
    assert_eq!(reasons.len(), 6, "every row was met: {reasons:?}");
}
