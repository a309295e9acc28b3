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
use crate::state::{NodeEntry, UserEntry};

const CLIENTS: usize = 4;
const BETWEEN: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(120);
const RENEWAL: Duration = Duration::from_secs(600);
/// Who is renewed: bring-up made their first certificate, which no CA knows.
const PERSON: &str = "client-a";
/// Who is enrolled and revoked.
const LATE: &str = "late";
/// Another key than the usual one, which network.json must tell.
const KEY: &str = "p384";
/// A node is renewed twice: by registration, then by its certificate.
const ROUNDS: usize = 2;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "renewal-at-ca",
    group: "membership",
    goal: "under load the new certificates of every node and a user come from the running CAs and stand in their logs; whom a CA revokes is refused everywhere",
    work: |context| Box::pin(work(context)),
}];

async fn work(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "renewal-at-ca", &format!("ca = true\n{BENCH}")).await?;
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(BETWEEN, PATIENCE).await?;
    for _ in 0..ROUNDS {
        trial.run(&["cert", "renew", "--all", "--user", PERSON], RENEWAL).await?;
    }
    load.wait_for(BETWEEN, PATIENCE).await?;
    let verdict = judge(&trial, &load.stop()?).await?;
    let mut wrong = Vec::new();
    let mut listed = 0;
    for node in trial.nodes() {
        let held = in_force(node)?;
        let (known, all) = at_ca(&trial, &node.organisation, &held).await?;
        listed += all;
        if !known || all != held.len() * ROUNDS {
            let name = &node.name;
            wrong.push(format!(
                "{name}: {all} certificates at its CA, in force among them: {known}"
            ));
        }
    }
    // What is in force must also be what a node starts with.
    let names: Vec<String> = trial.nodes().iter().map(|node| node.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    trial.kill(&names).await?;
    trial.restart().await?;
    trial.agreed().await?;
    let person = renewed(&trial, &mut wrong).await?;
    let late = revoked(context, &trial, &mut wrong).await?;
    let figure = format!(
        "{listed} certificates in the logs of the CAs after {ROUNDS} rounds: {verdict}; refused at {} of {} places: a user revoked by a CA; at {} of {}: a renewed one, old certificate included",
        late.0, late.1, person.0, person.1
    );
    let refused = |(refused, places): (usize, usize)| refused == places && places > 0;
    let ok = verdict.ok() && wrong.is_empty() && refused(late) && refused(person);
    wrong.extend(verdict.wrong());
    let finding = Finding::new(figure, ok);
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

/// The certificates that a node shows: for signing and TLS; a CA's service has the latter only.
fn in_force(node: &NodeEntry) -> Outcome<Vec<Certificate>> {
    let config = NodeConfig::load(&node.config_file)?;
    let mut held = Vec::new();
    if node.role != "ca" {
        let signing = crate::certificates::below(&config.msp_dir.join("signcerts"))
            .map_err(|error| Failure::file(&config.msp_dir, &error))?;
        held.extend(signing.into_iter().map(|(_, one)| one));
    }
    let tls = crate::state::read_credential(&config.tls.certificate)?;
    held.extend(Certificate::of_pem(&tls).into_iter().take(1));
    Ok(held)
}

/// Whether the CA of `organisation` lists all of `held`, which are one identity's, and how many of that it lists.
async fn at_ca(trial: &Trial, organisation: &str, held: &[Certificate]) -> Outcome<(bool, usize)> {
    let id = held.first().map(|one| one.common_name.clone()).unwrap_or_default();
    let ca = ca_of(trial.session().file(), organisation)?.clone();
    let ask = move || client(&ca)?.certificates(&registrar(&ca)?, &id).map_err(said);
    let listed = tokio::task::spawn_blocking(ask).await;
    let listed = listed.map_err(|error| Failure::new(crate::codes::Code::Short, error))??;
    let prints: Vec<String> = listed
        .iter()
        .flat_map(|pem| Certificate::of_pem(pem.as_bytes()))
        .map(|one| one.fingerprint)
        .collect();
    let known = !held.is_empty() && held.iter().all(|one| prints.contains(&one.fingerprint));
    Ok((known, prints.len()))
}

/// Somebody of bring-up's who was renewed at the CA: served everywhere, and after `cert revoke --user` refused everywhere,
/// by the certificate in force and by the first one, and given no other. Where they are refused, of how many places.
async fn renewed(trial: &Trial, wrong: &mut Vec<String>) -> Outcome<(usize, usize)> {
    let user = trial.session().file().user(PERSON)?.clone();
    let text = crate::state::read_credential(&user.certificate_file)?;
    let (known, _) = at_ca(trial, &user.organisation, &Certificate::of_pem(&text)).await?;
    if !known {
        wrong.push(format!("the certificate of {PERSON} is not its CA's"));
    }
    let first = first_of(trial, &user).await?;
    let mut late = Vec::new();
    for user in [&user, &first] {
        let before = everywhere(trial, user, transaction(trial, user).await?).await?;
        let not = before.iter().filter(|(_, served)| !served);
        wrong.extend(not.map(|(at, _)| format!("{at} before {PERSON} was revoked")));
        late.push(transaction(trial, user).await?);
    }
    trial.run(&["cert", "revoke", "--user", PERSON], PATIENCE).await?;
    if trial.run(&["cert", "renew", "--user", PERSON], PATIENCE).await.is_ok() {
        wrong.push(format!("{PERSON} was revoked and gets another certificate"));
    }
    let mut after = Vec::new();
    for (user, late) in [&user, &first].into_iter().zip(late) {
        after.extend(everywhere(trial, user, late).await?);
    }
    let still = after.iter().filter(|(_, served)| *served);
    wrong.extend(still.map(|(at, _)| format!("{at} after {PERSON} was revoked")));
    Ok((after.iter().filter(|(_, served)| !served).count(), after.len()))
}

/// The same person with the certificate that bring-up made, which still holds and which no CA knows.
async fn first_of(trial: &Trial, user: &UserEntry) -> Outcome<UserEntry> {
    let replaced = user.certificate_file.ancestors().nth(3).map(|home| home.join("replaced"));
    let replaced = replaced.unwrap_or_default();
    let failed = |error| Failure::file(&replaced, &error);
    for (path, one) in crate::certificates::below(&replaced).map_err(failed)? {
        if !at_ca(trial, &user.organisation, &[one]).await?.0 {
            return Ok(UserEntry { certificate_file: path, ..user.clone() });
        }
    }
    Err(failed(std::io::ErrorKind::NotFound.into()))
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
