//! Submitting transactions with unique keys.

use super::{Plan, Report, SUBMIT, cost, load};
use crate::error::Outcome;
use crate::session::Session;

/// Submits values of `value_bytes` bytes for as long as `plan` says and reports.
///
/// With a collection the values are private: key and value are transient, the plan's members endorse.
pub async fn submit(
    session: &Session,
    plan: &Plan,
    value_bytes: usize,
    collection: Option<&str>,
) -> Outcome<Report> {
    let clients = load::clients(session, plan)?;
    // Keys are unique over runs, so that no run conflicts with one before.
    let run = rand::random::<u64>();
    let value = bytes::Bytes::from(vec![b'x'; value_bytes]);
    let before = cost::snapshot(session.file());
    let tally = load::run(plan, |number| {
        let contract = clients[number as usize % clients.len()].clone();
        let key = bytes::Bytes::from(format!("{run:016x}-{number}"));
        let value = value.clone();
        async move {
            let Some(collection) = collection else {
                return contract.submit("put", [key, value]).await.map(|_| ());
            };
            let proposal = contract.proposal("putPrivate").arguments([collection.to_owned()]);
            let proposal = proposal.transient("key", key).transient("value", value);
            let transaction = proposal.build()?.endorse().await?;
            transaction.submit().await?.wait_valid().await.map(|_| ())
        }
    })
    .await;
    let spent = before.until(&cost::snapshot(session.file()));
    Ok(Report::new(SUBMIT, plan, tally, spent))
}
