//! `carecord channel`.

mod config;
mod create;
mod join;
mod show;
mod sign;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

pub(super) use config::{Reader, proposed};
pub(super) use sign::{Approve, Submit};

#[derive(Debug, Subcommand)]
pub(super) enum Channel {
    /// Channels, who is on them, and how far each node is.
    List(show::List),
    /// What is agreed on a channel: organisations, orderers, policies, limits.
    Show(show::Show),
    /// The configuration itself: read, compare, change.
    #[command(subcommand)]
    Config(config::Config),
    /// Make a channel among organisations and orderers of this network.
    Create(create::Create),
    /// Let a node join a channel.
    Join(join::Join),
    /// Take an orderer off a channel.
    Leave(join::Leave),
}

// === impl Channel ===

impl Channel {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List(command) => command.run(output).await,
            Self::Show(command) => command.run(output).await,
            Self::Config(command) => command.run(output).await,
            Self::Create(command) => command.run(output).await,
            Self::Join(command) => command.run(output).await,
            Self::Leave(command) => command.run(output).await,
        }
    }
}
