//! The first help: commands in groups, which the argument parser knows nothing of.

use std::fmt::Write;

use clap::Command;

/// Every command that is shown, in the order in which a newcomer meets them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Start", &["demo", "network"]),
    (
        "Operate",
        &[
            "node", "channel", "org", "orderer", "ca", "identity", "cert", "ledger", "snapshot",
            "backup", "private", "explain",
        ],
    ),
    ("Develop", &["chaincode", "tx", "block", "configtx", "bench"]),
    ("Health", &["record", "consent", "audit"]),
];

/// Gives `command` a help that lists its subcommands by group.
pub(super) fn grouped(command: Command) -> Command {
    let template = template(&command);
    command.help_template(template)
}

fn template(command: &Command) -> String {
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        push(&mut text, format_args!("\n{group}:"));
        for subcommand in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            push(&mut text, format_args!("  {:<10}{about}", subcommand.get_name()));
        }
    }
    text + "\nOptions:\n{options}\n\n`carecord COMMAND --help` says more; `carecord demo` is a good beginning."
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn every_command_stands_in_one_group() {
        let command = Arguments::command();
        let shown: Vec<&str> = command
            .get_subcommands()
            .filter(|subcommand| !subcommand.is_hide_set())
            .map(Command::get_name)
            .collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        for name in &shown {
            assert!(grouped.contains(name), "{name} stands in no group");
        }
        grouped.sort_unstable();
        grouped.dedup();
        assert_eq!(grouped.len(), shown.len(), "a group names what is no command, or twice");
    }

    #[test]
    fn the_help_lists_groups_and_options() {
        let help = grouped(Arguments::command()).render_help().to_string();
        for line in ["Start:", "Operate:", "Develop:", "Health:", "Options:", "Usage: carecord"] {
            assert!(help.contains(line), "{line} is missing:\n{help}");
        }
        assert!(help.contains("  demo      Bring up a network"), "{help}");
        assert!(help.contains("--output"), "{help}");
    }
}
