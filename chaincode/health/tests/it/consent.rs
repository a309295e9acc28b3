//! Granting, revoking, checking and explaining.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{TestIdentity, Verdict},
};
use carecord_health::{
    consent::{Grant, Recipient},
    page::Page,
    vocabulary::Decision,
};

use crate::{
    people,
    town::{Town, YEAR, add_record, assert_valid, grant, grant_to, new_record, open, random_id},
};

#[test]
fn only_the_patient_grants_and_revokes_and_only_their_own() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let until = town.ledger.now + YEAR;
    let body = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["read"],
                      "purposes": ["TREAT"], "until": until});
    town.refused(&doctor.identity, &["consent:Grant", &body.to_string()], "CR-CC-020");
    // Another patient's grant covers their own records only.
    let _: Value = town.ok(&other_patient.identity, &["consent:Grant", &body.to_string()]);
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
    // There is no field by which one could speak for somebody else.
    let mut spoofed = body;
    spoofed["id"] = json!(random_id());
    spoofed["patient"] = json!(patient.id);
    town.refused(&other_patient.identity, &["consent:Grant", &spoofed.to_string()], "CR-CC-003");
    let mine = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    town.refused(&other_patient.identity, &["consent:Revoke", &mine], "CR-CC-030");
    town.refused(&patient.identity, &["consent:Revoke", &random_id()], "CR-CC-030");
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &mine]);
    town.refused(&patient.identity, &["consent:Revoke", &mine], "CR-CC-050");
}

#[test]
fn a_grant_holds_from_its_first_second_to_the_second_before_its_end() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let (from, until) = (town.ledger.now + 100, town.ledger.now + 200);
    let body = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["read"],
                      "purposes": ["TREAT"], "from": from, "until": until});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &body.to_string()]);
    for (now, expected) in [
        (from - 1, Decision::Deny),
        (from, Decision::Permit),
        (until - 1, Decision::Permit),
        (until, Decision::Deny),
    ] {
        town.ledger.now = now;
        let evidence = open(&mut town, &doctor, &record, "TREAT");
        assert_eq!(evidence.decision, expected, "at {now}");
        assert!(evidence.expires <= until || expected == Decision::Deny);
    }
}

#[test]
fn a_denial_beats_every_permit() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant(&mut town, &patient, &json!({"org": "HospitalBMSP"}), "TREAT");
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let deny = json!({"id": random_id(), "effect": "deny", "grantee": {"subject": doctor.id},
                      "verbs": ["read"], "purposes": [], "until": town.ledger.now + YEAR,
                      "scope": {"records": [record]}});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &deny.to_string()]);
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Deny);
    assert_eq!(open(&mut town, &other_doctor, &record, "TREAT").decision, Decision::Permit);
}

#[test]
fn a_grant_to_a_role_reaches_that_role_of_that_organisation() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, insurer);
    let record = add_record(&mut town, &author, &patient.id);
    let grantee = json!({"role": "practitioner", "org": "HospitalBMSP"});
    grant(&mut town, &patient, &grantee, "TREAT");
    assert_eq!(open(&mut town, &doctor, &record, "TREAT").decision, Decision::Permit);
    assert_eq!(open(&mut town, &author, &record, "TREAT").decision, Decision::Deny);
    assert_eq!(open(&mut town, &insurer, &record, "HPAYMT").decision, Decision::Deny);
}

#[test]
fn tags_let_a_patient_leave_out_what_only_they_can_name() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let tag = random_id();
    let plain = add_record(&mut town, &author, &patient.id);
    let mut tagged = new_record(&patient.id);
    tagged["tags"] = json!([tag]);
    let _: Value = town.ok(&author.identity, &["records:Add", &tagged.to_string()]);
    let body = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["read"],
                      "purposes": ["TREAT"], "until": town.ledger.now + YEAR,
                      "scope": {"exceptTags": [tag]}});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &body.to_string()]);
    let tagged = tagged["id"].as_str().unwrap();
    assert_eq!(open(&mut town, &doctor, &plain, "TREAT").decision, Decision::Permit);
    assert_eq!(open(&mut town, &doctor, tagged, "TREAT").decision, Decision::Deny);
}

#[test]
fn a_grant_that_makes_no_sense_is_refused() {
    let mut town = Town::new();
    people!(town: patient, doctor);
    let now = town.ledger.now;
    let good = json!({"id": random_id(), "grantee": {"subject": doctor.id}, "verbs": ["read"],
                      "purposes": ["TREAT"], "until": now + YEAR});
    for (field, bad, code) in [
        ("id", json!("my grant"), "CR-CC-003 INVALID_ARGUMENT at /grant/id"),
        ("verbs", json!([]), "CR-CC-010 INVALID_ARGUMENT at /grant/verbs"),
        ("verbs", json!(["write"]), "CR-CC-003 INVALID_ARGUMENT at /grant/verbs/0"),
        ("verbs", json!(["read", "read", "read", "read", "read"]), "CR-CC-010"),
        ("purposes", json!([]), "CR-CC-010 INVALID_ARGUMENT at /grant/purposes"),
        ("purposes", json!(["because"]), "CR-CC-003 INVALID_ARGUMENT at /grant/purposes/0"),
        ("until", json!(now), "CR-CC-010 INVALID_ARGUMENT at /grant/until"),
        ("until", json!(now + 11 * YEAR), "CR-CC-010 INVALID_ARGUMENT at /grant/until"),
        ("from", json!(now + 2 * YEAR), "CR-CC-010 INVALID_ARGUMENT at /grant/until"),
        ("from", json!(-1), "CR-CC-010 INVALID_ARGUMENT at /grant/until"),
        ("grantee", json!({"subject": patient.id}), "CR-CC-010 INVALID_ARGUMENT at /grant/grantee"),
        ("grantee", json!({"subject": random_id()}), "CR-CC-030 NOT_FOUND at /grant/grantee"),
        ("grantee", json!({"org": "NobodyMSP"}), "CR-CC-030 NOT_FOUND at /grant/grantee"),
        ("grantee", json!({"role": "insurer", "org": "HospitalBMSP"}), "CR-CC-010"),
        ("grantee", json!({"role": "hospital-admin", "org": "HospitalBMSP"}), "CR-CC-010"),
        ("grantee", json!({"name": "Dr. Who"}), "CR-CC-003 INVALID_ARGUMENT at /grant/grantee"),
        ("grantee", json!({"subject": doctor.id, "org": "HospitalBMSP"}), "CR-CC-003"),
        ("scope", json!({"codes": ["E11.9"]}), "CR-CC-003 INVALID_ARGUMENT at /grant/scope/codes"),
        (
            "scope",
            json!({"tags": vec![random_id(); 65]}),
            "CR-CC-010 INVALID_ARGUMENT at /grant/scope",
        ),
    ] {
        let mut body = good.clone();
        body[field] = bad;
        town.refused(&patient.identity, &["consent:Grant", &body.to_string()], code);
    }
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &good.to_string()]);
    town.refused(&patient.identity, &["consent:Grant", &good.to_string()], "CR-CC-040");
}

#[test]
fn an_open_that_did_not_know_of_a_withdrawal_is_invalid() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    type Withdrawal = fn(&str, &str, &str) -> Vec<String>;
    let withdrawals: [Withdrawal; 3] = [
        |grant, _, _| vec!["consent:Revoke".into(), grant.into()],
        |_, record, _| vec!["records:Hide".into(), record.into()],
        |_, _, doctor| {
            let body = json!({"id": random_id(), "effect": "deny", "grantee": {"subject": doctor},
                              "verbs": [], "purposes": [], "until": 1_700_000_000 + YEAR});
            vec!["consent:Grant".into(), body.to_string()]
        },
    ];
    for withdrawal in withdrawals {
        let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
        let args = ["records:Open", &record, "TREAT"];
        let opened = town.ledger.simulate("health", &doctor.identity, &args);
        let withdrawal = withdrawal(&grant, &record, &doctor.id);
        assert_valid(&town.ledger.submit("health", &patient.identity, &withdrawal));
        let late = town.ledger.commit(opened);
        assert!(matches!(late.verdict, Verdict::ReadConflict | Verdict::PhantomRead));
        assert_eq!(late.event, None);
    }
}

#[test]
fn opens_by_different_doctors_do_not_get_in_each_others_way() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant(&mut town, &patient, &json!({"org": "HospitalBMSP"}), "TREAT");
    let args = ["records:Open", &record, "TREAT"];
    let first = town.ledger.simulate("health", &doctor.identity, &args);
    let second = town.ledger.simulate("health", &other_doctor.identity, &args);
    assert_valid(&town.ledger.commit(first));
    assert_valid(&town.ledger.commit(second));
}

#[test]
fn explain_tells_the_patient_why_and_nobody_else() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let args = ["consent:Explain", &record, &doctor.id, "read", "TREAT"];
    let why: Value = town.ok(&patient.identity, &args);
    assert_eq!(why, json!({"decision": "permit", "reason": "granted", "grants": [grant]}));
    let args = ["consent:Explain", &record, &doctor.id, "read", "HRESCH"];
    let why: Value = town.ok(&patient.identity, &args);
    assert_eq!(why, json!({"decision": "deny", "reason": "purpose", "grants": []}));
    town.refused(&other_patient.identity, &args, "CR-CC-030");
    town.refused(&doctor.identity, &args, "CR-CC-020");
}

#[test]
fn recipients_are_the_patient_and_whoever_could_read_the_new_record() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let tag = random_id();
    let body = json!({"id": random_id(), "grantee": {"role": "practitioner", "org": "HospitalBMSP"},
                      "verbs": ["read"], "purposes": ["TREAT"], "until": town.ledger.now + YEAR,
                      "scope": {"exceptTags": [tag]}});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &body.to_string()]);
    let deny = json!({"id": random_id(), "effect": "deny", "grantee": {"subject": other_doctor.id},
                      "verbs": [], "purposes": [], "until": town.ledger.now + YEAR});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &deny.to_string()]);
    let list = |town: &mut Town, who: &TestIdentity, tags: &str| -> Vec<String> {
        let args = ["consent:Recipients", &patient.id, tags];
        let found: Vec<Recipient> = town.ok(who, &args);
        found.into_iter().map(|r| r.subject.to_string()).collect()
    };
    let mut both = vec![patient.id.clone(), doctor.id.clone()];
    both.sort();
    assert_eq!(list(&mut town, &author.identity, "[]"), both);
    let tags = json!([tag]).to_string();
    assert_eq!(list(&mut town, &author.identity, &tags), std::slice::from_ref(&patient.id));
    // Who may not write for the patient does not learn whom the patient trusts.
    let args = ["consent:Recipients", &patient.id, "[]"];
    town.refused(&doctor.identity, &args, "CR-CC-030");
}

#[test]
fn grants_are_listed_for_their_giver_and_for_their_grantee() {
    let mut town = Town::new();
    people!(town: patient, doctor);
    let first = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    let second = grant_to(&mut town, &patient, &doctor.id, "HOPERAT");
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &first]);
    let mine: Page<Grant> = town.ok(&patient.identity, &["consent:ListMine", "", "100"]);
    assert_eq!(mine.items.len(), 2);
    let page: Page<Grant> = town.ok(&patient.identity, &["consent:ListMine", "", "1"]);
    let rest: Page<Grant> = town.ok(&patient.identity, &["consent:ListMine", &page.next, "100"]);
    assert_eq!([page.items, rest.items].concat(), mine.items);
    let for_me: Page<Grant> = town.ok(&doctor.identity, &["consent:ListForMe", "", "100"]);
    let ids: Vec<_> = for_me.items.iter().map(|g| g.id.to_string()).collect();
    assert_eq!(ids, [second]);
}

#[test]
fn what_a_patient_owns_is_under_their_hospital_and_one_other() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = grant_to(&mut town, &patient, &doctor.id, "TREAT");
    open(&mut town, &doctor, &record, "TREAT");
    let protected: Vec<&str> = town
        .ledger
        .state()
        .iter()
        .filter(|(_, value)| value.policy.is_some())
        .map(|((_, key), _)| key.as_str())
        .filter(|key| [&patient.id, &record, &grant].iter().any(|id| key.contains(id.as_str())))
        .map(|key| key[1..].split('\0').next().unwrap())
        .collect();
    assert_eq!(protected, ["epoch", "grant", "record", "subject"]);
}
