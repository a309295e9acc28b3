//! Claims and explanations of benefit, as far as adjudication needs them.

use std::collections::BTreeMap;

use carecord_health::claims::outcome::{ClaimLines, Line};
use carecord_health::claims::terms::tag;
use carecord_health::ids::Id;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Error, amount::minor_units, date::day, resources};

/// A claim with its codes in the clear: what is sealed, never what is sent to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The resource's id.
    pub id: String,
    /// First day of service, days since 1970.
    pub from: i64,
    /// Last day of service, days since 1970.
    pub until: i64,
    /// In their order.
    pub items: Vec<Item>,
}

/// One item of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `system|code`.
    pub code: String,
    /// `system|code` of each diagnosis that it was for.
    pub diagnoses: Vec<String>,
    /// What is asked for it, in minor units.
    pub charge: u64,
}

/// What was paid of one item, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The item's place on the claim, from 0.
    pub item: usize,
    /// What was asked for.
    pub submitted: u64,
    /// What was recognised.
    pub allowed: u64,
    /// What the patient paid towards the deductible.
    pub deductible: u64,
    /// The patient's share.
    pub coinsurance: u64,
    /// What the insurer paid.
    pub insurer: u64,
}

/// The claims of a bundle, and what its explanations of benefit say was paid of each, by the claims' ids.
#[derive(Clone, Debug, Default)]
pub struct Billing {
    /// In the order of the bundle.
    pub claims: Vec<Claim>,
    /// By claim; a claim without an explanation has no entry.
    pub paid: BTreeMap<String, Vec<Paid>>,
}

#[derive(Deserialize)]
struct Coding {
    system: Option<String>,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Concept {
    #[serde(default)]
    coding: Vec<Coding>,
}

#[derive(Deserialize)]
struct Money {
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct Reference {
    reference: String,
}

#[derive(Deserialize)]
struct Period {
    start: String,
    end: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDiagnosis {
    sequence: u32,
    diagnosis_reference: Option<Reference>,
    diagnosis_codeable_concept: Option<Concept>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawClaim {
    id: String,
    billable_period: Period,
    prescription: Option<Reference>,
    #[serde(default)]
    diagnosis: Vec<RawDiagnosis>,
    item: Vec<RawItem>,
    total: Money,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawItem {
    product_or_service: Concept,
    #[serde(default)]
    diagnosis_sequence: Vec<u32>,
    net: Option<Money>,
}

#[derive(Deserialize)]
struct RawBenefit {
    claim: Reference,
    #[serde(default)]
    item: Vec<RawBenefitItem>,
}

#[derive(Deserialize)]
struct RawBenefitItem {
    #[serde(default)]
    adjudication: Vec<Adjudication>,
}

#[derive(Deserialize)]
struct Adjudication {
    category: Concept,
    amount: Option<Money>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Coded {
    code: Option<Concept>,
    medication_codeable_concept: Option<Concept>,
}

/// Reads the claims of a bundle and what was paid of them.
///
/// A claim for a prescription asks its total for the prescribed medication; items without a net amount ask for nothing.
pub fn billing(bundle: &str) -> Result<Billing, Error> {
    let resources = resources(bundle)?;
    let mut codes = BTreeMap::new();
    for (kind, id, text) in &resources {
        if kind == "Condition" || kind == "MedicationRequest" {
            let coded: Coded = serde_json::from_str(text)?;
            let concept = coded.code.or(coded.medication_codeable_concept);
            codes.extend(concept.and_then(|c| c.first()).map(|code| (id.clone(), code)));
        }
    }
    let mut billing = Billing::default();
    for (kind, _, text) in &resources {
        if kind == "Claim" {
            billing.claims.push(claim(text, &codes)?);
        } else if kind == "ExplanationOfBenefit" {
            let benefit: RawBenefit = serde_json::from_str(text)?;
            billing.paid.insert(benefit.claim.id().to_owned(), paid(&benefit)?);
        }
    }
    Ok(billing)
}

fn claim(text: &str, codes: &BTreeMap<String, String>) -> Result<Claim, Error> {
    let raw: RawClaim = serde_json::from_str(text)?;
    let code_of = |id: &str| codes.get(id).cloned().ok_or(Error::Reference);
    let mut diagnoses = BTreeMap::new();
    for diagnosis in &raw.diagnosis {
        let code = match (&diagnosis.diagnosis_reference, &diagnosis.diagnosis_codeable_concept) {
            (Some(reference), _) => code_of(reference.id())?,
            (None, Some(concept)) => concept.first().ok_or(Error::Reference)?,
            (None, None) => return Err(Error::Reference),
        };
        diagnoses.insert(diagnosis.sequence, code);
    }
    let mut items = Vec::with_capacity(raw.item.len());
    for item in &raw.item {
        let code = match &raw.prescription {
            Some(prescription) => code_of(prescription.id())?,
            None => item.product_or_service.first().ok_or(Error::Reference)?,
        };
        let charge = match (&item.net, &raw.prescription) {
            (Some(net), _) => net.minor_units()?,
            (None, Some(_)) => raw.total.minor_units()?,
            (None, None) => 0,
        };
        let of = |sequence: &u32| diagnoses.get(sequence).cloned().ok_or(Error::Reference);
        let diagnoses = item.diagnosis_sequence.iter().map(of).collect::<Result<_, _>>()?;
        items.push(Item { code, diagnoses, charge });
    }
    let Period { start, end } = &raw.billable_period;
    Ok(Claim { id: raw.id, from: day(start)?, until: day(end)?, items })
}

fn paid(benefit: &RawBenefit) -> Result<Vec<Paid>, Error> {
    let mut all = Vec::new();
    for (place, item) in benefit.item.iter().enumerate() {
        if item.adjudication.is_empty() {
            continue;
        }
        let amount = |name: &str| {
            let fits = |a: &&Adjudication| a.category.first().is_some_and(|c| c.ends_with(name));
            let found = item.adjudication.iter().find(fits).and_then(|a| a.amount.as_ref());
            found.ok_or(Error::Amount)?.minor_units()
        };
        all.push(Paid {
            item: place,
            submitted: amount("line_sbmtd_chrg_amt")?,
            allowed: amount("line_alowd_chrg_amt")?,
            deductible: amount("line_bene_ptb_ddctbl_amt")?,
            coinsurance: amount("line_coinsrnc_amt")?,
            insurer: amount("line_prvdr_pmt_amt")?,
        });
    }
    Ok(all)
}

impl Claim {
    /// The lines as peers may see them: tags in place of codes, under the key that insurer and provider share.
    pub fn lines(&self, key: &[u8; 32], salt: Id) -> ClaimLines {
        let line = |item: &Item| Line {
            tag: tag(key, &item.code),
            diagnoses: item.diagnoses.iter().map(|code| tag(key, code)).collect(),
            charge: item.charge,
            units: 1,
            minutes: 0,
        };
        let lines = self.items.iter().map(line).collect();
        ClaimLines { salt, from: self.from, until: self.until, lines, encounter: None }
    }
}

impl Concept {
    fn first(&self) -> Option<String> {
        let Coding { system, code } = self.coding.first()?;
        Some(format!("{}|{}", system.as_deref().unwrap_or_default(), code.as_deref()?))
    }
}

impl Money {
    fn minor_units(&self) -> Result<u64, Error> {
        minor_units(self.value.get()).ok_or(Error::Amount)
    }
}

impl Reference {
    /// The id at the end of a reference of any form.
    fn id(&self) -> &str {
        self.reference.rsplit([':', '/']).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carecord_health::claims::adjudication::{Facts, Plan, adjudicate};
    use carecord_health::claims::outcome::Accumulators;
    use carecord_health::claims::terms::{Schedule, Terms};
    use carecord_health::token::Currency;
    use carecord_health::vocabulary::Unscheduled;

    use super::*;

    fn id(n: u32) -> Id {
        Id::new(format!("{n:032x}")).unwrap()
    }

    #[test]
    fn synthea_claims_are_decided_as_their_own_explanations_say() {
        let Some(folder) = carecord_proto::testdata::path("synthea-r4") else {
            return carecord_proto::testdata::skipped("adjudication of the Synthea claims");
        };
        let terms = Terms {
            currency: Currency::UsDollar,
            deductible: 0,
            coinsurance_bps: 2_000,
            outside_bps: None,
            out_of_pocket_max: None,
            unscheduled: Unscheduled::Charge,
            filing_days: 365,
        };
        let schedule = Schedule { salt: id(0), services: vec![], excluded: vec![] };
        let plan = Plan { terms: &terms, schedule: &schedule };
        let zero = Accumulators { salt: id(0), deductible: 0, out_of_pocket: 0 };
        let (mut claims, mut items, mut equal) = (0, 0, 0);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let billing = billing(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for claim in &billing.claims {
                claims += 1;
                let lines = claim.lines(&[7; 32], id(1));
                let facts = Facts {
                    claim: id(2),
                    round: 1,
                    salt: id(3),
                    in_network: true,
                    late: false,
                    authorised: BTreeSet::new(),
                };
                let outcome = adjudicate(plan, facts, &lines.lines, &zero).unwrap();
                for paid in billing.paid.get(&claim.id).into_iter().flatten() {
                    items += 1;
                    let line = &outcome.lines[paid.item];
                    let found = Paid {
                        item: paid.item,
                        submitted: line.submitted,
                        allowed: line.allowed,
                        deductible: line.deductible,
                        coinsurance: line.coinsurance,
                        insurer: line.insurer,
                    };
                    equal += usize::from(found == *paid);
                    assert_eq!(line.insurer + line.patient + line.write_off, line.submitted);
                }
            }
        }
        assert_eq!((claims, items, equal), (436, 404, 404));
    }
}
