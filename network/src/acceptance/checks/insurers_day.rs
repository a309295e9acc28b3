//! Group `health`: the insurer's day on a running network, and claims and studies in numbers.

mod day;
mod leak;
mod office;

use crate::acceptance::suite::{self, Suite};
use crate::acceptance::trial::{DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// Foreign patients of whose claims the test data say what was paid.
const PATIENTS: usize = 31;
/// What their bundles hold.
const CLAIMS: usize = 436;
const ITEMS: usize = 404;

/// Two organisations endorse, so that a claim is seen by insurer and hospital and nobody else.
const HEALTH: &str = "name = \"health\"\nversion = \"1.0\"\n";
const TWO: &str = "endorsement = \"OutOf(2, 'HospitalAMSP.peer', 'HospitalBMSP.peer', 'InsurerMSP.peer', 'ResearchMSP.peer')\"\n";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "insurers-day",
        group: "health",
        goal: "436 Synthea claims submitted and adjudicated, 404 of 404 items equal to their explanations of benefit; no code on any disk",
        work: |context| Box::pin(insurers_day(context)),
    },
    Check {
        name: "claims-rules",
        group: "health",
        goal: "10^4 random plans equal to a second implementation; duplicates, appeals, flags, payments and instalments",
        work: |context| Box::pin(suite::run(context, CLAIM_RULES, &[])),
    },
    Check {
        name: "research-rules",
        group: "health",
        goal: "data-use terms, rewards paid once under 100 accepts at once, withdrawal within a block",
        work: |context| Box::pin(suite::run(context, RESEARCH_RULES, &[])),
    },
];

const CLAIM_RULES: &[Suite<'static>] = &[
    Suite {
        package: "carecord-health",
        target: "it",
        names: &["adjudication::", "claims::", "payments::"],
        tests_min: 34,
    },
    Suite { package: "carecord-sdk", target: suite::LIB, names: &["fhir::"], tests_min: 3 },
];

const RESEARCH_RULES: &[Suite<'static>] =
    &[Suite { package: "carecord-health", target: "it", names: &["research::"], tests_min: 14 }];

async fn insurers_day(context: &Context) -> Outcome<Finding> {
    let patients = context.scaled(PATIENTS, 2);
    let books = office::books(patients)?;
    let claims: usize = books.iter().map(|book| book.claims.len()).sum();
    let items = office::items(&books);
    let topology = DEMO.replace(HEALTH, &format!("{HEALTH}{TWO}"));
    let trial = Trial::up(context, "insurers-day", &topology).await?;
    let office = office::Office::open(&trial, patients).await?;
    let day = day::worked(&office, &books).await?;
    let agreed = trial.agreed().await.is_ok();
    let leak = leak::searched(&office, &books).await?;
    let full = patients < PATIENTS || (claims == CLAIMS && items == ITEMS);
    let ok = full
        && agreed
        && leak.ok
        && day.claims == claims
        && day.equal == items
        && day.items == items;
    let figure = format!(
        "{} of {claims} claims adjudicated, {} of {items} items equal, {:.1} s; {}",
        day.claims, day.equal, day.seconds, leak.figure
    );
    let finding = Finding::new(figure, ok)
        .remark(format!("{} handed in twice were refused", day.duplicates))
        .remark(if agreed { "all nodes agree" } else { "nodes do not agree" });
    let problems = [day.problem, leak.remark].into_iter().flatten();
    let finding = problems.fold(finding, Finding::remark);
    Ok(context.scale_remark(finding, &format!("{patients} patients")))
}
