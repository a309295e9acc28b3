//! Keeping a number of calls under way and noting how each ended.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use carecord_sdk::{Contract, Error};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Plan;
use crate::error::Outcome;
use crate::session::Session;
use crate::state::UserEntry;

/// The chaincode that is called.
pub(super) const CHAINCODE: &str = "bench";
const USUAL_KEY: &str = "p256";

/// How the calls of a run ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// One entry for each success.
    pub(super) latencies_us: Vec<u32>,
    /// Failures by kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// From the first call to the last answer.
    pub(super) elapsed: Duration,
}

/// Sorted latencies.
pub(super) struct Latencies(Vec<u32>);

/// Contracts as seen by the clients of a plan, one for each client.
pub(super) fn clients(session: &Session, plan: &Plan) -> Outcome<Vec<Contract>> {
    let file = session.file();
    let channel = file.channel(Some(&plan.channel))?;
    let nodes = match &plan.node {
        Some(name) => vec![file.node(name)?],
        None => file
            .nodes_of("peer")
            .filter(|node| channel.organisations.contains(&node.organisation))
            .collect(),
    };
    let mut contracts = Vec::new();
    for node in nodes {
        for user in users(session, &node.organisation, plan.mixed_keys)? {
            let gateway = session.gateway(user, Some(&node.name))?;
            contracts.push(gateway.network(&plan.channel).contract(CHAINCODE));
        }
    }
    Ok(contracts)
}

/// Keeps `plan.in_flight` calls of `call` under way for `plan.seconds`; each gets its running number.
pub(super) async fn run<F: Future<Output = Result<(), Error>>>(
    plan: &Plan,
    call: impl Fn(u64) -> F,
) -> Tally {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(plan.seconds);
    run_while(plan.in_flight, begun, |_| Instant::now() < end, call).await
}

/// Makes `count` calls with `in_flight` under way.
pub(super) async fn run_count<F: Future<Output = Result<(), Error>>>(
    in_flight: usize,
    count: u64,
    call: impl Fn(u64) -> F,
) -> Tally {
    run_while(in_flight, Instant::now(), |number| number < count, call).await
}

async fn run_while<F: Future<Output = Result<(), Error>>>(
    in_flight: usize,
    begun: Instant,
    goes_on: impl Fn(u64) -> bool,
    call: impl Fn(u64) -> F,
) -> Tally {
    let timed = |number: u64| {
        let call = call(number);
        async move {
            let begun = Instant::now();
            let result = call.await;
            (begun.elapsed(), result)
        }
    };
    let mut tally = Tally::default();
    let mut under_way = FuturesUnordered::new();
    let mut number = 0;
    while (under_way.len() < in_flight) && goes_on(number) {
        under_way.push(timed(number));
        number += 1;
    }
    while let Some((took, result)) = under_way.next().await {
        tally.note(took, result);
        if goes_on(number) {
            under_way.push(timed(number));
            number += 1;
        }
    }
    tally.elapsed = begun.elapsed();
    tally
}

fn users<'a>(
    session: &'a Session,
    organisation: &str,
    mixed_keys: bool,
) -> Outcome<Vec<&'a UserEntry>> {
    let file = session.file();
    let fits = |user: &&UserEntry| {
        user.organisation == organisation
            && !user.admin
            && (mixed_keys || user.key_kind == USUAL_KEY)
    };
    let found: Vec<&UserEntry> = file.users.iter().filter(fits).collect();
    match (found.is_empty(), mixed_keys) {
        (true, _) => Ok(vec![file.admin(organisation)?]),
        (false, true) => Ok(found),
        (false, false) => Ok(found.into_iter().take(1).collect()),
    }
}

// === impl Tally ===

impl Tally {
    fn note(&mut self, took: Duration, result: Result<(), Error>) {
        match result {
            Ok(()) => {
                self.latencies_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            }
            Err(error) => *self.errors.entry(kind(&error)).or_default() += 1,
        }
    }
}

/// Failures are counted by what they have in common, not by their transaction ids.
fn kind(error: &Error) -> String {
    match error {
        Error::Gateway { step, status, details } => {
            let detail =
                details.first().map_or_else(|| status.message(), |detail| detail.message.as_str());
            format!("{step} {:?}: {detail}", status.code())
        }
        Error::Commit { code, .. } => code.as_str_name().to_owned(),
        other => other.to_string(),
    }
}

// === impl Latencies ===

impl Latencies {
    pub(super) fn new(mut latencies_us: Vec<u32>) -> Self {
        latencies_us.sort_unstable();
        Self(latencies_us)
    }

    /// The smallest latency that at least `share` of the calls did not exceed; 0 without calls.
    pub(super) fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let index = rank.clamp(1, self.0.len().max(1)) - 1;
        self.0.get(index).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let latencies = Latencies::new((1..=100).rev().map(|ms| ms * 1000).collect());
        assert_eq!(latencies.quantile_ms(0.50), 50.0);
        assert_eq!(latencies.quantile_ms(0.99), 99.0);
        assert_eq!(latencies.quantile_ms(1.0), 100.0);
        assert_eq!(Latencies::new(Vec::new()).quantile_ms(0.5), 0.0);
    }

    #[tokio::test]
    async fn as_many_calls_as_asked_for_are_made_and_failures_are_counted() {
        let tally = run_count(3, 10, |number| async move {
            if number % 5 == 0 { Err(Error::NoRandomness) } else { Ok(()) }
        })
        .await;
        assert_eq!(tally.latencies_us.len(), 8);
        assert_eq!(tally.errors.values().sum::<u64>(), 2);
    }
}
