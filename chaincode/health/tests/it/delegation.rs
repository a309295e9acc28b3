//! Passing on, amending, asking for grants, and groups.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::Verdict,
};
use carecord_health::{
    audit::{Act, Entry},
    consent::{Grant, Linked, Referral, ReferralStatus},
    page::Page,
    vocabulary::Decision,
};

use crate::{
    people,
    town::{Person, Town, YEAR, add_record, assert_valid, grant, open, random_id},
};

/// A grant to read and to pass on so many times; answers its id.
fn forwardable(town: &mut Town, patient: &Person, to: &Person, times: u32) -> String {
    let id = random_id();
    let body = json!({"id": id, "grantee": {"subject": to.id}, "verbs": ["read", "forward"],
                      "purposes": ["TREAT"], "until": town.ledger.now + YEAR, "delegate": times});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &body.to_string()]);
    id
}

fn referral(town: &Town, grant: &str, to: &Person) -> Value {
    json!({"id": random_id(), "grant": grant, "to": to.id, "verbs": ["read"],
           "purposes": ["TREAT"], "until": town.ledger.now + YEAR})
}

/// Offered and accepted; answers the id of the grant that came of it.
fn refer(town: &mut Town, from: &Person, to: &Person, body: &Value) -> String {
    let _: Referral = town.ok(&from.identity, &["consent:Refer", &body.to_string()]);
    let id = body["id"].as_str().unwrap().to_owned();
    let _: Grant = town.ok(&to.identity, &["consent:AcceptReferral", &id]);
    id
}

fn reads(town: &mut Town, who: &Person, record: &str) -> bool {
    open(town, who, record, "TREAT").decision == Decision::Permit
}

#[test]
fn a_referral_lets_the_other_doctor_read_once_both_have_agreed_and_no_longer_than_the_first() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let body = referral(&town, &given, &other_doctor);
    let id = body["id"].as_str().unwrap();
    let _: Referral = town.ok(&doctor.identity, &["consent:Refer", &body.to_string()]);
    assert!(!reads(&mut town, &other_doctor, &record), "an offer alone permits nothing");
    let listed: Page<Referral> =
        town.ok(&other_doctor.identity, &["consent:ListReferrals", "", "10"]);
    assert_eq!(listed.items[0].status, ReferralStatus::Offered);
    // Nobody accepts for somebody else.
    town.refused(&author.identity, &["consent:AcceptReferral", id], "CR-CC-030");
    town.refused(&doctor.identity, &["consent:AcceptReferral", id], "CR-CC-030");
    let grant: Grant = town.ok(&other_doctor.identity, &["consent:AcceptReferral", id]);
    assert_eq!(grant.parent.unwrap().as_str(), given);
    assert!(reads(&mut town, &other_doctor, &record));
    town.refused(&other_doctor.identity, &["consent:AcceptReferral", id], "CR-CC-050");
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &given]);
    assert!(!reads(&mut town, &doctor, &record) && !reads(&mut town, &other_doctor, &record));
}

#[test]
fn a_withdrawal_runs_down_every_chain_and_stands_in_the_trail_for_each_grant() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let first = forwardable(&mut town, &patient, &doctor, 2);
    let mut body = referral(&town, &first, &other_doctor);
    body["verbs"] = json!(["read", "forward"]);
    body["delegate"] = json!(1);
    let second = refer(&mut town, &doctor, &other_doctor, &body);
    let body = referral(&town, &second, &author);
    let third = refer(&mut town, &other_doctor, &author, &body);
    assert!(reads(&mut town, &author, &record));
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &first]);
    for who in [&doctor, &other_doctor, &author] {
        assert!(!reads(&mut town, who, &record));
    }
    let trail: Page<Entry> = town.ok(&patient.identity, &["audit:ListMine", "", "100"]);
    let ended: Vec<&str> =
        trail.items.iter().filter(|e| e.act == Act::Revoke).map(|e| e.object.as_str()).collect();
    assert_eq!(ended.len(), 3);
    assert!([&first, &second, &third].iter().all(|id| ended.contains(&id.as_str())));
    // A patient who grants the last one anew is asked again for nothing else.
    grant(&mut town, &patient, &json!({"subject": author.id}), "TREAT");
    assert!(reads(&mut town, &author, &record) && !reads(&mut town, &other_doctor, &record));
}

#[test]
fn nobody_passes_on_more_than_they_have() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let until = town.ledger.now + YEAR;
    let id = random_id();
    let body = json!({"id": id, "grantee": {"subject": doctor.id}, "verbs": ["read", "forward"],
                      "purposes": ["TREAT"], "until": until, "delegate": 1,
                      "scope": {"records": [record], "createdUntil": until}});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &body.to_string()]);
    let mut good = referral(&town, &id, &other_doctor);
    good["scope"] = json!({"records": [record], "createdUntil": until});
    for (field, bad, code) in [
        ("verbs", json!(["read", "submit"]), "CR-CC-024"),
        ("purposes", json!(["TREAT", "HOPERAT"]), "CR-CC-024"),
        ("until", json!(until + 1), "CR-CC-024"),
        ("scope", json!(null), "CR-CC-024"),
        ("scope", json!({"records": [record]}), "CR-CC-024"),
        ("scope", json!({"records": [record, random_id()], "createdUntil": 5}), "CR-CC-024"),
        ("scope", json!({"tags": [random_id()], "createdUntil": 5}), "CR-CC-024"),
        ("delegate", json!(1), "CR-CC-010"),
        ("to", json!(doctor.id), "CR-CC-010"),
        ("to", json!(patient.id), "CR-CC-010"),
        ("to", json!(random_id()), "CR-CC-030"),
        ("grant", json!(random_id()), "CR-CC-030"),
        ("until", json!(town.ledger.now), "CR-CC-010"),
    ] {
        let mut body = good.clone();
        body[field] = bad;
        town.refused(&doctor.identity, &["consent:Refer", &body.to_string()], code);
    }
    let mut further = good.clone();
    further["verbs"] = json!(["read", "forward"]);
    further["delegate"] = json!(1);
    town.refused(&doctor.identity, &["consent:Refer", &further.to_string()], "CR-CC-024");
    // Whose grant it is not: the same answer as for no grant at all.
    town.refused(&author.identity, &["consent:Refer", &good.to_string()], "CR-CC-030");
    refer(&mut town, &doctor, &other_doctor, &good);
    town.refused(&doctor.identity, &["consent:Refer", &good.to_string()], "CR-CC-040");
    // What came of it cannot be passed on again.
    let again = referral(&town, good["id"].as_str().unwrap(), &author);
    town.refused(&other_doctor.identity, &["consent:Refer", &again.to_string()], "CR-CC-030");
}

#[test]
fn a_grant_without_the_verb_or_that_has_ended_is_not_passed_on() {
    let mut town = Town::new();
    people!(town: patient, doctor, other_doctor);
    let plain = grant(&mut town, &patient, &json!({"subject": doctor.id}), "TREAT");
    let body = referral(&town, &plain, &other_doctor);
    town.refused(&doctor.identity, &["consent:Refer", &body.to_string()], "CR-CC-030");
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let body = referral(&town, &given, &other_doctor);
    let _: Value = town.ok(&doctor.identity, &["consent:Refer", &body.to_string()]);
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &given]);
    let later = referral(&town, &given, &other_doctor);
    town.refused(&doctor.identity, &["consent:Refer", &later.to_string()], "CR-CC-050");
    let id = body["id"].as_str().unwrap();
    town.refused(&other_doctor.identity, &["consent:AcceptReferral", id], "CR-CC-050");
}

#[test]
fn who_is_forbidden_something_passes_nothing_of_it_on() {
    let mut town = Town::new();
    people!(town: patient, doctor, other_doctor);
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let offered = referral(&town, &given, &other_doctor);
    let _: Value = town.ok(&doctor.identity, &["consent:Refer", &offered.to_string()]);
    let deny = json!({"id": random_id(), "effect": "deny", "grantee": {"org": "HospitalBMSP"},
                      "verbs": ["forward"], "purposes": [], "until": town.ledger.now + YEAR});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &deny.to_string()]);
    let body = referral(&town, &given, &other_doctor);
    town.refused(&doctor.identity, &["consent:Refer", &body.to_string()], "CR-CC-030");
    let id = offered["id"].as_str().unwrap();
    town.refused(&other_doctor.identity, &["consent:AcceptReferral", id], "CR-CC-030");
}

#[test]
fn an_acceptance_that_did_not_know_of_the_withdrawal_is_invalid() {
    let mut town = Town::new();
    people!(town: patient, doctor, other_doctor);
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let body = referral(&town, &given, &other_doctor);
    let _: Value = town.ok(&doctor.identity, &["consent:Refer", &body.to_string()]);
    let id = body["id"].as_str().unwrap();
    let args = ["consent:AcceptReferral", id];
    let accepted = town.ledger.simulate("health", &other_doctor.identity, &args);
    let revoke = ["consent:Revoke", &given];
    assert_valid(&town.ledger.submit("health", &patient.identity, &revoke));
    let late = town.ledger.commit(accepted);
    assert!(matches!(late.verdict, Verdict::ReadConflict | Verdict::PhantomRead));
}

#[test]
fn either_side_ends_a_referral_and_with_it_the_grant() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let body = referral(&town, &given, &other_doctor);
    let id = refer(&mut town, &doctor, &other_doctor, &body);
    town.refused(&author.identity, &["consent:EndReferral", &id], "CR-CC-030");
    let permit = open(&mut town, &other_doctor, &record, "TREAT");
    let _: Value = town.ok(&doctor.identity, &["consent:EndReferral", &id]);
    let state = |key: &str| town.ledger.state().get(&("health".into(), key.to_owned())).cloned();
    let committed = |key: &str| state(key).map(|v| v.value.to_vec());
    // A permit that was not used yet is void as well.
    assert!(carecord_health::access::still_granted(&committed, &permit).is_err());
    assert!(!reads(&mut town, &other_doctor, &record) && reads(&mut town, &doctor, &record));
    town.refused(&other_doctor.identity, &["consent:EndReferral", &id], "CR-CC-050");
    let declined = referral(&town, &given, &other_doctor);
    let _: Value = town.ok(&doctor.identity, &["consent:Refer", &declined.to_string()]);
    let id = declined["id"].as_str().unwrap();
    let _: Value = town.ok(&other_doctor.identity, &["consent:EndReferral", id]);
    town.refused(&other_doctor.identity, &["consent:AcceptReferral", id], "CR-CC-050");
}

#[test]
fn an_amendment_changes_what_holds_and_ends_what_was_passed_on_beyond_it() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let given = forwardable(&mut town, &patient, &doctor, 1);
    let body = referral(&town, &given, &other_doctor);
    let passed = refer(&mut town, &doctor, &other_doctor, &body);
    let amend = |body: Value| ["consent:Amend".to_owned(), body.to_string()];
    let refused = amend(json!({"id": passed, "purposes": ["TREAT", "HOPERAT"]}));
    town.refused(&patient.identity, &[&refused[0], &refused[1]], "CR-CC-024");
    let narrow = amend(json!({"id": given, "scope": {"exceptRecords": [record]}}));
    town.refused(&other_patient.identity, &[&narrow[0], &narrow[1]], "CR-CC-030");
    town.refused(&doctor.identity, &[&narrow[0], &narrow[1]], "CR-CC-020");
    let _: Grant = town.ok(&patient.identity, &[&narrow[0], &narrow[1]]);
    assert!(!reads(&mut town, &doctor, &record) && !reads(&mut town, &other_doctor, &record));
    let wide = amend(json!({"id": given, "scope": {}}));
    let _: Grant = town.ok(&patient.identity, &[&wide[0], &wide[1]]);
    assert!(reads(&mut town, &doctor, &record));
    assert!(!reads(&mut town, &other_doctor, &record), "what ended stays ended");
    town.ledger.now += YEAR + 1;
    town.refused(&patient.identity, &[&wide[0], &wide[1]], "CR-CC-050");
    let past = amend(json!({"id": given, "until": 5}));
    town.refused(&patient.identity, &[&past[0], &past[1]], "CR-CC-050");
}

#[test]
fn a_patient_is_asked_and_decides() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let ask = |town: &Town| {
        json!({"id": random_id(), "patient": patient.id, "verbs": ["read"],
               "purposes": ["TREAT"], "until": town.ledger.now + YEAR})
    };
    let first = ask(&town);
    let (id, text) = (first["id"].as_str().unwrap(), first.to_string());
    let _: Grant = town.ok(&doctor.identity, &["consent:Request", &text]);
    town.refused(&doctor.identity, &["consent:Request", &text], "CR-CC-040");
    assert!(!reads(&mut town, &doctor, &record));
    town.refused(&other_patient.identity, &["consent:Approve", id], "CR-CC-030");
    town.refused(&doctor.identity, &["consent:Approve", id], "CR-CC-020");
    let asked: Page<Grant> = town.ok(&patient.identity, &["consent:ListRequests", "", "10"]);
    assert_eq!(asked.items.len(), 1);
    let _: Grant = town.ok(&patient.identity, &["consent:Approve", id]);
    assert!(reads(&mut town, &doctor, &record));
    town.refused(&patient.identity, &["consent:Approve", id], "CR-CC-030");
    let second = ask(&town);
    let _: Grant = town.ok(&doctor.identity, &["consent:Request", &second.to_string()]);
    let id = second["id"].as_str().unwrap();
    let _: Value = town.ok(&patient.identity, &["consent:Reject", id]);
    town.refused(&patient.identity, &["consent:Approve", id], "CR-CC-030");
    for _ in 0..4 {
        let _: Grant = town.ok(&doctor.identity, &["consent:Request", &ask(&town).to_string()]);
    }
    town.refused(&doctor.identity, &["consent:Request", &ask(&town).to_string()], "CR-CC-060");
    let mut nobody = ask(&town);
    nobody["patient"] = json!(random_id());
    town.refused(&doctor.identity, &["consent:Request", &nobody.to_string()], "CR-CC-030");
}

#[test]
fn who_is_linked_to_a_group_has_what_the_group_has_until_unlinked() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let group = random_id();
    grant(&mut town, &patient, &json!({"group": group}), "TREAT");
    assert!(!reads(&mut town, &doctor, &record));
    let link = ["consent:Link", &group, &doctor.id];
    // A link of somebody else's group of the same id means nothing here.
    let _: Value = town.ok(&other_patient.identity, &link);
    assert!(!reads(&mut town, &doctor, &record));
    let _: Value = town.ok(&patient.identity, &link);
    town.refused(&patient.identity, &link, "CR-CC-040");
    assert!(reads(&mut town, &doctor, &record) && !reads(&mut town, &other_doctor, &record));
    let mine: Page<Value> = town.ok(&doctor.identity, &["records:ListForMe", "TREAT", "", "10"]);
    assert_eq!(mine.items.len(), 1);
    let links: Page<Linked> = town.ok(&patient.identity, &["consent:ListLinks", "", "10"]);
    assert_eq!(links.items[0].subject.as_str(), doctor.id);
    let recipients: Vec<Value> =
        town.ok(&author.identity, &["consent:Recipients", &patient.id, "[]"]);
    assert_eq!(recipients.len(), 2);
    let permit =
        town.ledger.simulate("health", &doctor.identity, &["records:Open", &record, "TREAT"]);
    let _: Value = town.ok(&patient.identity, &["consent:Unlink", &group, &doctor.id]);
    assert_ne!(town.ledger.commit(permit).verdict, Verdict::Valid);
    assert!(!reads(&mut town, &doctor, &record));
    town.refused(&patient.identity, &["consent:Unlink", &group, &doctor.id], "CR-CC-030");
    town.refused(&patient.identity, &["consent:Link", &group, &patient.id], "CR-CC-010");
}
