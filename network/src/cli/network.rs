//! `carecord network`: one file per verb.

mod down;
mod init;
mod status;
mod up;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Network {
    /// Make certificates, first blocks and configurations, and start nothing.
    Init(init::Init),
    /// Start a network, making it first if asked to, and deploy its chaincodes.
    Up(up::Up),
    /// Stop a network or some of its nodes; their data stays.
    Down(down::Down),
    /// Which nodes run, how far their chains are, and whether they agree.
    Status(status::Status),
}

// === impl Network ===

impl Network {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Init(command) => command.run(output),
            Self::Up(command) => command.run(output).await,
            Self::Down(command) => command.run(output),
            Self::Status(command) => command.run(output).await,
        }
    }
}
