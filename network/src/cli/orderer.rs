//! `carecord orderer`: the ordering service of a channel, while it runs.

mod change;
mod status;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Orderer {
    /// Consenters of a channel, as its configuration names them.
    List(status::List),
    /// How each orderer fares: relation, height, who leads.
    Status(status::Status),
    /// Make one more orderer, start it, let it catch up, and make it a consenter.
    Add(change::Add),
    /// Take an orderer from the consenters.
    Remove(change::Remove),
    /// Put a new orderer in the place of one: removed and added, with other certificates and an empty folder.
    Replace(change::Replace),
    /// Move leadership.
    TransferLeader(status::Transfer),
}

// === impl Orderer ===

impl Orderer {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List(command) => command.run(output).await,
            Self::Status(command) => command.run(output),
            Self::Add(command) => command.run(output).await,
            Self::Remove(command) => command.run(output).await,
            Self::Replace(command) => command.run(output).await,
            Self::TransferLeader(command) => command.run(output).await,
        }
    }
}
