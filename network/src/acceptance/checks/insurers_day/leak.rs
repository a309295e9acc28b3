//! What a claim is about lies in no node's folder: neither codes, nor the tags that stand for them, nor the secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use carecord_health::claims::terms::tag;
use carecord_sdk::fhir::claim::Billing;

use super::office::Office;
use crate::acceptance::Finding;
use crate::error::Outcome;
use crate::scan::{self, Class, Options, Terms};
use crate::state::NetworkDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// Stops the network and searches its folder.
pub(super) async fn searched(office: &Office<'_>, books: &[Billing]) -> Outcome<Finding> {
    let mut terms = Terms::new();
    let items = || books.iter().flat_map(|book| &book.claims).flat_map(|claim| &claim.items);
    let services = items().map(|item| &item.code);
    let codes: BTreeSet<&String> =
        services.chain(items().flat_map(|item| &item.diagnoses)).collect();
    for code in &codes {
        // A code alone is eight digits, which any number may contain: it is looked for as it would be written.
        let plain = code.rsplit('|').next().unwrap_or(code);
        terms.add_text(Class::Canary, code);
        terms.add_text(Class::Canary, &format!("\"{plain}\""));
        terms.add_text(Class::Canary, &format!("|{plain}"));
        terms.add_text(Class::Canary, tag(&office.insurance.tag_key, code).as_str());
    }
    terms.add_key(&office.insurance.tag_key);
    for (_, member) in &office.members {
        terms.add_text(Class::Canary, member.secret.secret.as_str());
    }
    office.trial.run(&["network", "down", "--quiet"], PATIENCE).await?;
    let dir = NetworkDir::new(office.trial.dir())?;
    let report = scan::network(&dir, &terms, Options { show: true, ..Options::default() })?;
    let figure =
        format!("{} of {} codes, their tags and secrets found", report.hits_total, codes.len());
    let finding = Finding::new(figure, report.clean && report.complete && !codes.is_empty());
    Ok(match report.hits.first() {
        Some(hit) => finding.remark(format!("first: {hit:?}")),
        None => finding,
    })
}
