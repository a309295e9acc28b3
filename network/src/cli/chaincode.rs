//! `carecord chaincode`.

mod call;
mod define;
mod deploy;
mod list;
mod package;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Chaincode {
    /// Make a package.
    Package(package::Make),
    /// Put a package on the peers of the organisations whose administrators are in this folder.
    Install(package::Install),
    /// What is in force on a channel, or with --installed which packages the peers have.
    #[command(visible_alias = "queryinstalled")]
    List(list::List),
    /// Let organisations agree to a definition.
    Approve(define::Approve),
    /// Who has agreed to a definition.
    Readiness(define::Readiness),
    /// Put a definition in force that enough have agreed to.
    Commit(define::Commit),
    /// All of it in one: install, approve for every organisation of this folder, commit; an upgrade if it is there already.
    Deploy(deploy::Deploy),
    /// Endorse, order and await a transaction.
    Invoke(call::Invoke),
    /// Run a function on one peer; nothing is ordered.
    Query(call::Query),
}

// === impl Chaincode ===

impl Chaincode {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Package(command) => command.run(output),
            Self::Install(command) => command.run(output).await,
            Self::List(command) => command.run(output).await,
            Self::Approve(command) => command.run(output).await,
            Self::Readiness(command) => command.run(output).await,
            Self::Commit(command) => command.run(output).await,
            Self::Deploy(command) => command.run(output).await,
            Self::Invoke(command) => command.run(output).await,
            Self::Query(command) => command.run(output).await,
        }
    }
}
