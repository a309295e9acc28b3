//! `carecord identity`.

mod at_ca;
mod enroll;
mod register;
mod revoke;
mod show;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Identity {
    /// People whose keys this network folder holds; with --ca, everybody whom an organisation's CA knows.
    List(show::List),
    /// One person, with the files of their keys; with --ca, what an organisation's CA knows of them.
    Show(show::Show),
    /// Register a person on the health chaincode, somebody new with a certificate; with --ca, register at the CA only.
    Register(register::Register),
    /// Get a certificate from a CA for an id and its secret.
    Enroll(enroll::Enroll),
    /// Get a new certificate from a CA for somebody who has one.
    Reenroll(enroll::Reenroll),
    /// Take certificates back at a CA; the channel learns of it by the CA's revocation list.
    Revoke(revoke::Revoke),
}

// === impl Identity ===

impl Identity {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List(command) => command.run(output),
            Self::Show(command) => command.run(output),
            Self::Register(command) => command.run(output).await,
            Self::Enroll(command) => command.run(output),
            Self::Reenroll(command) => command.run(output),
            Self::Revoke(command) => command.run(output),
        }
    }
}
