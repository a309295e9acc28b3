//! Group `membership`: certificates of nodes and people that come from their organisations' CAs, while the network works.

use std::time::Duration;

use super::certificates::{everywhere, transaction};
use crate::acceptance::chains::judge;
use crate::acceptance::load::Load;
use crate::acceptance::trial::{BENCH, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::certificates::Certificate;
use crate::error::{Failure, Outcome};
use crate::membership::{ca_of, client, registrar, said};
use crate::node::config::NodeConfig;
use crate::state::NodeEntry;

const CLIENTS: usize = 4;
const BETWEEN: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(120);
const RENEWAL: Duration = Duration::from_secs(600);
/// Who is enrolled and revoked.
const LATE: &str = "late";
/// Another key than the usual one, which network.json must tell.
const KEY: &str = "p384";
/// A node is renewed twice: by registration, then by its certificate.
const ROUNDS: usize = 2;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "renewal-at-ca",
    group: "membership",
    goal: "under load every node's new certificates come from the running CAs and stand in their logs; whom a CA revokes is refused everywhere",
    work: |context| Box::pin(work(context)),
}];

async fn work(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "renewal-at-ca", &format!("ca = true\n{BENCH}")).await?;
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(BETWEEN, PATIENCE).await?;
    for _ in 0..ROUNDS {
        trial.run(&["cert", "renew", "--all"], RENEWAL).await?;
    }
    load.wait_for(BETWEEN, PATIENCE).await?;
    let verdict = judge(&trial, &load.stop()?).await?;
    let mut wrong = Vec::new();
    let mut listed = 0;
    for node in trial.nodes().iter().filter(|node| node.role != "ca") {
        let (known, all) = at_ca(&trial, node).await?;
        listed += all;
        if !known || all != 2 * ROUNDS {
            wrong.push(format!(
                "{}: {all} certificates at its CA, in force among them: {known}",
                node.name
            ));
        }
    }
    let (refused, places) = revoked(context, &trial, &mut wrong).await?;
    let figure = format!(
        "{listed} certificates in the logs of the CAs after {ROUNDS} rounds: {verdict}; a user revoked by a CA refused at {refused} of {places} places"
    );
    let ok = verdict.ok() && wrong.is_empty() && refused == places && places > 0;
    wrong.extend(verdict.wrong());
    let finding = Finding::new(figure, ok);
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

/// Whether the CA of `node` lists the certificates in force, and how many it lists.
async fn at_ca(trial: &Trial, node: &NodeEntry) -> Outcome<(bool, usize)> {
    let config = NodeConfig::load(&node.config_file)?;
    let signing = crate::certificates::below(&config.msp_dir.join("signcerts"))
        .map_err(|error| Failure::file(&config.msp_dir, &error))?;
    let mut in_force: Vec<Certificate> = signing.into_iter().map(|(_, one)| one).collect();
    let tls = crate::state::read_credential(&config.tls.certificate)?;
    in_force.extend(Certificate::of_pem(&tls).into_iter().take(1));
    let id = in_force.first().map(|one| one.common_name.clone()).unwrap_or_default();
    let ca = ca_of(trial.session().file(), &node.organisation)?.clone();
    let ask = move || client(&ca)?.certificates(&registrar(&ca)?, &id).map_err(said);
    let listed = tokio::task::spawn_blocking(ask).await;
    let listed = listed.map_err(|error| Failure::new(crate::codes::Code::Short, error))??;
    let prints: Vec<String> = listed
        .iter()
        .flat_map(|pem| Certificate::of_pem(pem.as_bytes()))
        .map(|one| one.fingerprint)
        .collect();
    let known = in_force.len() == 2 && in_force.iter().all(|one| prints.contains(&one.fingerprint));
    Ok((known, prints.len()))
}

/// Enrols somebody at a CA, revokes them there and puts the list into the channel; answers where they are refused, of how
/// many places.
async fn revoked(
    context: &Context,
    trial: &Trial,
    wrong: &mut Vec<String>,
) -> Outcome<(usize, usize)> {
    let organisation = trial
        .nodes()
        .iter()
        .find(|node| node.role == "peer")
        .map(|node| node.organisation.clone())
        .unwrap_or_default();
    let [secret, list] = ["late.secret", "late.crl"].map(|name| trial.dir().join(name));
    let [secret, list] = [&secret, &list].map(|path| path.display().to_string());
    let at = ["--ca", &organisation];
    let identity =
        async |args: &[&str]| trial.run(&[&["identity"], args, &at[..]].concat(), PATIENCE).await;
    identity(&["register", LATE, "--secret-out", &secret]).await?;
    identity(&["enroll", LATE, "--secret-file", &secret, "--user", LATE, "--key", KEY]).await?;
    let mut anew = Trial::adopt(context, trial.dir())?;
    anew.leave();
    let user = anew.session().file().user(LATE)?.clone();
    if user.key_kind != KEY {
        wrong.push(format!("network.json says that the key is {}", user.key_kind));
    }
    let before = everywhere(&anew, &user, transaction(&anew, &user).await?).await?;
    wrong.extend(before.iter().filter(|(_, served)| !served).map(|(at, _)| format!("{at} before")));
    let late = transaction(&anew, &user).await?;
    identity(&["revoke", LATE, "--crl", &list]).await?;
    trial.run(&["cert", "revoke", "--crl", &list, "--org", &organisation], PATIENCE).await?;
    let after = everywhere(&anew, &user, late).await?;
    wrong.extend(after.iter().filter(|(_, served)| *served).map(|(at, _)| format!("{at} after")));
    Ok((after.iter().filter(|(_, served)| !served).count(), after.len()))
}
