//! Group `health`: contents and keys as others see them; copies of contents; large ones.

use crate::acceptance::suite::{self, Suite};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

/// The large content, in MiB.
const LARGE_MIB: usize = 2_048;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "mnemonics",
        group: "health",
        goal: "twelve words and their seeds are those of BIP-39's published vectors",
        work: |context| Box::pin(suite::run(context, MNEMONICS, &[])),
    },
    Check {
        name: "vault-repair",
        group: "health",
        goal: "one of three vaults stopped and wiped: contents readable, then three copies again",
        work: |context| Box::pin(suite::run(context, REPAIR, &[])),
    },
    Check {
        name: "large-file",
        group: "health",
        goal: "2 GiB sealed, stored at three organisations, read back in under 64 MiB of memory",
        work: |context| Box::pin(large(context)),
    },
];

const MNEMONICS: &[Suite<'static>] = &[Suite {
    package: "carecord-sdk",
    target: "mnemonics",
    names: &["words_and_seeds"],
    tests_min: 1,
}];

const REPAIR: &[Suite<'static>] = &[Suite {
    package: "carecord-vault",
    target: "it",
    names: &[
        "copies::a_wiped_vault",
        "copies::a_copy_that_was_damaged",
        "copies::a_named_content",
        "copies::new_contents",
        "copies::a_vault_takes_no_copy",
    ],
    tests_min: 5,
}];

const LARGE: &[Suite<'static>] = &[Suite {
    package: "carecord-vault",
    target: "large",
    names: &["a_large_content"],
    tests_min: 1,
}];

async fn large(context: &Context) -> Outcome<Finding> {
    let mib = context.scaled(LARGE_MIB, 32);
    let finding = suite::run(context, LARGE, &[("CARECORD_LARGE_MIB", mib.to_string())]).await?;
    Ok(context.scale_remark(finding, &format!("{mib} MiB")))
}
