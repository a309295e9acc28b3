//! Nothing that means something reaches the ledger.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{TestIdentity, Verdict},
};
use carecord_health::model::Subject;

use crate::{
    people,
    town::{Town, YEAR, add_record, grant_to, key_registration, new_record, open, random_id},
};

/// Text that must never stand on a ledger, in the forms in which somebody might try to put it there.
pub(crate) const CANARIES: [&str; 6] = [
    "Jane Roe",
    "diabetes mellitus type 2",
    "E11.9",
    "1970-01-01",
    "../../etc/passwd",
    "4e1f0c2a-9d5b-4d5e-8a57-0c6d5c5f3f10",
];

/// The places of every string in a JSON value, and one place for a field that does not exist.
pub(crate) fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            out.push(format!("{at}/note"));
            for (name, inner) in fields {
                places(inner, &format!("{at}/{name}"), out);
            }
        }
        Value::Array(items) => {
            out.push(format!("{at}/-"));
            for (index, inner) in items.iter().enumerate() {
                places(inner, &format!("{at}/{index}"), out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

pub(crate) fn plant(value: &Value, place: &str, canary: &str) -> Value {
    let mut value = value.clone();
    let (parent, last) = place.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.insert(last.to_owned(), json!(canary))),
        Value::Array(items) if last == "-" => items.push(json!(canary)),
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = json!(canary),
        other => *other = json!(canary),
    }
    value
}

fn ledger_text(town: &Town) -> String {
    let mut text = String::new();
    for ((_, key), value) in town.ledger.state() {
        text.push_str(key);
        text.push_str(&String::from_utf8_lossy(&value.value));
        text.push('\n');
    }
    text
}

#[test]
fn free_text_in_any_place_of_any_argument_is_refused_and_never_stored() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let grant = json!({"id": random_id(), "effect": "permit", "grantee": {"subject": doctor.id},
        "verbs": ["read"], "purposes": ["TREAT"], "from": town.ledger.now, "until": town.ledger.now + YEAR,
        "scope": {"records": [record], "exceptRecords": [], "tags": [random_id()],
                  "exceptTags": [], "createdFrom": 0, "createdUntil": 5}});
    let mut add = new_record(&patient.id);
    add["tags"] = json!([random_id()]);
    let me: Subject = town.ok(&patient.identity, &["identity:Me"]);
    let kid = me.encryption_key.unwrap().registration.kid.to_string();
    let key = key_registration(&patient.identity, &patient.id, "care", 2, Some(&kid));
    let good = [
        (&author.identity, "records:Add", &add),
        (&patient.identity, "consent:Grant", &grant),
        (&patient.identity, "identity:RotateKey", &key),
    ];
    for canary in CANARIES {
        for args in [["records:Open", canary, "TREAT"], ["records:Open", record.as_str(), canary]] {
            let done = town.ledger.submit("health", &doctor.identity, &args);
            assert_eq!(done.verdict, Verdict::NotEndorsed, "{args:?}");
        }
    }
    let tried = refuses_free_text(&mut town, &good);
    assert!(tried > 200, "{tried}");
    assert_no_free_text(&town);
}

/// Plants each canary in every place of every argument, each of which is refused, and then the argument as it should be,
/// which is accepted: so it was the canary that was refused. Answers how many were refused.
pub(crate) fn refuses_free_text(town: &mut Town, calls: &[(&TestIdentity, &str, &Value)]) -> usize {
    let mut tried = 0;
    for canary in CANARIES {
        for (who, function, good) in calls {
            let mut all = Vec::new();
            places(good, "", &mut all);
            for place in all {
                let bad = plant(good, &place, canary).to_string();
                let done = town.ledger.submit("health", who, &[*function, &bad]);
                assert_eq!(done.verdict, Verdict::NotEndorsed, "{function} {place}");
                tried += 1;
            }
        }
    }
    for (who, function, good) in calls {
        let _: Value = town.ok(who, &[function, &good.to_string()]);
    }
    tried
}

/// No canary is on the ledger, and every text there is an id, a hash, a key or a word.
pub(crate) fn assert_no_free_text(town: &Town) {
    let text = ledger_text(town);
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is on the ledger");
    }
    assert_words_only(town);
}

#[test]
fn every_string_on_the_ledger_is_an_id_a_hash_or_a_word_of_the_vocabulary() {
    let mut town = Town::new();
    people!(town: patient, author, doctor, other_doctor);
    let record = add_record(&mut town, &author, &patient.id);
    grant_to(&mut town, &patient, &doctor.id, "TREAT");
    open(&mut town, &doctor, &record, "TREAT");
    open(&mut town, &other_doctor, &record, "TREAT");
    assert_words_only(&town);
}

fn assert_words_only(town: &Town) {
    let mut strings = Vec::new();
    for ((_, key), value) in town.ledger.state() {
        strings.extend(key.split('\0').map(str::to_owned));
        if value.value != [0].as_slice() {
            collect(
                &carecord_chaincode::serde_json::from_slice(&value.value).unwrap(),
                &mut strings,
            );
        }
    }
    assert!(strings.len() > 100);
    for text in strings {
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        let word = text.len() <= 14 && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        let of_person = ["s:", "p:", "g:"].iter().any(|kind| text.starts_with(kind));
        let grantee = of_person && text.len() == 34;
        let escrow = text.starts_with("e:") && text.split(':').count() == 4 && text.len() < 50;
        let content_id = text.starts_with("bafkrei") && text.len() == 59;
        let signed = is_key_or_signature(&text);
        let msp = text.ends_with("MSP");
        let known = hex || word || grantee || escrow || content_id || signed || msp;
        assert!(known, "{text:?} is on the ledger");
    }
}

/// Public keys and signatures are the only base64 there is.
fn is_key_or_signature(text: &str) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 32)
}

fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|i| collect(i, out)),
        Value::Object(fields) => fields.values().for_each(|v| collect(v, out)),
        _ => {}
    }
}

#[test]
fn events_hold_no_more_than_the_state_does() {
    let mut town = Town::new();
    people!(town: patient, author, doctor);
    let record = add_record(&mut town, &author, &patient.id);
    let args = ["records:Open", &record, "TREAT"];
    let done = town.ledger.submit("health", &doctor.identity, &args);
    let (_, payload) = done.event.unwrap();
    let text = String::from_utf8(payload.to_vec()).unwrap();
    // Whose record it is and who tried is not told to those who only listen to events.
    for id in [&patient.id, &doctor.id, &author.id] {
        assert!(!text.contains(id.as_str()));
    }
    assert!(!text.contains("TREAT"));
}
