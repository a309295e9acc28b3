//! The steps of the main job, top to bottom.

use std::future::Future;
use std::time::Instant;

use carecord_health::consent::Grant;
use carecord_health::ids::Id;
use carecord_health::vocabulary::{Decision, Purpose};
use carecord_sdk::Error;
use carecord_sdk::health::Person;
use futures::StreamExt;
use futures::stream;

use super::agreement::agree;
use super::bundle::Patient;
use super::cast::{Cast, Reader, enrol_patients};
use super::report::{Report, StepResult};
use crate::bringup::now_unix_s;
use crate::chain;
use crate::error::Outcome;
use crate::output::Output;
use crate::people;
use crate::session::{Session, retry};
use crate::state::UserEntry;

/// Calls under way at any time.
const IN_FLIGHT: usize = 48;
const CONSENT_S: i64 = 3_600;

/// A patient with what is stored for them.
struct Chart {
    person: Person,
    contents: Vec<Vec<u8>>,
    /// Id of each content's record.
    records: Vec<Id>,
    grant: Option<Grant>,
}

/// One record to be opened: whose chart it is in, and where.
#[derive(Clone, Copy)]
struct Place {
    chart: usize,
    record: usize,
}

/// The job under way.
struct Job<'a> {
    session: &'a Session,
    channel: &'a str,
    output: Output,
    steps: Vec<StepResult>,
}

/// Runs the main job on `channel` with these patients.
pub async fn run(
    session: Session,
    channel: &str,
    patients: Vec<Patient>,
    output: Output,
) -> Outcome<Report> {
    let cast = Cast::choose(session.file(), channel)?;
    let users = enrol_patients(&session, &cast.homes, patients.len())?;
    // Enrolment has changed the network file.
    let session = Session::open(session.dir().root())?;
    let mut job = Job { session: &session, channel, output, steps: Vec::new() };
    let count = patients.len();
    let mut charts = job.charts(&users, patients)?;
    let records: usize = charts.iter().map(|chart| chart.contents.len()).sum();

    job.register(&cast, &users).await?;
    job.settle().await?;
    job.store(&mut charts).await;
    job.settle().await?;
    job.grant(&mut charts, &cast.doctor).await?;
    job.settle().await?;
    job.open(&charts, &cast.doctor).await?;
    for stranger in &cast.strangers {
        let name = format!("refused to {}, without consent", stranger.user.name);
        job.refuse(name, &charts, stranger).await?;
    }
    job.revoke(&charts, &cast.doctor).await?;
    job.settle().await?;
    let name = format!("refused to {}, after revocation", cast.doctor.user.name);
    job.refuse(name, &charts, &cast.doctor).await?;
    job.settle().await?;
    job.audit(&charts, cast.strangers.len() + 1).await;
    let (nodes, agrees) = job.agreement().await?;

    let ok = agrees && job.steps.iter().all(StepResult::is_ok);
    let steps = job.steps;
    Ok(Report { schema: "carecord.demo/v1", patients: count, records, steps, nodes, ok })
}

// === impl Job ===

impl Job<'_> {
    fn charts(&self, users: &[UserEntry], patients: Vec<Patient>) -> Outcome<Vec<Chart>> {
        users
            .iter()
            .zip(patients)
            .map(|(user, patient)| {
                let person = self.session.person(user, self.channel)?;
                Ok(Chart { person, contents: patient.records, records: Vec::new(), grant: None })
            })
            .collect()
    }

    /// Organisations first, then their people, each with an encryption key.
    async fn register(&mut self, cast: &Cast, users: &[UserEntry]) -> Outcome<()> {
        let (session, channel) = (self.session, self.channel);
        let step = self.output.step("people");
        let begun = Instant::now();
        for organisation in cast.organisations() {
            people::register_organisation(session, channel, organisation).await?;
        }
        let readers = std::iter::once(&cast.doctor).chain(&cast.strangers);
        let everybody: Vec<&UserEntry> = readers.map(|reader| &reader.user).chain(users).collect();
        let expected = everybody.len();
        chain::settle(session, channel).await?;
        let results = people::register(session, channel, &everybody).await;
        let results =
            results.into_iter().map(|result| result.map_err(|failure| failure.to_string()));
        let ok = self.note("people registered", expected, begun, results);
        step.end(ok, &format!("{expected} people of {} organisations", cast.organisations().len()));
        Ok(())
    }

    async fn store(&mut self, charts: &mut [Chart]) {
        let step = self.output.step("records");
        let begun = Instant::now();
        let places = places(charts);
        let results: Vec<(Place, Result<Id, String>)> = {
            let charts = &*charts;
            stream::iter(places.iter().copied())
                .map(|place| async move {
                    let chart = &charts[place.chart];
                    let content = &chart.contents[place.record];
                    let owner = chart.person.id();
                    let stored = retry(|| chart.person.add_record(owner, content)).await;
                    (place, stored.map(|record| record.id).map_err(|error| error.to_string()))
                })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await
        };
        let mut by_place = results;
        by_place.sort_by_key(|(place, _)| (place.chart, place.record));
        let mut outcomes = Vec::with_capacity(by_place.len());
        for (place, result) in by_place {
            outcomes.push(result.map(|id| charts[place.chart].records.push(id)));
        }
        let expected = places.len();
        let ok = self.note("records stored encrypted", expected, begun, outcomes);
        step.end(ok, &format!("{expected} records of {} patients", charts.len()));
    }

    async fn grant(&mut self, charts: &mut [Chart], doctor: &Reader) -> Outcome<()> {
        let step = self.output.step("consent");
        let begun = Instant::now();
        let reader = self.session.person(&doctor.user, self.channel)?;
        let until = now_unix_s() + CONSENT_S;
        let purpose = doctor.purpose;
        let granted: Vec<Result<Grant, String>> = {
            let reader = reader.id();
            stream::iter(charts.iter())
                .map(|chart| async move {
                    retry(|| chart.person.grant(reader, purpose, until, None))
                        .await
                        .map_err(|error| error.to_string())
                })
                .buffered(IN_FLIGHT)
                .collect()
                .await
        };
        let mut outcomes = Vec::with_capacity(granted.len());
        for (chart, grant) in charts.iter_mut().zip(granted) {
            outcomes.push(grant.map(|grant| chart.grant = Some(grant)));
        }
        let ok = self.note("consents granted", charts.len(), begun, outcomes);
        step.end(ok, &format!("{} patients let {} read", charts.len(), doctor.user.name));
        Ok(())
    }

    async fn open(&mut self, charts: &[Chart], doctor: &Reader) -> Outcome<()> {
        let step = self.output.step("open");
        let begun = Instant::now();
        let reader = self.session.person(&doctor.user, self.channel)?;
        let check = |place: Place| {
            let (reader, chart) = (&reader, &charts[place.chart]);
            async move {
                let Some(id) = chart.records.get(place.record) else {
                    return Err("the record was not stored".to_owned());
                };
                match retry(|| reader.open_record(id, doctor.purpose)).await {
                    Ok(opened) if opened.content == chart.contents[place.record] => Ok(()),
                    Ok(_) => Err(format!("record {id} came back with other bytes")),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        let outcomes = for_each_record(charts, check).await;
        let expected = outcomes.len();
        let ok = self.note("opened byte for byte", expected, begun, outcomes);
        step.end(ok, &format!("{} opened {expected} records", doctor.user.name));
        Ok(())
    }

    async fn refuse(&mut self, name: String, charts: &[Chart], reader: &Reader) -> Outcome<()> {
        let step = self.output.step("refusals");
        let begun = Instant::now();
        let person = self.session.person(&reader.user, self.channel)?;
        let check = |place: Place| {
            let (person, chart) = (&person, &charts[place.chart]);
            async move {
                let Some(id) = chart.records.get(place.record) else {
                    return Err("the record was not stored".to_owned());
                };
                refused(person, id, reader.purpose).await
            }
        };
        let outcomes = for_each_record(charts, check).await;
        let expected = outcomes.len();
        let ok = self.note(name, expected, begun, outcomes);
        step.end(ok, &format!("{} was refused {expected} records", reader.user.name));
        Ok(())
    }

    async fn revoke(&mut self, charts: &[Chart], doctor: &Reader) -> Outcome<()> {
        let step = self.output.step("revocation");
        let begun = Instant::now();
        let reader = self.session.person(&doctor.user, self.channel)?;
        let reader = reader.id();
        let outcomes: Vec<Result<(), String>> = stream::iter(charts)
            .map(|chart| async move {
                let grant = chart.grant.as_ref().ok_or("there is no consent to revoke")?;
                retry(|| chart.person.revoke(&grant.id, reader))
                    .await
                    .map_err(|error| error.to_string())
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let ok = self.note("consents revoked", charts.len(), begun, outcomes);
        step.end(ok, &format!("{} consents", charts.len()));
        Ok(())
    }

    /// Each patient sees one permitted access of somebody else per record, and `denials` denied ones.
    async fn audit(&mut self, charts: &[Chart], denials: usize) {
        let step = self.output.step("audit");
        let begun = Instant::now();
        let outcomes: Vec<Result<(), String>> = stream::iter(charts)
            .map(|chart| async move {
                let entries = chart.person.my_audit().await.map_err(|error| error.to_string())?;
                let accesses = |decision: Decision| {
                    entries
                        .iter()
                        .filter(|entry| entry.purpose.is_some() && entry.decision == decision)
                        // to hand a data key on, the patient's own client opens the record
                        .filter(|entry| entry.actor != *chart.person.id())
                        .filter(|entry| chart.records.contains(&entry.object))
                        .count()
                };
                let found = (accesses(Decision::Permit), accesses(Decision::Deny));
                let expected = (chart.records.len(), chart.records.len() * denials);
                if found == expected {
                    return Ok(());
                }
                Err(format!("(permitted, denied) accesses are {found:?}, not {expected:?}"))
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let ok = self.note("trails complete", charts.len(), begun, outcomes);
        step.end(ok, "every access and every refusal is in its patient's trail");
    }

    /// Each step builds on what the one before it has committed.
    async fn settle(&self) -> Outcome<()> {
        chain::settle(self.session, self.channel).await
    }

    async fn agreement(&mut self) -> Outcome<(Vec<super::report::NodeTip>, bool)> {
        let step = self.output.step("chains");
        let (nodes, agree) = agree(self.session, self.channel).await?;
        step.end(agree, if agree { "equal on all peers" } else { "DIFFERENT" });
        Ok((nodes, agree))
    }

    fn note(
        &mut self,
        name: impl Into<String>,
        expected: usize,
        begun: Instant,
        outcomes: impl IntoIterator<Item = Result<(), String>>,
    ) -> bool {
        let (mut done, mut problem) = (0, None);
        for outcome in outcomes {
            match outcome {
                Ok(()) => done += 1,
                Err(reason) => problem = problem.or(Some(reason)),
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let result = StepResult { name: name.into(), done, expected, seconds, problem };
        let ok = result.is_ok();
        self.steps.push(result);
        ok
    }
}

async fn refused(person: &Person, record: &Id, purpose: Purpose) -> Result<(), String> {
    match retry(|| person.open_record(record, purpose)).await {
        Err(Error::Denied { .. }) => Ok(()),
        Ok(_) => Err(format!("record {record} was opened")),
        Err(error) => Err(error.to_string()),
    }
}

fn places(charts: &[Chart]) -> Vec<Place> {
    let of_chart = |(chart, found): (usize, &Chart)| {
        (0..found.contents.len()).map(move |record| Place { chart, record }).collect::<Vec<_>>()
    };
    charts.iter().enumerate().flat_map(of_chart).collect()
}

async fn for_each_record<F: Future<Output = Result<(), String>>>(
    charts: &[Chart],
    check: impl Fn(Place) -> F,
) -> Vec<Result<(), String>> {
    stream::iter(places(charts)).map(check).buffer_unordered(IN_FLIGHT).collect().await
}
