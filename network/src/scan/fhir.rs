//! Terms out of FHIR R4: the people in a bundle, where they live, and the numbers they are known by.

use std::path::Path;

use serde_json::Value;

use super::terms::{Class, Terms};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Shorter lines and numbers are not particular to a person.
const LINE_CHARS_MIN: usize = 8;
const NUMBER_CHARS_MIN: usize = 9;
const UUID_CHARS: usize = 36;
const MAIDEN_NAME: &str = "patient-mothersMaidenName";

/// Adds every `*.json` of `folder`; one that is not JSON is a failure, because its people would not be looked for.
pub(super) fn add_folder(terms: &mut Terms, folder: &Path) -> Outcome<usize> {
    let failed = |error: std::io::Error| Failure::file(folder, &error);
    let mut bundles = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        let bundle = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(Code::Argument, error).at(path.display()))?;
        add_bundle(terms, &bundle);
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            add_file_name(terms, name);
        }
        bundles += 1;
    }
    match bundles {
        0 => Err(Failure::new(Code::Argument, "there is no bundle (*.json) in this folder")
            .at(folder.display())),
        _ => Ok(bundles),
    }
}

/// Adds the resources of a bundle, or one resource.
pub(super) fn add_bundle(terms: &mut Terms, bundle: &Value) {
    match bundle["entry"].as_array() {
        Some(entries) => entries.iter().for_each(|entry| add_resource(terms, &entry["resource"])),
        None => add_resource(terms, bundle),
    }
}

fn add_resource(terms: &mut Terms, resource: &Value) {
    match resource["resourceType"].as_str() {
        Some("Patient") => {
            add_person(terms, resource);
            add_numbers(terms, resource);
        }
        Some("Practitioner" | "RelatedPerson" | "Person") => add_person(terms, resource),
        Some("Organization" | "Location") => add_addresses(terms, &resource["address"]),
        _ => {}
    }
}

fn add_person(terms: &mut Terms, person: &Value) {
    for name in items(&person["name"]) {
        let given: Vec<&str> = items(&name["given"]).filter_map(Value::as_str).collect();
        terms.add_name(&given, name["family"].as_str().unwrap_or_default());
        if let Some(text) = name["text"].as_str() {
            terms.add_text(Class::FullName, text);
        }
    }
    add_addresses(terms, &person["address"]);
    for contact in items(&person["contact"]) {
        add_person(terms, contact);
    }
}

/// One address, or a list of them.
fn add_addresses(terms: &mut Terms, addresses: &Value) {
    for address in items(addresses) {
        let lines = items(&address["line"]).filter_map(Value::as_str);
        let particular = |line: &&str| {
            line.chars().count() >= LINE_CHARS_MIN && line.contains(|c: char| c.is_ascii_digit())
        };
        lines.filter(particular).for_each(|line| terms.add_text(Class::Street, line));
    }
}

fn add_numbers(terms: &mut Terms, patient: &Value) {
    if let Some(id) = patient["id"].as_str() {
        add_number(terms, id);
    }
    let known_by = items(&patient["identifier"]).chain(items(&patient["telecom"]));
    known_by.filter_map(|item| item["value"].as_str()).for_each(|text| add_number(terms, text));
    for extension in items(&patient["extension"]) {
        let is_maiden_name =
            extension["url"].as_str().is_some_and(|url| url.ends_with(MAIDEN_NAME));
        if let (true, Some(name)) = (is_maiden_name, extension["valueString"].as_str()) {
            terms.add_text(Class::FullName, name);
        }
    }
}

fn add_number(terms: &mut Terms, text: &str) {
    if is_uuid(text) {
        terms.add_uuid(text);
    } else if text.len() >= NUMBER_CHARS_MIN && text.contains(|c: char| c.is_ascii_digit()) {
        terms.add_text(Class::Identifier, text);
    }
}

/// Synthea names a file after the patient: `Given_Family_<uuid>.json`.
fn add_file_name(terms: &mut Terms, name: &str) {
    let end = name.len().checked_sub(UUID_CHARS).and_then(|at| name.get(at..));
    if let Some(uuid) = end.filter(|end| is_uuid(end)) {
        terms.add_uuid(uuid);
    }
}

fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == UUID_CHARS
        && text.bytes().enumerate().all(|(at, byte)| match dashes.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

/// The items of a list; anything else is a list of one.
fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(items) => items.iter(),
        Value::Null => [].iter(),
        other => std::slice::from_ref(other).iter(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_yields_names_streets_ids_and_numbers() {
        let bundle = serde_json::json!({"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "id": "4e8ed886-fd5f-40bb-8feb-f339b04d853a",
                "extension": [{"url": "http://x/patient-mothersMaidenName", "valueString": "Elvira Armenta"}],
                "name": [{"family": "Atencio", "given": ["Alberto"]}],
                "address": [{"line": ["883 Nader Harbor", "Unit B"]}],
                "telecom": [{"value": "555-645-7142"}],
                "identifier": [{"value": "999-12-3456"}, {"value": "7"}]}},
            {"resource": {"resourceType": "Organization", "address": [{"line": ["67 Grand Army Highway"]}]}},
            {"resource": {"resourceType": "Claim", "id": "5e8ed886-fd5f-40bb-8feb-f339b04d853a"}},
        ]});
        let mut terms = Terms::new();
        add_bundle(&mut terms, &bundle);
        let counts: Vec<(Class, usize)> = terms.counts().into_iter().collect();
        let expected = [
            (Class::FullName, 2),
            (Class::NameField, 4),
            (Class::Street, 2),
            (Class::PatientId, 1),
            (Class::Identifier, 2),
        ];
        assert_eq!(counts, expected);
    }

    #[test]
    fn every_bundle_of_the_test_data_yields_its_patient() {
        let Some(folder) = carecord_proto::testdata::path("synthea-r4") else {
            return carecord_proto::testdata::skipped("terms of the Synthea patients");
        };
        let mut terms = Terms::new();
        assert_eq!(add_folder(&mut terms, &folder).unwrap(), 33);
        assert!(terms.counts()[&Class::PatientId] >= 31, "{terms:?}");
        assert!(terms.counts()[&Class::FullName] >= 31, "{terms:?}");
    }
}
