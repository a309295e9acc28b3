//! A patient's FHIR bundle, cut into records: one for each encounter and one for the rest.
//!
//! The bytes of each entry are kept as they stand in the file: FHIR decimals lose information when they are read as
//! numbers and written again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Most bundles that one run takes.
const BUNDLES_MAX: usize = 10_000;
const RECORD_HEAD: &str = r#"{"resourceType":"Bundle","type":"collection","entry":["#;
const RECORD_TAIL: &str = "]}";

/// A patient's records as plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Where they come from, for messages; never sent anywhere.
    pub source: String,
    /// One FHIR bundle for each encounter, and one for the rest.
    pub records: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "fullUrl")]
    full_url: Option<String>,
    resource: Option<Resource>,
}

/// What decides to which encounter a resource belongs.
#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "resourceType")]
    kind: String,
    encounter: Option<serde_json::Value>,
    context: Option<serde_json::Value>,
    #[serde(default)]
    item: Vec<serde_json::Value>,
}

/// Patients of all bundles in the folder `dir`; files without a patient (hospitals, practitioners) are left out.
pub fn load(dir: &Path) -> Outcome<Vec<Patient>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| Failure::file(dir, &error))? {
        let path = entry.map_err(|error| Failure::file(dir, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut patients = Vec::new();
    for path in files.into_iter().take(BUNDLES_MAX) {
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let patient = split(&name, &text).map_err(|reason| {
            Failure::new(Code::Argument, format!("not a FHIR bundle: {reason}")).at(path.display())
        })?;
        patients.extend(patient);
    }
    if patients.is_empty() {
        return Err(Failure::new(Code::Argument, "the folder holds no FHIR bundle with a patient")
            .at(dir.display())
            .hint("it takes R4 bundles as JSON, one patient a file"));
    }
    Ok(patients)
}

/// The records in one bundle's text; none if it has no patient.
pub fn split(source: &str, text: &str) -> Result<Option<Patient>, String> {
    let bundle: Bundle<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut rest = Vec::new();
    let mut encounters: BTreeMap<String, Vec<&RawValue>> = BTreeMap::new();
    let mut has_patient = false;
    for raw in bundle.entry {
        let entry: Entry = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        has_patient |= entry.resource.as_ref().is_some_and(|resource| resource.kind == "Patient");
        match encounter(&entry) {
            Some(encounter) => encounters.entry(encounter).or_default().push(raw),
            None => rest.push(raw),
        }
    }
    if !has_patient {
        return Ok(None);
    }
    let mut records: Vec<Vec<u8>> = encounters.values().map(|entries| record(entries)).collect();
    records.push(record(&rest));
    Ok(Some(Patient { source: source.to_owned(), records }))
}

fn encounter(entry: &Entry) -> Option<String> {
    let resource = entry.resource.as_ref()?;
    if resource.kind == "Encounter" {
        return entry.full_url.clone();
    }
    let named = resource.encounter.as_ref().or(resource.context.as_ref());
    let in_items = || resource.item.iter().find_map(|item| item.get("encounter")?.get(0));
    named.or_else(in_items)?.get("reference")?.as_str().map(str::to_owned)
}

fn record(entries: &[&RawValue]) -> Vec<u8> {
    let texts: Vec<&str> = entries.iter().map(|entry| entry.get()).collect();
    format!("{RECORD_HEAD}{}{RECORD_TAIL}", texts.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"resourceType":"Bundle","entry":[
        {"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"p"}},
        {"fullUrl":"urn:uuid:e1","resource":{"resourceType":"Encounter","id":"e1"}},
        {"resource":{"resourceType":"Observation","encounter":{"reference":"urn:uuid:e1"},"value":1.10}},
        {"resource":{"resourceType":"Claim","item":[{"encounter":[{"reference":"urn:uuid:e1"}]}]}},
        {"resource":{"resourceType":"Condition","context":{"reference":"urn:uuid:e2"}}}
    ]}"#;

    #[test]
    fn a_bundle_is_cut_by_encounter_and_keeps_its_bytes() {
        let patient = split("x", TEXT).unwrap().unwrap();
        let texts: Vec<String> =
            patient.records.into_iter().map(|record| String::from_utf8(record).unwrap()).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].contains("Encounter") && texts[0].contains("Claim"));
        assert!(texts[0].contains("\"value\":1.10"), "decimals keep their digits");
        assert!(texts[1].contains("Condition"));
        assert!(texts[2].contains("Patient"));
        for text in texts {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }

    #[test]
    fn a_bundle_without_a_patient_gives_no_records() {
        let text =
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Organization"}}]}"#;
        assert_eq!(split("x", text), Ok(None));
        assert!(split("x", "no json").is_err());
    }

    #[test]
    fn the_synthetic_patients_are_all_found() {
        let Some(dir) = carecord_proto::testdata::path("synthea-r4") else {
            carecord_proto::testdata::skipped("records of the synthetic patients");
            return;
        };
        let patients = load(&dir).unwrap();
        assert_eq!(patients.len(), 31);
        let records: usize = patients.iter().map(|patient| patient.records.len()).sum();
        assert!(records > 31 * 10, "{records} records");
    }
}
