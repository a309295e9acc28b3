//! The day: claims are sealed and handed in, opened by the clerk, compared, decided, and held against what was paid.

use std::collections::BTreeMap;
use std::time::Instant;

use carecord_health::claims::Claim;
use carecord_health::claims::outcome::{Accumulators, LineOutcome};
use carecord_health::ids::Id;
use carecord_health::model::Record;
use carecord_health::vocabulary::Purpose;
use carecord_sdk::fhir::claim::{Billing, Claim as FhirClaim, Paid};
use carecord_sdk::health::claims::{Lines, Membership};
use carecord_sdk::health::random_id;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::office::{IN_FLIGHT, Office};
use crate::acceptance::trial::CHANNEL;
use crate::chain;
use crate::error::Outcome;
use crate::session::retry;

/// How the ledger says that a service was claimed before.
const TAKEN: &str = "CR-CC-040";
/// Claims of each patient that are handed in a second time.
const TWICE: usize = 1;

/// What came of the day.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Claims that were adjudicated, with the outcome that the ledger has the commitment of.
    pub(super) claims: usize,
    /// Items of explanations of benefit that were looked at, and those that are equal.
    pub(super) items: usize,
    pub(super) equal: usize,
    /// Claims that were handed in again and refused.
    pub(super) duplicates: usize,
    pub(super) seconds: f64,
    /// The first thing that went wrong.
    pub(super) problem: Option<String>,
}

/// What is sealed: the claim with its codes, and its lines as the ledger has the commitment of them.
#[derive(Serialize, Deserialize)]
struct Sealed {
    items: Vec<(String, Vec<String>, u64)>,
    lines: String,
}

/// A claim on its way.
struct OnTheWay<'a> {
    fhir: &'a FhirClaim,
    lines: Lines,
    record: Record,
    claim: Option<Claim>,
}

/// Works through all books; a claim that fails is counted out and does not end the day.
pub(super) async fn worked(office: &Office<'_>, books: &[Billing]) -> Outcome<Day> {
    let begun = Instant::now();
    let mut day = Day::default();
    let tasks = office.members.iter().zip(books);
    let sealed: Vec<_> = stream::iter(tasks)
        .map(|((patient, _), book)| seal_all(office, patient.id(), book))
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    let mut all = Vec::with_capacity(sealed.len());
    for result in sealed {
        all.push(day.take(result).unwrap_or_default());
    }
    chain::settle(office.trial.session(), CHANNEL).await?;
    let members = office.members.iter().map(|(_, member)| member);
    let handed_in: Vec<_> = stream::iter(members.zip(all))
        .map(|(member, claims)| submit_all(office, member, claims))
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    chain::settle(office.trial.session(), CHANNEL).await?;
    let decided: Vec<_> = stream::iter(handed_in.into_iter().zip(books))
        .map(|(handed_in, book)| decide_all(office, handed_in, book))
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    for part in decided {
        day.add(part);
    }
    day.seconds = begun.elapsed().as_secs_f64();
    Ok(day)
}

/// The doctor seals each claim for patient and clerk.
async fn seal_all<'a>(
    office: &Office<'_>,
    patient: &Id,
    book: &'a Billing,
) -> Result<Vec<OnTheWay<'a>>, String> {
    let mut all = Vec::with_capacity(book.claims.len());
    for fhir in &book.claims {
        let salt = random_id().map_err(|error| error.to_string())?;
        let lines = fhir.lines(&office.insurance.tag_key, salt);
        let lines = Lines::new(lines).map_err(|error| error.to_string())?;
        let items =
            fhir.items.iter().map(|i| (i.code.clone(), i.diagnoses.clone(), i.charge)).collect();
        let text = String::from_utf8(lines.bytes.clone()).map_err(|error| error.to_string())?;
        let content = serde_json::to_vec(&Sealed { items, lines: text });
        let content = content.map_err(|error| error.to_string())?;
        let record = retry(|| office.doctor.add_record(patient, &content)).await;
        let record = record.map_err(|error| error.to_string())?;
        all.push(OnTheWay { fhir, lines, record, claim: None });
    }
    Ok(all)
}

/// The doctor hands the claims in; the first of each patient a second time, which is refused.
async fn submit_all<'a>(
    office: &Office<'_>,
    member: &Membership,
    mut claims: Vec<OnTheWay<'a>>,
) -> (Vec<OnTheWay<'a>>, Day) {
    let mut day = Day::default();
    for on_the_way in &mut claims {
        let submit =
            || office.doctor.submit_claim(member, &on_the_way.record.id, &on_the_way.lines, None);
        on_the_way.claim = day.take(retry(submit).await.map_err(|error| error.to_string()));
    }
    for on_the_way in claims.iter().take(TWICE) {
        let again =
            office.doctor.submit_claim(member, &on_the_way.record.id, &on_the_way.lines, None);
        match again.await {
            Err(error) if error.to_string().contains(TAKEN) => day.duplicates += 1,
            Err(error) => day.note(error.to_string()),
            Ok(_) => day.note("a claim was accepted twice".to_owned()),
        }
    }
    (claims, day)
}

/// The clerk decides one patient's claims, one after the other: each knows what the ones before used up.
async fn decide_all(
    office: &Office<'_>,
    (claims, mut day): (Vec<OnTheWay<'_>>, Day),
    book: &Billing,
) -> Day {
    let mut paid: BTreeMap<i64, Accumulators> = BTreeMap::new();
    for on_the_way in &claims {
        let Some(claim) = &on_the_way.claim else { continue };
        let lines = match day.take(opened(office, on_the_way, claim).await) {
            Some(lines) => lines,
            None => continue,
        };
        let year = lines.lines.year();
        let before = paid.get(&year).cloned();
        let decide = || {
            let (clerk, insurance) = (&office.clerk, &office.insurance);
            clerk.adjudicate(insurance, claim, &lines, before.as_ref(), None)
        };
        let decided = retry(decide).await.map_err(|error| error.to_string());
        let Some(decided) = day.take(decided) else { continue };
        day.claims += 1;
        paid.insert(year, decided.paid);
        for expected in book.paid.get(&on_the_way.fhir.id).into_iter().flatten() {
            day.items += 1;
            let line = decided.outcome.lines.get(expected.item);
            day.equal += usize::from(line.is_some_and(|line| is_equal(line, expected)));
        }
    }
    day
}

/// The clerk opens the sealed claim, as the patient's consent permits, and finds its codes behind the tags.
async fn opened(
    office: &Office<'_>,
    on_the_way: &OnTheWay<'_>,
    claim: &Claim,
) -> Result<Lines, String> {
    let record = &on_the_way.record.id;
    let opened = retry(|| office.clerk.open_record(record, Purpose::Payment)).await;
    let opened = opened.map_err(|error| error.to_string())?;
    let sealed: Sealed =
        serde_json::from_slice(&opened.content).map_err(|error| error.to_string())?;
    let lines = Lines::read(sealed.lines.into_bytes(), claim).map_err(|error| error.to_string())?;
    let tag = |code: &str| carecord_health::claims::terms::tag(&office.insurance.tag_key, code);
    let behind = sealed.items.iter().zip(&lines.lines.lines).all(|(item, line)| {
        let diagnoses = item.1.iter().map(|code| tag(code));
        tag(&item.0) == line.tag
            && diagnoses.eq(line.diagnoses.iter().cloned())
            && item.2 == line.charge
    });
    if behind && sealed.items.len() == lines.lines.lines.len() {
        return Ok(lines);
    }
    Err("the lines are not those of the sealed claim".to_owned())
}

fn is_equal(line: &LineOutcome, expected: &Paid) -> bool {
    let found = (line.submitted, line.allowed, line.deductible, line.coinsurance, line.insurer);
    let Paid { submitted, allowed, deductible, coinsurance, insurer, .. } = *expected;
    found == (submitted, allowed, deductible, coinsurance, insurer)
        && line.insurer + line.patient + line.write_off == line.submitted
}

// === impl Day ===

impl Day {
    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.note(problem)).ok()
    }

    fn note(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn add(&mut self, other: Self) {
        self.claims += other.claims;
        self.items += other.items;
        self.equal += other.equal;
        self.duplicates += other.duplicates;
        if let Some(problem) = other.problem {
            self.note(problem);
        }
    }
}
