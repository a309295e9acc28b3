//! A FHIR bundle of one patient, written anew with the fields that may be told.

use carecord_health::ids::Id;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Secret, place::zip3};
use crate::fhir::{self, Error, date};

/// From this age on, ages and years of birth are not told.
pub const AGE_MAX: i64 = 89;

/// A code: never its text, which somebody may have typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// The code system.
    pub system: String,
    /// The code.
    pub code: String,
}

/// A measured value, its digits as they stood.
#[derive(Clone, Debug, Serialize)]
pub struct Value {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Box<RawValue>>,
    /// Its unit, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What was measured, for parts of a measurement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Code>,
    /// A coded value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coded: Vec<Code>,
}

/// Something that happened to the patient.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// The resource type.
    pub kind: String,
    /// What it was.
    pub codes: Vec<Code>,
    /// When it began, moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ended, moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// A patient's de-identified record.
#[derive(Clone, Debug, Serialize)]
pub struct Deidentified {
    /// The study's name for the patient.
    pub pseudonym: Id,
    /// `male`, `female`, `other` or `unknown`.
    pub sex: String,
    /// Age in years on the day that was given, `90+` above 89.
    pub age: String,
    /// Year of birth, moved; absent above 89.
    pub born: Option<i64>,
    /// Whether the patient has died.
    pub deceased: bool,
    /// The state.
    pub state: Option<String>,
    /// See [`zip3`].
    pub zip3: Option<String>,
    /// In the order of the bundle.
    pub facts: Vec<Fact>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patient {
    gender: Option<String>,
    birth_date: String,
    deceased_date_time: Option<String>,
    deceased_boolean: Option<bool>,
    #[serde(default)]
    address: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    state: Option<String>,
    postal_code: Option<String>,
}

#[derive(Deserialize)]
struct Coding {
    system: Option<String>,
    code: Option<String>,
}

#[derive(Default, Deserialize)]
struct Concept {
    #[serde(default)]
    coding: Vec<Coding>,
}

#[derive(Deserialize)]
struct Quantity {
    value: Option<Box<RawValue>>,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Period {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    code: Option<Concept>,
    value_quantity: Option<Quantity>,
    value_codeable_concept: Option<Concept>,
}

/// The fields of the other resources that may be told, and no others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    code: Option<Concept>,
    vaccine_code: Option<Concept>,
    medication_codeable_concept: Option<Concept>,
    #[serde(default, rename = "type")]
    kinds: Option<Box<RawValue>>,
    onset_date_time: Option<String>,
    abatement_date_time: Option<String>,
    effective_date_time: Option<String>,
    occurrence_date_time: Option<String>,
    authored_on: Option<String>,
    performed_period: Option<Period>,
    period: Option<Period>,
    value_quantity: Option<Quantity>,
    value_codeable_concept: Option<Concept>,
    #[serde(default)]
    component: Vec<Part>,
}

/// The kinds of resources that become facts.
pub const KINDS: [&str; 7] = [
    "Condition",
    "Observation",
    "Procedure",
    "Immunization",
    "MedicationRequest",
    "AllergyIntolerance",
    "Encounter",
];

/// De-identifies a bundle for a study; `today` is the day (since 1970) on which ages are told.
///
/// None if the bundle has no patient, or several.
pub fn deidentify(
    bundle: &str,
    secret: &Secret,
    study: &Id,
    today: i64,
) -> Result<Option<Deidentified>, Error> {
    let resources = fhir::resources(bundle)?;
    let mut patients = resources.iter().filter(|(kind, ..)| kind == "Patient");
    let (Some((_, _, patient)), None) = (patients.next(), patients.next()) else {
        return Ok(None);
    };
    let shift = secret.shift_days(study);
    let mut out = person(patient, secret.pseudonym(study), shift, today)?;
    for (kind, _, text) in &resources {
        if KINDS.contains(&kind.as_str()) {
            out.facts.push(fact(kind, text, shift)?);
        }
    }
    Ok(Some(out))
}

fn person(text: &str, pseudonym: Id, shift: i64, today: i64) -> Result<Deidentified, Error> {
    let patient: Patient = serde_json::from_str(text)?;
    let born = date::day(&patient.birth_date)?;
    let died = patient.deceased_date_time.as_deref().map(date::day).transpose()?;
    let age = years(born, died.unwrap_or(today));
    let old = age > AGE_MAX;
    let address = patient.address.first();
    let sex = patient.gender.as_deref();
    let known = ["male", "female", "other"].into_iter().find(|word| sex == Some(*word));
    Ok(Deidentified {
        pseudonym,
        sex: known.unwrap_or("unknown").to_owned(),
        age: if old { "90+".to_owned() } else { age.max(0).to_string() },
        born: (!old).then(|| year(born - shift)),
        deceased: died.is_some() || patient.deceased_boolean == Some(true),
        state: address.and_then(|address| address.state.clone()),
        zip3: address.and_then(|a| zip3(a.postal_code.as_deref()?)).map(str::to_owned),
        facts: Vec::new(),
    })
}

fn fact(kind: &str, text: &str, shift: i64) -> Result<Fact, Error> {
    let told: Told = serde_json::from_str(text)?;
    let moved = |text: Option<&String>| -> Result<Option<String>, Error> {
        text.map(|text| Ok(date::date(date::day(text)? - shift))).transpose()
    };
    let period = told.period.as_ref().or(told.performed_period.as_ref());
    let from = [
        &told.onset_date_time,
        &told.effective_date_time,
        &told.occurrence_date_time,
        &told.authored_on,
    ]
    .into_iter()
    .find_map(Option::as_ref)
    .or(period.and_then(|period| period.start.as_ref()));
    let until = told.abatement_date_time.as_ref().or(period.and_then(|p| p.end.as_ref()));
    let (from, until) = (moved(from)?, moved(until)?);
    let concept = told.code.or(told.vaccine_code).or(told.medication_codeable_concept);
    let mut codes = concept.map(codes_of).unwrap_or_default();
    if kind == "Encounter"
        && let Some(kinds) = &told.kinds
    {
        let kinds: Vec<Concept> = serde_json::from_str(kinds.get())?;
        codes.extend(kinds.into_iter().flat_map(codes_of));
    }
    let whole = value(None, told.value_quantity, told.value_codeable_concept);
    let parts = told
        .component
        .into_iter()
        .filter_map(|part| value(part.code, part.value_quantity, part.value_codeable_concept));
    let values = whole.into_iter().chain(parts).collect();
    Ok(Fact { kind: kind.to_owned(), codes, from, until, values })
}

fn value(of: Option<Concept>, quantity: Option<Quantity>, coded: Option<Concept>) -> Option<Value> {
    if quantity.is_none() && coded.is_none() {
        return None;
    }
    let (number, unit) = quantity.map_or((None, None), |q| (q.value, q.code));
    let [of, coded] = [of, coded].map(|concept| concept.map(codes_of).unwrap_or_default());
    Some(Value { number, unit, of, coded })
}

fn codes_of(concept: Concept) -> Vec<Code> {
    let code = |coding: Coding| {
        Some(Code { system: coding.system.unwrap_or_default(), code: coding.code? })
    };
    concept.coding.into_iter().filter_map(code).collect()
}

fn year(day: i64) -> i64 {
    carecord_health::claims::calendar::year(day)
}

/// Completed years of life.
fn years(born: i64, day: i64) -> i64 {
    let (from, to) = (date::date(born), date::date(day));
    let birthday_came = to[5..] >= from[5..];
    year(day) - year(born) - i64::from(!birthday_came)
}

#[cfg(test)]
mod tests;
