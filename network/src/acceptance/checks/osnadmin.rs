//! Group `membership`: channel participation by a client that others wrote.

use super::gateway_sdk::fabric_sdk;
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// Fewer means that tests were lost.
const TESTS_MIN: u64 = 3;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "osnadmin",
    group: "membership",
    goal: "the osnadmin client of the independent crate fabric-sdk lists, shows, joins and removes; update and fetch as \
           osnadmin sends them",
    work: |context| Box::pin(osnadmin(context)),
}];

async fn osnadmin(context: &Context) -> Outcome<Finding> {
    fabric_sdk(context, "osnadmin", &["--test", "osnadmin"], TESTS_MIN).await
}
