//! Group `membership`: what operators are told who did something wrong.

use crate::acceptance::suite::{self, Suite};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "operator-mistakes",
    group: "membership",
    goal: "of at least 45 scripted mistakes all but two are answered with their cause; the texts are as committed",
    work: |context| Box::pin(mistakes(context)),
}];

async fn mistakes(context: &Context) -> Outcome<Finding> {
    let names = &["the_message_that_the_caller_sees_names_the_cause"];
    let suite = Suite { package: "carecord", target: "operator_mistakes", names, tests_min: 1 };
    suite::run(context, &[suite], &[]).await
}
