//! Submitting transactions with unique keys.

use super::{Plan, Report, SUBMIT, cost, load};
use crate::error::Outcome;
use crate::session::Session;

/// Submits values of `value_bytes` bytes for as long as `plan` says and reports.
pub async fn submit(session: &Session, plan: &Plan, value_bytes: usize) -> Outcome<Report> {
    let clients = load::clients(session, plan)?;
    // Keys are unique over runs, so that no run conflicts with one before.
    let run = rand::random::<u64>();
    let value = bytes::Bytes::from(vec![b'x'; value_bytes]);
    let before = cost::snapshot(session.file());
    let tally = load::run(plan, |number| {
        let contract = clients[number as usize % clients.len()].clone();
        let key = bytes::Bytes::from(format!("{run:016x}-{number}"));
        let value = value.clone();
        async move { contract.submit("put", [key, value]).await.map(|_| ()) }
    })
    .await;
    let spent = before.until(&cost::snapshot(session.file()));
    Ok(Report::new(SUBMIT, plan, tally, spent))
}
