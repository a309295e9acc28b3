//! The few parts of FHIR R4 that clients read: claims and what was paid of them.
//!
//! Decimals are read digit by digit, never as floating point: `112.41600000000001` stays what it is.

pub mod amount;
pub mod claim;
pub mod date;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a resource cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON of the expected form.
    #[error("not the expected FHIR resource: {0}")]
    Form(#[from] serde_json::Error),
    /// An amount that is no amount of money.
    #[error("not an amount of money of at most two decimals after rounding")]
    Amount,
    /// A date before 1900 or none at all.
    #[error("not a date from 1900 on")]
    Date,
    /// A reference that leads nowhere.
    #[error("a reference leads to no resource of the bundle")]
    Reference,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: &'a RawValue,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "resourceType")]
    kind: String,
    id: Option<String>,
}

/// The resources of a bundle: kind, id and exact text of each.
pub fn resources(bundle: &str) -> Result<Vec<(String, String, &str)>, Error> {
    let bundle: Bundle<'_> = serde_json::from_str(bundle)?;
    let mut all = Vec::with_capacity(bundle.entry.len());
    for entry in bundle.entry {
        let text = entry.resource.get();
        let Kind { kind, id } = serde_json::from_str(text)?;
        all.push((kind, id.unwrap_or_default(), text));
    }
    Ok(all)
}
