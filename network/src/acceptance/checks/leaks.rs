//! Group `network`: nothing of the loaded patients lies readable in any node's folder, and the search can see.

use std::time::Duration;

use carecord_health::vocabulary::Purpose;
use carecord_sdk::health::Person;
use futures::{StreamExt, TryStreamExt, stream};

use super::main_job::{FHIR, loaded_network};
use crate::acceptance::ledgers::data;
use crate::acceptance::trial::{CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;
use crate::scan::{self, Options, Report, Terms, canary};
use crate::session::from_sdk;
use crate::state::NetworkDir;

const PATIENT: &str = "patient";
const IN_FLIGHT: usize = 32;
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) const CHECKS: &[Check] = &[Check {
    name: "leak-scan",
    group: "network",
    goal: "no name, street, patient id or data key in any node's folder, and every canary found",
    work: |context| Box::pin(leaks(context)),
}];

async fn leaks(context: &Context) -> Outcome<Finding> {
    let trial = loaded_network(context).await?;
    let mut terms = Terms::new();
    let bundles = terms.add_bundles(&data(FHIR)?)?;
    let keys = data_keys(&trial).await?;
    for key in &keys {
        terms.add_key(key);
    }
    // What a peer still holds in memory is in no file.
    trial.run(&["network", "down", "--quiet"], PATIENCE).await?;
    let dir = NetworkDir::new(trial.dir())?;
    let report = scan::network(&dir, &terms, Options { show: true, ..Options::default() })?;
    let proof = canary::prove(&dir)?;
    let ok = report.clean && report.complete && !keys.is_empty() && proof.planted > 0;
    let totals = report.totals;
    let figure = format!(
        "{} found, {} canaries found; {} files, {} table rows, {} records, {} certificates",
        report.hits_total,
        proof.planted,
        totals.files,
        totals.rows,
        totals.records,
        totals.certificates
    );
    let finding = Finding::new(figure, ok)
        .remark(format!("{} bundles, {} data keys; {}", bundles, keys.len(), looked_for(&report)))
        .details(&report);
    Ok(match report.hits.first() {
        Some(hit) => finding.remark(format!("first: {hit:?}")),
        None => finding,
    })
}

fn looked_for(report: &Report) -> String {
    let one = |(class, count): (&scan::Class, &usize)| format!("{count} × {}", class.word());
    report.terms.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The data keys of all records, which their patients ask for as they would to open them.
async fn data_keys(trial: &Trial) -> Outcome<Vec<[u8; 32]>> {
    let session = trial.session();
    let patients = session.file().users.iter().filter(|user| user.role.as_deref() == Some(PATIENT));
    let mut keys = Vec::new();
    for patient in patients {
        let person: Person = session.person(patient, CHANNEL)?;
        // Somebody without records, or who never registered, has no keys.
        let Ok(records) = person.my_records().await else { continue };
        let person = &person;
        let found: Vec<[u8; 32]> = stream::iter(records)
            .map(|record| async move {
                person
                    .data_key(&record.id, Purpose::PatientRequest)
                    .await
                    .map(|key| *key.as_bytes())
            })
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
            .map_err(|error| from_sdk(&error))?;
        keys.extend(found);
    }
    Ok(keys)
}
