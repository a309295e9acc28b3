//! None of the identifiers of the Synthea patients remains.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::*;

const TODAY: i64 = 20_000;

fn study() -> Id {
    Id::new("5".repeat(32)).unwrap()
}

/// Every text of a resource under these names, at any depth.
fn texts(value: &Json, names: &[&str], out: &mut BTreeSet<String>) {
    match value {
        Json::Object(fields) => {
            for (name, inner) in fields {
                if names.contains(&name.as_str()) {
                    all(inner, out);
                }
                texts(inner, names, out);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| texts(item, names, out)),
        _ => {}
    }
}

fn all(value: &Json, out: &mut BTreeSet<String>) {
    match value {
        Json::String(text) => drop(out.insert(text.clone())),
        Json::Number(number) => drop(out.insert(number.to_string())),
        Json::Array(items) => items.iter().for_each(|item| all(item, out)),
        Json::Object(fields) => fields.values().for_each(|inner| all(inner, out)),
        _ => {}
    }
}

/// What identifies the people of a bundle: kinds of the eighteen, and their texts.
fn identifiers(bundle: &Json) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        let mut of = |kind: &'static str, names: &[&str]| {
            texts(resource, names, found.entry(kind).or_default());
        };
        of("dates with time", &["start", "end", "issued", "recordedDate", "authoredOn"]);
        of("references and unique codes", &["reference", "uid"]);
        if let Some(id) = resource["id"].as_str() {
            found.entry("resource ids").or_default().insert(id.to_owned());
        }
        if ["Patient", "Practitioner", "Organization"]
            .contains(&resource["resourceType"].as_str().unwrap())
        {
            let mut of = |kind: &'static str, names: &[&str]| {
                texts(resource, names, found.entry(kind).or_default());
            };
            of("names", &["family", "given", "name"]);
            of("mothers' names and births", &["valueString", "birthDate", "deceasedDateTime"]);
            of("streets and cities", &["line", "city", "postalCode"]);
            of("telephones and addresses", &["telecom"]);
            of("numbers", &["identifier"]);
            of("places on the globe", &["valueDecimal"]);
        }
    }
    found
}

/// Words that stand in identifiers and say nothing of a person: systems and types of numbers, names of extensions.
fn says_nothing(text: &str) -> bool {
    text.len() < 4
        || text.starts_with("http://terminology.hl7.org")
        || text.starts_with("http://hl7.org")
        || ["phone", "email", "home", "work", "official", "maiden"].contains(&text)
}

fn bundles() -> Option<Vec<String>> {
    let folder = carecord_proto::testdata::path("synthea-r4")?;
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let person = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".json") && name.contains('_')
    };
    let texts = files.iter().filter(|path| person(path));
    Some(texts.map(|path| std::fs::read_to_string(path).unwrap()).collect())
}

#[test]
fn none_of_the_identifiers_of_the_synthea_patients_remains() {
    let Some(bundles) = bundles() else {
        return carecord_proto::testdata::skipped("de-identification of the Synthea patients");
    };
    let (mut patients, mut facts, mut searched) = (0, 0, 0);
    for (number, bundle) in bundles.iter().enumerate() {
        let secret = Secret::new([u8::try_from(number).unwrap(); 32]);
        let out = deidentify(bundle, &secret, &study(), TODAY).unwrap().unwrap();
        let text = serde_json::to_string(&out).unwrap();
        patients += 1;
        facts += out.facts.len();
        let json: Json = serde_json::from_str(bundle).unwrap();
        let identifiers = identifiers(&json);
        assert!(identifiers.values().filter(|texts| !texts.is_empty()).count() >= 9);
        // A number is looked for as a word of its own: the digits of one may well stand inside a code.
        let words: BTreeSet<&str> =
            text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '.').collect();
        for (kind, found) in identifiers {
            for term in found.iter().filter(|term| !says_nothing(term)) {
                searched += 1;
                let plain = term.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.');
                let is_there = if plain {
                    words.contains(term.as_str())
                } else {
                    text.contains(term.as_str())
                };
                // A date that was moved may fall on another of the patient's dates.
                let a_date = term.len() == 10 && crate::fhir::date::day(term).is_ok();
                assert!(!is_there || a_date, "{kind}: {term:?} of patient {number} remains");
            }
        }
        let times = out.facts.iter().flat_map(|fact| [&fact.from, &fact.until]).flatten();
        assert!(times.into_iter().all(|date| date.len() == 10), "a time of day remains");
    }
    assert_eq!(patients, 31);
    assert!(facts > 3_000 && searched > 10_000, "{facts} facts, {searched} terms");
}

#[test]
fn intervals_stay_and_every_date_moves_by_the_same_secret() {
    let Some(bundles) = bundles() else {
        return carecord_proto::testdata::skipped("intervals of the Synthea patients");
    };
    for bundle in bundles.iter().take(8) {
        let secret = Secret::new([9; 32]);
        let shift = secret.shift_days(&study());
        let out = deidentify(bundle, &secret, &study(), TODAY).unwrap().unwrap();
        let json: Json = serde_json::from_str(bundle).unwrap();
        let conditions = json["entry"].as_array().unwrap().iter().map(|e| &e["resource"]);
        let onsets = conditions
            .filter(|r| r["resourceType"] == "Condition")
            .map(|r| crate::fhir::date::day(r["onsetDateTime"].as_str().unwrap()).unwrap());
        let moved = out.facts.iter().filter(|fact| fact.kind == "Condition");
        let moved = moved.map(|fact| crate::fhir::date::day(fact.from.as_ref().unwrap()).unwrap());
        let pairs: Vec<(i64, i64)> = onsets.zip(moved).collect();
        assert!(!pairs.is_empty());
        assert!(pairs.iter().all(|(before, after)| before - after == shift));
    }
}

fn person_born(born: &str, more: &str) -> Deidentified {
    let bundle = format!(
        r#"{{"entry":[{{"resource":{{"resourceType":"Patient","id":"x","gender":"female",
        "birthDate":"{born}"{more}}}}}]}}"#
    );
    let today = crate::fhir::date::day("2024-06-15").unwrap();
    deidentify(&bundle, &Secret::new([1; 32]), &study(), today).unwrap().unwrap()
}

#[test]
fn nobody_is_told_to_be_older_than_89() {
    for (born, age) in [
        ("1934-06-16", "89"),
        ("1934-06-15", "90+"),
        ("1905-01-01", "90+"),
        ("2024-06-15", "0"),
        ("2000-02-29", "24"),
    ] {
        let out = person_born(born, "");
        assert_eq!(out.age, age, "{born}");
        assert_eq!(out.born.is_none(), age == "90+", "{born}");
    }
    let died = person_born("1920-01-01", r#","deceasedDateTime":"1990-01-01T00:00:00Z""#);
    assert_eq!((died.age.as_str(), died.deceased), ("70", true));
}

#[test]
fn fields_that_are_not_on_the_list_stay_behind() {
    let note = r#","photo":[{"data":"QUJD"}],"contact":[{"name":{"text":"Jane Roe"}}],
        "text":{"div":"Jane Roe"},"extension":[{"valueString":"Jane Roe"}],
        "address":[{"line":["1 Main St"],"city":"Peabody","state":"Massachusetts","postalCode":"03601"}]"#;
    let out = person_born("1980-01-01", note);
    let text = serde_json::to_string(&out).unwrap();
    for secret in ["Jane", "QUJD", "Main", "Peabody", "03601", "1980-01-01"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(out.zip3.as_deref(), Some("000"));
}

#[test]
fn two_patients_in_a_bundle_are_none() {
    let one = r#"{"resource":{"resourceType":"Patient","id":"x","birthDate":"1980-01-01"}}"#;
    let two = format!(r#"{{"entry":[{one},{one}]}}"#);
    let secret = Secret::new([1; 32]);
    assert!(deidentify(&two, &secret, &study(), TODAY).unwrap().is_none());
    assert!(deidentify(r#"{"entry":[]}"#, &secret, &study(), TODAY).unwrap().is_none());
}
