//! How many patients fit a study: counted where the plaintext is, told only if they are many.

use std::collections::BTreeSet;

use super::release::told;

/// What a hospital's index has of a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `male`, `female`, `other` or `unknown`.
    pub sex: String,
    /// Year of birth.
    pub born: i64,
    /// Codes of conditions, vaccinations and measurements.
    pub codes: BTreeSet<String>,
    /// Whether the patient lets themselves be counted.
    pub counted: bool,
}

/// A question; what is left empty does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// All of these codes.
    pub all: Vec<String>,
    /// None of these codes.
    pub none: Vec<String>,
    /// This sex.
    pub sex: Option<String>,
    /// Born in this year or later.
    pub born_from: Option<i64>,
    /// Born in this year or earlier.
    pub born_until: Option<i64>,
}

/// How many patients who let themselves be counted fit, 0 if they are fewer than `k`.
pub fn count<'a>(rows: impl IntoIterator<Item = &'a Row>, query: &Query, k: u64) -> u64 {
    let fitting = rows.into_iter().filter(|row| row.counted && fits(row, query)).count();
    told(u64::try_from(fitting).unwrap_or(u64::MAX), k)
}

fn fits(row: &Row, query: &Query) -> bool {
    query.all.iter().all(|code| row.codes.contains(code))
        && !query.none.iter().any(|code| row.codes.contains(code))
        && query.sex.as_ref().is_none_or(|sex| *sex == row.sex)
        && query.born_from.is_none_or(|year| year <= row.born)
        && query.born_until.is_none_or(|year| row.born <= year)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::deidentify::release::{K_MIN, TooSmall, release, smallest_group};

    fn cohort() -> Option<Vec<Value>> {
        let path = carecord_proto::testdata::path("cohort/synthea-615.ndjson")?;
        let text = std::fs::read_to_string(path).unwrap();
        Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn row(patient: &Value) -> Row {
        let list = |name: &str| patient[name].as_array().unwrap().iter();
        let codes = list("conditions").chain(list("immunizations"));
        Row {
            sex: patient["gender"].as_str().unwrap().to_owned(),
            born: patient["birthDate"].as_str().unwrap()[..4].parse().unwrap(),
            codes: codes.map(|code| code.as_str().unwrap().to_owned()).collect(),
            counted: true,
        }
    }

    #[test]
    fn counts_of_the_cohort_are_right_or_not_told() {
        let Some(patients) = cohort() else {
            return carecord_proto::testdata::skipped("counts of the cohort");
        };
        let rows: Vec<Row> = patients.iter().map(row).collect();
        assert_eq!(rows.len(), 615);
        let codes: BTreeSet<String> = rows.iter().flat_map(|row| row.codes.clone()).collect();
        let (mut shown, mut hidden) = (0, 0);
        for code in &codes {
            for sex in ["male", "female"] {
                // Counted a second time, on the text of the lines.
                let quoted = format!("\"{code}\"");
                let expected = patients
                    .iter()
                    .filter(|p| p["gender"] == sex)
                    .filter(|p| {
                        p["conditions"].to_string().contains(&quoted)
                            || p["immunizations"].to_string().contains(&quoted)
                    })
                    .count() as u64;
                let query = Query {
                    all: vec![code.clone()],
                    sex: Some(sex.to_owned()),
                    ..Query::default()
                };
                let found = count(&rows, &query, 11);
                assert_eq!(found, if expected < 11 { 0 } else { expected }, "{code} {sex}");
                if found == 0 { hidden += 1 } else { shown += 1 }
            }
        }
        assert!(shown > 40 && hidden > 40, "{shown} {hidden}");
        let nobody = rows.iter().map(|row| Row { counted: false, ..row.clone() });
        assert_eq!(count(&nobody.collect::<Vec<_>>(), &Query::default(), 11), 0);
    }

    #[test]
    fn what_is_released_of_the_cohort_has_eleven_alike() {
        let Some(patients) = cohort() else {
            return carecord_proto::testdata::skipped("a release of the cohort");
        };
        let rows: Vec<Row> = patients.iter().map(row).collect();
        let alike = |row: &Row| vec![row.sex.clone(), (row.born / 10).to_string()];
        assert!(smallest_group(&rows, alike).unwrap() < K_MIN, "there is something to leave out");
        let released = release(rows.clone(), K_MIN, alike).unwrap();
        assert!(released.suppressed > 0 && released.rows.len() > 400);
        assert_eq!(released.rows.len() + released.suppressed, rows.len());
        assert!(smallest_group(&released.rows, alike).unwrap() >= K_MIN);
        assert_eq!(release(rows, K_MIN - 1, alike), Err(TooSmall));
    }
}
