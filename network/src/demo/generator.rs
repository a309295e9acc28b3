//! Patients out of a seed, for demonstrations without foreign data: small FHIR-like bundles.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::bundle::{Patient, split};

const GIVEN: [&str; 12] = [
    "Alma", "Bruno", "Celia", "Dario", "Edda", "Fabio", "Gerda", "Hanno", "Ilse", "Jonas", "Katja",
    "Levin",
];
const FAMILY: [&str; 12] = [
    "Abendroth",
    "Birnbaum",
    "Cassirer",
    "Dornfeld",
    "Eichwald",
    "Fennberg",
    "Grauwacke",
    "Holunder",
    "Immergruen",
    "Jasmund",
    "Kieferle",
    "Lindwurm",
];
const STREET: [&str; 6] =
    ["Am Brunnen", "Kastanienweg", "Obere Gasse", "Seeblick", "Turmstrasse", "Zur Muehle"];
const TOWN: [&str; 4] = ["Altdorf", "Bergheim", "Neustadt", "Seefeld"];
/// Code and name of findings.
const FINDING: [(&str, &str); 6] = [
    ("195662009", "acute viral pharyngitis"),
    ("38341003", "hypertensive disorder"),
    ("44054006", "diabetes mellitus type 2"),
    ("10509002", "acute bronchitis"),
    ("40055000", "chronic sinusitis"),
    ("43116000", "eczema"),
];
const ENCOUNTERS: std::ops::RangeInclusive<u32> = 2..=5;

/// `count` patients; the same seed gives the same patients.
pub fn generate(count: usize, seed: u64) -> Vec<Patient> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|number| {
            let text = bundle(&mut random).to_string();
            split(&format!("generated patient {}", number + 1), &text)
                .expect("what was just written is JSON")
                .expect("every generated bundle has a patient")
        })
        .collect()
}

fn bundle(random: &mut StdRng) -> Value {
    let patient = uuid(random);
    let mut entries = vec![entry(&patient, person(random, &patient))];
    for _ in 0..random.random_range(ENCOUNTERS) {
        entries.extend(encounter(random, &patient));
    }
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}

fn person(random: &mut StdRng, id: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "name": [{
            "use": "official",
            "family": pick(random, &FAMILY),
            "given": [pick(random, &GIVEN)],
        }],
        "gender": pick(random, &["female", "male"]),
        "birthDate": date(random, 1930..2015),
        "address": [{
            "line": [format!("{} {}", pick(random, &STREET), random.random_range(1..99))],
            "city": pick(random, &TOWN),
            "postalCode": random.random_range(10_000..99_999).to_string(),
        }],
    })
}

fn encounter(random: &mut StdRng, patient: &str) -> Vec<Value> {
    let id = uuid(random);
    let when = date(random, 2015..2026);
    let (code, name) = *pick(random, &FINDING);
    let subject = json!({"reference": format!("urn:uuid:{patient}")});
    let at = json!({"reference": format!("urn:uuid:{id}")});
    let pressure = random.random_range(95..175);
    vec![
        entry(
            &id,
            json!({
                "resourceType": "Encounter", "id": id, "status": "finished", "subject": subject,
                "class": {"code": "AMB"}, "period": {"start": when},
            }),
        ),
        entry(
            &uuid(random),
            json!({
                "resourceType": "Condition", "subject": subject, "encounter": at,
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": name}]},
                "onsetDateTime": when,
            }),
        ),
        entry(
            &uuid(random),
            json!({
                "resourceType": "Observation", "status": "final", "subject": subject, "encounter": at,
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": pressure, "unit": "mm[Hg]"}, "effectiveDateTime": when,
            }),
        ),
    ]
}

fn entry(id: &str, resource: Value) -> Value {
    json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource})
}

fn uuid(random: &mut StdRng) -> String {
    let hex = hex::encode(random.random::<[u8; 16]>());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn date(random: &mut StdRng, years: std::ops::Range<u32>) -> String {
    let year = random.random_range(years);
    format!("{year}-{:02}-{:02}", random.random_range(1..13), random.random_range(1..29))
}

fn pick<'a, T>(random: &mut StdRng, choices: &'a [T]) -> &'a T {
    &choices[random.random_range(0..choices.len())]
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_seed_gives_the_same_patients_again_and_another_seed_others() {
        assert_eq!(generate(3, 7), generate(3, 7));
        assert_ne!(generate(3, 7), generate(3, 8));
    }

    #[test]
    fn every_patient_has_a_record_for_each_encounter_and_one_for_the_rest() {
        for patient in generate(20, 1) {
            assert!((3..=6).contains(&patient.records.len()));
            let last = String::from_utf8(patient.records.last().unwrap().clone()).unwrap();
            assert!(last.contains("birthDate"));
        }
    }
}
